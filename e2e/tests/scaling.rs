//! A ring gets a second data center, changes rack by rack, grows from one to two nodes a rack, one joining node at a
//! time, and shrinks again, while a client runs at QUORUM and the operator is killed during each change.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

use casskop_e2e::{
    Client, Cluster, Space, cassandra, cluster,
    crash::dies_at_each_point,
    figures::report_figure,
    kubectl,
    operator::{self, Shell},
    plugin::casskop,
    wait::until,
};
use serde_json::{Value, json};

const FIRST: [&str; 3] = ["grow-dc1-rack1-0", "grow-dc1-rack2-0", "grow-dc2-rack1-0"];
/// Time between two polls during a change.
const OFTEN: Duration = Duration::from_millis(500);

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_ring_changes_grows_and_shrinks_and_no_request_fails() {
    let space = Space::open("e2e-growth");
    let grow = space.cluster("grow");
    grow.apply(&cluster::ring("grow", &[("dc1", &["rack1", "rack2"])]));
    grow.settles();
    assert_eq!(grow.pod_names(), FIRST[..2]);
    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS two WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 2}",
        "CREATE TABLE IF NOT EXISTS two.t (id int PRIMARY KEY, text text)",
        "INSERT INTO two.t (id, text) VALUES (1, 'before')",
    ];
    cassandra::write(&space.kubectl, FIRST[0], &statements);

    let mut operator = Shell::start(&space);
    let client = Client::start(&space.kubectl, &FIRST[..2], "two.t");
    a_data_center_is_added(&space, &grow, &mut operator);
    volumes_of_one_data_center_grow(&space, &grow);
    a_setting_is_changed_rack_by_rack(&space, &grow, &mut operator);
    nodes_join_one_after_the_other(&space, &grow, &mut operator);
    a_rack_without_its_stateful_set_keeps_its_pods(&space, &grow);

    // The cleanup that the growth requires, on one data center only.
    let cleanup = [
        "cleanup",
        "grow",
        "--dc",
        "dc1",
        "--wait",
        "--timeout",
        "10m",
    ];
    casskop(&space.kubectl, &cleanup).ok();
    for pod in grow.pod_names() {
        let cleaned = cassandra::cleanups(&cassandra::log(&space.kubectl, &pod));
        let expected = pod.starts_with("grow-dc1-");
        let found = cleaned.iter().any(|cleanup| cleanup.keyspace == "two");
        assert_eq!(found, expected, "{pod}");
    }
    nodes_and_a_data_center_go_again(&space, &grow, &mut operator);
    let outcome = client.end();
    let (requests, retried) = (outcome.requests, outcome.retried);
    report_figure(&format!("{requests} requests, {retried} retried"));
    assert!(outcome.failed.is_empty(), "{outcome:#?}");
    assert!(outcome.requests > 100, "{outcome:?}");
    fewer_replicas_are_a_debt(&space, &grow, &mut operator);
    grow.delete();
}

/// The node of the new data center joins the existing ring, and gets its data from the other data center.
fn a_data_center_is_added(space: &Space, grow: &Cluster, operator: &mut Shell) {
    let dc = |name: &str, racks: &[&str]| {
        let racks: Vec<Value> = racks.iter().map(|rack| json!({ "name": rack })).collect();
        json!({ "name": name, "rack": racks })
    };
    let dcs = [dc("dc1", &["rack1", "rack2"]), dc("dc2", &["rack1"])];
    grow.change(&json!({ "topology": { "dc": dcs } }));
    until("the pod of the new data center", || {
        let pods = grow.pod_names();
        if pods == FIRST {
            Ok(())
        } else {
            Err(format!("{pods:?}"))
        }
    });
    operator.dies();
    grow.settles();
    let alter = "ALTER KEYSPACE two WITH replication = \
                 {'class': 'NetworkTopologyStrategy', 'dc1': 2, 'dc2': 1}";
    cassandra::write(&space.kubectl, FIRST[0], &[alter]);
    let rebuild = [
        "rebuild",
        "grow",
        "--dc",
        "dc2",
        "--from-dc",
        "dc1",
        "--keyspace",
        "two",
        "--wait",
        "--timeout",
        "5m",
    ];
    casskop(&space.kubectl, &rebuild).ok();
    let ring = cassandra::nodetool_status(&space.kubectl, FIRST[2]);
    assert_eq!(ring.len(), 3, "{ring:?}");
}

/// The volumes grow under running pods; the others keep their size, and the next node of either data center gets its
/// size.
fn volumes_of_one_data_center_grow(space: &Space, grow: &Cluster) {
    let before = uids(&grow.pods());
    let rack = |name: &str| json!({ "name": name });
    let dc1 = json!({ "name": "dc1", "rack": [rack("rack1"), rack("rack2")] });
    let dc2 = json!({ "name": "dc2", "dataCapacity": "2Gi", "rack": [rack("rack1")] });
    grow.change(&json!({ "topology": { "dc": [dc1, dc2] } }));
    until("the volume of dc2 to have grown", || {
        sizes_are_of_their_dc(space)
    });
    grow.settles();
    assert_eq!(uids(&grow.pods()), before, "no pod was restarted");
    let path = "/spec/volumeClaimTemplates/0/spec/resources/requests/storage";
    for (set, size) in [("grow-dc1-rack1", "1Gi"), ("grow-dc2-rack1", "2Gi")] {
        let set = space.kubectl.get("statefulset", set).expect("it is there");
        assert_eq!(set.pointer(path), Some(&json!(size)), "the next node");
    }
}

