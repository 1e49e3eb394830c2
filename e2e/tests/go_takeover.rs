//! A cluster of the Go CassKop is taken over: StatefulSets whose selectors hold the labels of the resource, a Service and
//! a budget that select by them, and its pods, in order. Its nodes, volumes and data stay the same.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::collections::BTreeMap;

use casskop_e2e::{
    Cluster, Space, cassandra, cluster, go_casskop, kubectl, operator, space::http, wait::until,
};
use serde_json::{Value, json};

/// A ConfigMap of scripts as that of the samples.
const SCRIPTS: &str = "cassandra-configmap-v1";
const PODS: [&str; 2] = ["old-dc1-rack1-0", "old-dc1-rack2-0"];

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_cluster_of_the_go_casskop_is_taken_over_with_its_volumes() {
    let space = Space::open("e2e-takeover");
    space.admit_privileged_pods();
    operator::scale(&space.kubectl, 0);
    let old = space.cluster("old");
    space.kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": SCRIPTS },
        "data": { "pre_run.sh": "echo before\n\
            sed -ri 's/(hinted_handoff_throttle_in_kb:).*/\\1 2048/' /etc/cassandra/cassandra.yaml\n\
            test \"$(hostname)\" == 'nosuch' && exit 1\n\
            echo after\n" },
    }));
    go_casskop::makes(&old, &manifest());
    assert_eq!(old.pod_names(), PODS);
    for pod in old.pods() {
        let (status, body) = jolokia(&pod);
        assert_eq!(status, 200, "it asks for no password: {body}");
        assert_eq!(kubectl::json(&body)["value"]["agent"], "1.6.1");
    }
    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS two WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 2}",
        "CREATE TABLE IF NOT EXISTS two.t (id int PRIMARY KEY, text text)",
        "INSERT INTO two.t (id, text) VALUES (1, 'before')",
    ];
    cassandra::write(&space.kubectl, PODS[0], &statements);
    let hosts = go_casskop::host_ids(&space.kubectl, &old.pods());
    let volumes = volumes(&space);

    operator::scale(&space.kubectl, 1);
    rack_after_rack_pods_are_ours(&old);
    old.settles();
    assert_eq!(old.get()["status"]["phase"], "Running");
    assert_eq!(old.host_ids(), hosts, "the nodes are who they were");
    let now = go_casskop::host_ids(&space.kubectl, &old.pods());
    assert_eq!(now, hosts, "in their own view too");
    assert_eq!(
        self::volumes(&space),
        volumes,
        "on the volumes that they had"
    );
    everything_is_ours(&space, &old);
    scripts_have_run(&space);
    let row = "SELECT text FROM two.t WHERE id = 1";
    let output = cassandra::cql(&space.kubectl, PODS[1], "ALL", &[row]).ok();
    assert_eq!(output.trim(), "text=before");
    old.delete();
}

/// The resource in the API server after the Go `CassKop` has written its defaults into it.
fn manifest() -> Value {
    let mut manifest = cluster::ring("old", &[("dc1", &["rack1", "rack2"])]);
    manifest["metadata"]["labels"] = json!({ "team": "orders" });
    let spec = manifest["spec"].as_object_mut().expect("a spec");
    let more = json!({
        "configMapName": SCRIPTS,
        // The newest version that it can configure.
        "cassandraImage": cluster::image("4.0"),
        "imagepullpolicy": "IfNotPresent",
        "bootstrapImage": "ghcr.io/cscetbon/casskop-bootstrap:0.1.21",
        "configBuilderImage": "datastax/cass-config-builder:1.0.4",
        "runAsUser": 999,
        "fsGroup": 1,
        "readOnlyRootFilesystem": true,
        "serviceAccountName": "cassandra-cluster-node",
        "maxPodUnavailable": 1,
        "serverType": "cassandra",
        "livenessInitialDelaySeconds": 120,
        "backRestSidecar": { "enabled": false },
    });
    spec.extend(more.as_object().cloned().expect("an object"));
    // Keys that the config builder knows; its samples have the first one.
    let named = json!({
        "log_gc": "true", "garbage_collector": "G1GC", "max_gc_pause_millis": 300, "always_pre_touch": false,
        "use-biased-locking": true, "debug-non-safepoints": true, "guaranteed-safepoint-interval": "300000",
        "print_gc_details": true,
    });
    let options = spec["config"]["jvm-options"].as_object_mut();
    let options = options.expect("the ring has options");
    options.extend(named.as_object().cloned().expect("an object"));
    manifest
}

/// The answer of a node's agent to a request without a password.
fn jolokia(pod: &Value) -> (u16, String) {
    let address = pod["status"]["podIP"].as_str().expect("an address");
    let url = format!("http://{address}:8778/jolokia/");
    http(&url, None, r#"{"type":"version"}"#)
}

fn rack_after_rack_pods_are_ours(old: &Cluster) {
    let mut order = Vec::new();
    until("both pods to be ours", || {
        let pods = old.pods();
        let ready = pods.iter().filter(|pod| operator::is_ready(pod)).count();
        assert!(ready >= 1, "no node is up: {order:?}");
        for pod in &pods {
            let name = kubectl::name(pod);
            if pod["metadata"]["labels"]["team"].is_null() && !order.contains(&name) {
                order.push(name);
            }
        }
        if order.len() == 2 && ready == 2 {
            Ok(())
        } else {
            Err(format!("{order:?}, {ready} Ready"))
        }
    });
    assert_eq!(order, PODS);
}

/// No selector uses a label of the resource any more, the agent requires a password, and nodes know that they are
/// members.
fn everything_is_ours(space: &Space, old: &Cluster) {
    let has = |kind: &str, name: &str, path: &str, what: &str| {
        let object = space.kubectl.get(kind, name).expect("it is there");
        let labels = object.pointer(path).expect("labels");
        assert_eq!(labels["cassandracluster"], "old", "{object:#}");
        assert!(labels["team"].is_null(), "{what}: {object:#}");
    };
    has("service", "old", "/spec/selector", "the Service");
    let labels = "/spec/selector/matchLabels";
    has("poddisruptionbudget", "old", labels, "the budget");
    for pod in old.pods() {
        let name = kubectl::name(&pod);
        has("statefulset", &name[..name.len() - 2], labels, "the rack");
        has("pod", &name, "/metadata/labels", "the pod");
        let (status, body) = jolokia(&pod);
        assert_eq!(status, 401, "{name}: {body}");
        let mark = "cat /var/lib/cassandra/.casskop-joined";
        let exec = ["exec", &name, "-c", "cassandra", "--", "sh", "-c", mark];
        let mark = space.kubectl.ok(&exec);
        assert!(old.host_ids().contains(&(name, mark)));
    }
}

/// Cassandra starts with the changes of a script in `/etc/cassandra`.
fn scripts_have_run(space: &Space) {
    for pod in PODS {
        let show = "grep -h hinted_handoff_throttle /etc/cassandra/cassandra.yaml";
        let exec = ["exec", pod, "-c", "cassandra", "--", "sh", "-c", show];
        let line = space.kubectl.ok(&exec);
        assert_eq!(line.trim(), "hinted_handoff_throttle_in_kb: 2048", "{pod}");
    }
}

fn volumes(space: &Space) -> BTreeMap<String, Value> {
    let claims = space
        .kubectl
        .list("persistentvolumeclaims", "cassandracluster=old");
    claims
        .iter()
        .map(|claim| (kubectl::name(claim), claim["metadata"]["uid"].clone()))
        .collect()
}
