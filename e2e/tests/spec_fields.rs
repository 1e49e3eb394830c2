//! Fields of the spec for pods, observed in a running pod; and changes that roll out in a data center of one rack,
//! where two unavailable nodes at once would be two replicas: one pod after the other, while a client runs at QUORUM.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Client, Cluster, Space, cassandra, cluster, command::setting, kubectl, operator::is_ready,
    wait::until,
};
use serde_json::{Value, json};

const PODS: [&str; 3] = [
    "fields-dc1-rack1-0",
    "fields-dc1-rack1-1",
    "fields-dc1-rack1-2",
];

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn fields_have_their_effect_and_changes_roll_pod_by_pod() {
    let space = Space::open("e2e-fields");
    let ring = space.cluster("fields");
    scripts(&space, "one");
    ring.apply(&manifest());
    ring.settles();
    assert_eq!(ring.pod_names(), PODS[..2]);
    seeds_reach_running_nodes(&space, &ring);
    assert_eq!(ring.pod_names(), PODS);
    in_each_pod_is_what_was_asked_for(&space, &ring);

    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS three WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 3}",
        "CREATE TABLE IF NOT EXISTS three.t (id int PRIMARY KEY, text text)",
    ];
    cassandra::write(&space.kubectl, PODS[0], &statements);
    let client = Client::start(&space.kubectl, &PODS, "three.t");
    // The same name with different content.
    scripts(&space, "two");
    rolls(&ring, || {
        let done = PODS
            .iter()
            .map(|pod| run(&space, pod, "cat /etc/cassandra/by-*"));
        done.filter(|said| said == "two two").count()
    });
    ring.change(&json!({
        "envVars": [{ "name": "GREETING", "value": "good evening" }],
        "resources": { "requests": { "cpu": "60m", "memory": "710Mi" }, "limits": { "memory": "1Gi" } },
        "topology": with_partition(2),
    }));
    below_the_partition_pods_stay(&space, &ring);
    ring.change(&json!({ "topology": with_partition(0) }));
    rolls(&ring, || {
        let done = PODS.iter().map(|pod| run(&space, pod, "echo $GREETING"));
        done.filter(|said| said == "good evening").count()
    });
    let requests = ring.pods()[0]["spec"]["containers"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["name"] == "cassandra"))
        .map(|cassandra| cassandra["resources"]["requests"]["memory"].clone());
    assert_eq!(requests, Some(json!("710Mi")));
    a_bad_change_stops_at_the_first_pod(&ring);
    without_cassandra_a_pod_is_there_to_be_looked_into(&space, &ring);
    pods_may_want_machines_of_their_own(&ring);
    let outcome = client.end();
    assert!(outcome.failed.is_empty(), "{outcome:#?}");
    assert!(outcome.requests > 100, "{outcome:?}");
    ring.delete();
}

fn manifest() -> Value {
    let mut manifest = cluster::ring("fields", &[("dc1", &["rack1"])]);
    let more = json!({
        "nodesPerRacks": 2,
        "autoUpdateSeedList": true,
        "configMapName": "scripts",
        "envVars": [{ "name": "GREETING", "value": "good morning" }],
        "shareProcessNamespace": true,
        "runAsUser": 1000,
        "fsGroup": 1234,
        "readOnlyRootFilesystem": true,
        "hardAntiAffinity": false,
        "pod": {
            "annotations": { "example.com/team": "orders" },
            "tolerations": [{ "key": "example.com/cassandra", "operator": "Exists" }],
        },
        "service": { "annotations": { "example.com/team": "orders" } },
        "jmxConfiguration": {
            "jmxRemoteEnable": true, "jmxRemotePort": 7299, "jmxRemoteRmiPort": 7299,
            "jmxRemoteSSL": false, "jmxRemoteAuthenticate": false,
        },
        "storageConfigs": [{
            "name": "more", "mountPath": "/var/lib/more",
            "pvcSpec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "1Gi" } },
            },
        }],
        "sidecarConfigs": [{
            "name": "beside", "image": setting("CASSANDRA_IMAGE"),
            "command": ["sleep", "123456789"],
            "resources": { "requests": { "cpu": "1m", "memory": "8Mi" } },
        }],
    });
    let spec = manifest["spec"].as_object_mut().expect("a spec");
    spec.extend(more.as_object().cloned().expect("an object"));
    manifest
}