/// Whether each volume has the size of its data center.
fn sizes_are_of_their_dc(space: &Space) -> Result<(), String> {
    let claims = space
        .kubectl
        .list("persistentvolumeclaims", "cassandracluster=grow");
    let size = |claim: &Value| {
        let size = claim.pointer("/status/capacity/storage");
        (kubectl::name(claim), size.cloned().unwrap_or_default())
    };
    let sizes: BTreeMap<String, Value> = claims.iter().map(size).collect();
    let fits = |(name, size): (&String, &Value)| {
        *size == if name.contains("-dc2-") { "2Gi" } else { "1Gi" }
    };
    if sizes.iter().all(fits) {
        Ok(())
    } else {
        Err(format!("{sizes:?}"))
    }
}

/// Six nodes become two, and a data center is removed: no node leaves while a keyspace is still replicated there.
fn nodes_and_a_data_center_go_again(space: &Space, grow: &Cluster, operator: &mut Shell) {
    let racks = |racks: &[&str]| {
        racks
            .iter()
            .map(|rack| json!({ "name": rack }))
            .collect::<Vec<_>>()
    };
    let dc1 = json!({ "name": "dc1", "rack": racks(&["rack1", "rack2"]) });
    let dc2 = json!({ "name": "dc2", "nodesPerRacks": 0, "dataCapacity": "2Gi", "rack": racks(&["rack1"]) });
    casskop(
        &space.kubectl,
        &[
            "cleanup",
            "grow",
            "--dc",
            "dc2",
            "--wait",
            "--timeout",
            "10m",
        ],
    )
    .ok();
    grow.change(&json!({ "nodesPerRacks": 1, "topology": { "dc": [dc1, dc2] } }));
    grow.tells(
        "Progressing",
        "True",
        &["replicas-remain", "keyspace two", "dc2", "ALTER KEYSPACE"],
    );
    assert_eq!(grow.pod_names().len(), 6, "none has left");
    let alter =
        "ALTER KEYSPACE two WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 2}";
    let begin = || cassandra::write(&space.kubectl, FIRST[0], &[alter]);
    let two_are_left = || {
        let nodes = &grow.get()["status"]["cassandraNodeStatus"];
        nodes.as_object().is_some_and(|nodes| nodes.len() == 2)
    };
    let kills = dies_at_each_point(operator, grow, begin, two_are_left);
    assert!(kills > 4, "killed {kills} times only");
    grow.settles();
    let told: BTreeSet<String> = operator
        .calls()
        .into_iter()
        .filter(|(.., step)| step == "leave")
        .map(|(host_id, ..)| host_id)
        .collect();
    assert_eq!(told.len(), 4, "no other node was told to leave: {told:?}");
    grow.change(&json!({ "topology": { "dc": [dc1] } }));
    operator.dies();
    until("the rack of the data center to be gone", || {
        let set = space.kubectl.get("statefulset", "grow-dc2-rack1");
        if set.is_none() {
            Ok(())
        } else {
            Err("it is there".to_owned())
        }
    });
    grow.settles();
    let ring = cassandra::nodetool_status(&space.kubectl, FIRST[0]);
    assert_eq!(ring.len(), 2, "{ring:?}");
    assert_eq!(read(space, FIRST[0], "ALL"), "text=before");
    let left = space
        .kubectl
        .list("persistentvolumeclaims", "cassandracluster=grow");
    assert_eq!(left.len(), 2, "the volumes went with their nodes");
}

/// Both nodes had all data, and now own half of it.
fn fewer_replicas_are_a_debt(space: &Space, grow: &Cluster, operator: &mut Shell) {
    let owe = |reason: &Value| {
        grow.shows(&format!("both nodes owe {reason}"), |cluster| {
            let nodes = cluster["status"]["cassandraNodeStatus"].as_object()?;
            let mut owed = nodes.values().map(|node| &node["cleanupRequiredReason"]);
            owed.all(|owed| owed == reason).then_some(())
        });
    };
    owe(&Value::Null);
    let alter =
        "ALTER KEYSPACE two WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}";
    cassandra::write(&space.kubectl, FIRST[0], &[alter]);
    operator.dies();
    owe(&json!("ReplicationReduced"));
    casskop(
        &space.kubectl,
        &["cleanup", "grow", "--wait", "--timeout", "5m"],
    )
    .ok();
    owe(&Value::Null);
    assert_eq!(read(space, FIRST[1], "ALL"), "text=before");
}