/// The scripts that run before and after the configuration is written.
fn scripts(space: &Space, word: &str) {
    space.kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "scripts" },
        "data": {
            "pre_run.sh": format!("echo {word} > /etc/cassandra/by-pre-run"),
            "post_run.sh": format!("echo {word} > /etc/cassandra/by-post-run"),
        },
    }));
}

/// The third node is a seed, and the older nodes receive that too.
fn seeds_reach_running_nodes(space: &Space, ring: &Cluster) {
    ring.change(&json!({ "nodesPerRacks": 3 }));
    let seeds = format!(
        "grep -A 1 -- '- seeds:' /etc/cassandra/cassandra.yaml | grep -c {}",
        PODS[2]
    );
    until("its name in the pods before it", || {
        let known = [PODS[0], PODS[1]].map(|pod| run(space, pod, &seeds));
        if known == ["1", "1"] {
            Ok(())
        } else {
            Err(format!("{known:?}"))
        }
    });
    ring.settles();
}

fn with_partition(partition: i32) -> Value {
    json!({ "dc": [{ "name": "dc1", "rack": [{ "name": "rack1", "rollingPartition": partition }] }] })
}

/// The partition also holds when the changed pod is healthy and reported as up by all nodes.
fn below_the_partition_pods_stay(space: &Space, ring: &Cluster) {
    let says = |pod: &str| run(space, pod, "echo $GREETING");
    until("the last pod to have the change", || {
        let said = says(PODS[2]);
        if said == "good evening" {
            Ok(())
        } else {
            Err(said)
        }
    });
    ring.becomes("Available", "True");
    ring.is_looked_at();
    for pod in &PODS[..2] {
        assert_eq!(says(pod), "good morning", "{pod}");
    }
    let revision = |pod: &Value| pod["metadata"]["labels"]["controller-revision-hash"].clone();
    let revisions: Vec<Value> = ring.pods().iter().map(revision).collect();
    assert_eq!(revisions[0], revisions[1]);
    assert_ne!(revisions[1], revisions[2]);
}

fn in_each_pod_is_what_was_asked_for(space: &Space, ring: &Cluster) {
    let daemon = "grep -lz jmxremote.port=729[9] /proc/*/cmdline | wc -l";
    let sleep = "grep -lz 12345678[9] /proc/*/cmdline | wc -l";
    for pod in PODS {
        for (command, said) in [
            ("cat /etc/cassandra/by-*", "one one"),
            ("echo $GREETING", "good morning"),
            ("id -u", "1000"),
            ("id -G | tr ' ' '\\n' | grep -x 1234", "1234"),
            ("touch /var/lib/more/kept && echo done", "done"),
            ("touch /anywhere 2>/dev/null || echo read-only", "read-only"),
            (daemon, "1"),
            (sleep, "1"),
        ] {
            assert_eq!(run(space, pod, command), said, "{pod}: {command}");
        }
    }
    for pod in ring.pods() {
        let annotations = &pod["metadata"]["annotations"];
        assert_eq!(annotations["example.com/team"], "orders");
        let tolerations = pod["spec"]["tolerations"].as_array();
        let mut tolerations = tolerations.into_iter().flatten();
        assert!(tolerations.any(|found| found["key"] == "example.com/cassandra"));
    }
    let service = space.kubectl.get("service", "fields").expect("a Service");
    let annotations = &service["metadata"]["annotations"];
    assert_eq!(annotations["example.com/team"], "orders");
    let claims = space
        .kubectl
        .list("persistentvolumeclaims", "cassandracluster=fields");
    assert_eq!(claims.len(), 6, "two for each pod");
}