fn a_setting_is_changed_rack_by_rack(space: &Space, grow: &Cluster, operator: &mut Shell) {
    let (hosts, before) = (grow.host_ids(), uids(&grow.pods()));
    let mut killed = 0;
    grow.change(&json!({ "config": { "cassandra-yaml": { "auto_snapshot": false } } }));
    loop {
        let pods = grow.pods();
        let ready: Vec<&Value> = pods.iter().filter(|pod| operator::is_ready(pod)).collect();
        assert!(ready.len() >= 2, "only {} nodes are up", ready.len());
        let now = uids(&pods);
        let kept = before
            .iter()
            .filter(|(pod, uid)| now.get(*pod) == Some(uid));
        let renewed = before.len() - kept.count();
        if renewed > killed {
            operator.dies();
            killed += 1;
        }
        if renewed == before.len() && ready.len() == before.len() {
            break;
        }
        thread::sleep(OFTEN);
    }
    grow.settles();
    assert_eq!(grow.host_ids(), hosts, "the nodes are who they were");
    for pod in FIRST {
        let file = "/etc/cassandra/cassandra.yaml";
        let yaml = ["exec", pod, "-c", "cassandra", "--", "cat", file];
        let yaml = space.kubectl.ok(&yaml);
        assert!(yaml.contains("auto_snapshot: false"), "{pod}: {yaml}");
    }
}

fn nodes_join_one_after_the_other(space: &Space, grow: &Cluster, operator: &mut Shell) {
    let hosts = grow.host_ids();
    grow.change(&json!({ "nodesPerRacks": 2 }));
    // The order in which pods appear, and the number of nodes that join at once, observed from outside.
    let mut appeared: Vec<String> = Vec::new();
    loop {
        let pods = grow.pods();
        for pod in &pods {
            let name = kubectl::name(pod);
            if !appeared.contains(&name) {
                if !FIRST.contains(&name.as_str()) {
                    operator.dies();
                }
                appeared.push(name);
            }
        }
        let ready = pods.iter().filter(|pod| operator::is_ready(pod)).count();
        let joining = pods.len() - ready;
        assert!(joining <= 1, "{joining} nodes join at once: {appeared:?}");
        if ready == 6 {
            break;
        }
        thread::sleep(OFTEN);
    }
    grow.settles();
    // The first pod may exist already at the first poll.
    let newest: Vec<&String> = appeared
        .iter()
        .filter(|pod| !FIRST.contains(&pod.as_str()))
        .collect();
    assert_eq!(newest.len(), 3, "{appeared:?}");
    assert!(newest.iter().all(|pod| pod.ends_with("-1")), "{appeared:?}");

    let after = grow.host_ids();
    let kept = hosts.iter().all(|known| after.contains(known));
    assert!(kept, "the old nodes are the same: {after:?}");
    let nodes = grow.get()["status"]["cassandraNodeStatus"].clone();
    let nodes = nodes.as_object().expect("nodes");
    for (dc, count) in [("dc1", 4), ("dc2", 2)] {
        let of_it = nodes.values().filter(|node| node["dc"] == dc);
        assert_eq!(of_it.count(), count, "{dc}");
    }
    let ring = cassandra::nodetool_status(&space.kubectl, "grow-dc2-rack1-1");
    let up = ring.iter().filter(|node| node[1] == "UN").count();
    assert_eq!(up, 6, "{ring:?}");
    assert_eq!(read(space, "grow-dc2-rack1-1", "ALL"), "text=before");
    assert_eq!(sizes_are_of_their_dc(space), Ok(()));
}

/// The StatefulSet is re-created with the same size: no node is removed.
fn a_rack_without_its_stateful_set_keeps_its_pods(space: &Space, grow: &Cluster) {
    let before = uids(&grow.pods());
    let set = |column: &str| {
        let found = space.kubectl.get("statefulset", "grow-dc1-rack1");
        found.map(|set| set.pointer(column).cloned().unwrap_or_default())
    };
    let old = set("/metadata/uid");
    let delete = [
        "delete",
        "statefulset",
        "grow-dc1-rack1",
        "--cascade=orphan",
    ];
    space.kubectl.ok(&delete);
    until("the StatefulSet to come back", || {
        let now = set("/metadata/uid");
        if now.is_some() && now != old {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    });
    assert_eq!(set("/spec/replicas"), Some(json!(2)));
    grow.settles();
    assert_eq!(uids(&grow.pods()), before);
}

/// The row that is read, or the error.
fn read(space: &Space, pod: &str, consistency: &str) -> String {
    let row = "SELECT text FROM two.t WHERE id = 1";
    let output = cassandra::cql(&space.kubectl, pod, consistency, &[row]);
    let said = if output.code == 0 {
        output.stdout
    } else {
        output.stderr
    };
    said.trim().to_owned()
}

fn uids(pods: &[Value]) -> BTreeMap<String, String> {
    let uid = |pod: &Value| {
        pod["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    pods.iter()
        .map(|pod| (kubectl::name(pod), uid(pod)))
        .collect()
}