/// Waits until a change is rolled out to all pods; at no time more than one pod is unavailable.
fn rolls(ring: &Cluster, changed: impl Fn() -> usize) {
    until("all pods to have the change", || {
        let pods = ring.pods();
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        assert!(ready >= PODS.len() - 1, "{ready} are Ready");
        if ready < PODS.len() {
            return Err(format!("{ready} are Ready"));
        }
        match changed() {
            3 => Ok(()),
            changed => Err(format!("{changed} have it")),
        }
    });
    ring.settles();
}

fn a_bad_change_stops_at_the_first_pod(ring: &Cluster) {
    let image = |image: &str| ring.change(&json!({ "cassandraImage": image }));
    image("localhost/cassandra:nosuch");
    ring.tells("Degraded", "True", &[PODS[2], "nosuch"]);
    ring.is_looked_at();
    assert_eq!(away(ring), [PODS[2]]);
    image(&setting("CASSANDRA_IMAGE"));
    ring.settles();
}

/// The first changed pod has `debug`; the others wait until Cassandra runs again.
fn without_cassandra_a_pod_is_there_to_be_looked_into(space: &Space, ring: &Cluster) {
    let daemon = "grep -lz service.CassandraDaemo[n] /proc/*/cmdline | wc -l";
    let data = "ls /var/lib/cassandra/data | grep -x three";
    let before = ring.pods();
    ring.change(&json!({ "debug": true }));
    ring.tells("Degraded", "True", &[PODS[2]]);
    until("a pod without Cassandra", || {
        let said = [daemon, data].map(|command| run(space, PODS[2], command));
        if said == ["0", "three"] {
            Ok(())
        } else {
            Err(format!("{said:?}"))
        }
    });
    ring.is_looked_at();
    let uid = |pod: &Value| pod["metadata"]["uid"].clone();
    let now = ring.pods();
    let kept: Vec<bool> = before
        .iter()
        .zip(&now)
        .map(|(old, new)| uid(old) == uid(new))
        .collect();
    assert_eq!(kept, [true, true, false]);
    ring.change(&json!({ "debug": null }));
    ring.settles();
    assert_eq!(run(space, PODS[2], daemon), "1");
}

/// There are fewer machines than pods: one pod stays unscheduled, and no other pod is evicted for it.
fn pods_may_want_machines_of_their_own(ring: &Cluster) {
    ring.change(&json!({ "hardAntiAffinity": true }));
    ring.tells("Degraded", "True", &["cannot be placed", "anti-affinity"]);
    ring.is_looked_at();
    let away = away(ring);
    assert_eq!(away.len(), 1, "{away:?}");
    let pods = ring.pods();
    let unplaced = pods.iter().find(|pod| kubectl::name(pod) == away[0]);
    let affinity = unplaced.map(|pod| &pod["spec"]["affinity"]["podAntiAffinity"]);
    let required = affinity.map(|how| &how["requiredDuringSchedulingIgnoredDuringExecution"][0]);
    assert_eq!(
        required.map(|how| &how["topologyKey"]),
        Some(&json!("kubernetes.io/hostname"))
    );
    ring.change(&json!({ "hardAntiAffinity": false }));
    ring.settles();
}

/// Names of the pods that are not Ready.
fn away(ring: &Cluster) -> Vec<String> {
    let pods = ring.pods();
    let away = pods.iter().filter(|pod| !is_ready(pod));
    away.map(kubectl::name).collect()
}

/// The output of a command in the container of Cassandra, in one line; nothing while it cannot be run.
fn run(space: &Space, pod: &str, command: &str) -> String {
    let exec = ["exec", pod, "-c", "cassandra", "--", "sh", "-c", command];
    let output = space.kubectl.run(&exec);
    let words: Vec<&str> = output.stdout.split_whitespace().collect();
    words.join(" ")
}
