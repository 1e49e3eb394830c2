//! The lifecycle of a ring, from its spec alone: larger volumes, a rack that is added and removed, another password,
//! restarts, and the deletion with its volumes. The operator is killed during each change.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{collections::BTreeMap, thread, time::Duration};

use casskop_e2e::{
    Cluster, Space, cassandra, cluster, cluster::find_operation, kubectl, operator,
    operator::Shell, plugin::casskop, wait::until,
};
use serde_json::{Value, json};

const FIRST: &str = "life-dc1-rack1-0";
const SECOND: &str = "life-dc1-rack2-0";
const THIRD: &str = "life-dc1-rack3-0";

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn the_life_of_a_ring() {
    let space = Space::open("e2e-life");
    let life = space.cluster("life");
    life.apply(&cluster::ring("life", &[("dc1", &["rack1", "rack2"])]));
    life.settles();
    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS two WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 2}",
        "CREATE TABLE IF NOT EXISTS two.t (id int PRIMARY KEY, text text)",
        "INSERT INTO two.t (id, text) VALUES (1, 'before')",
    ];
    cassandra::write(&space.kubectl, FIRST, &statements);

    let mut operator = Shell::start(&space);
    volumes_grow_under_running_pods(&space, &life, &mut operator);
    a_rack_comes_and_goes(&space, &life, &mut operator);
    another_password_is_taken_over(&space, &life, &mut operator);
    restarts_are_asked_for_by_command_and_by_spec(&space, &life);
    assert_eq!(read(&space, FIRST), "text=before");
    it_ends_with_its_volumes(&space, &life, &mut operator);
}

fn volumes_grow_under_running_pods(space: &Space, life: &Cluster, operator: &mut Shell) {
    let before = uids(&life.pods());
    life.change(&json!({ "dataCapacity": "2Gi" }));
    until("the first volume to be request to expand", || {
        let asked = volumes(space, "/spec/resources/requests/storage");
        if asked.values().any(|size| size == "2Gi") {
            Ok(())
        } else {
            Err(format!("{asked:?}"))
        }
    });
    operator.dies();
    until("the volumes to have 2Gi", || {
        let sizes = volumes(space, "/status/capacity/storage");
        let grown = sizes.values().all(|size| size == "2Gi");
        if grown {
            Ok(())
        } else {
            Err(format!("{sizes:?}"))
        }
    });
    life.settles();
    assert_eq!(uids(&life.pods()), before, "no pod was restarted");
    let set = space
        .kubectl
        .get("statefulset", "life-dc1-rack2")
        .expect("it is there");
    let size = "/spec/volumeClaimTemplates/0/spec/resources/requests/storage";
    assert_eq!(
        set.pointer(size),
        Some(&json!("2Gi")),
        "the next node gets as much"
    );

    life.change(&json!({ "dataCapacity": "1Gi" }));
    life.tells("SpecAccepted", "False", &["volumes can only grow", "2Gi"]);
    life.change(&json!({ "dataCapacity": "2Gi" }));
    life.settles();
}

fn a_rack_comes_and_goes(space: &Space, life: &Cluster, operator: &mut Shell) {
    racks(life, &["rack1", "rack2", "rack3"]);
    until("the pod of the third rack", || {
        let pods = life.pod_names();
        if pods.len() == 3 {
            Ok(())
        } else {
            Err(format!("{pods:?}"))
        }
    });
    operator.dies();
    life.shows("the third node", |cluster| {
        (cluster["status"]["cassandraNodeStatus"][THIRD]["state"] == "NORMAL").then_some(())
    });
    life.settles();
    let status = life.get()["status"]["cassandraNodeStatus"].clone();
    assert!(
        status[FIRST]["cleanupRequiredSince"].is_string(),
        "{status:#}"
    );
    assert!(
        status[THIRD]["cleanupRequiredSince"].is_null(),
        "{status:#}"
    );
    let host_id = status[THIRD]["hostId"]
        .as_str()
        .expect("a host id")
        .to_owned();

    racks(life, &["rack1", "rack2"]);
    life.tells(
        "Progressing",
        "True",
        &["cleanup-done", FIRST, "request a cleanup"],
    );
    assert_eq!(life.pod_names().len(), 3);

    casskop(
        &space.kubectl,
        &["cleanup", "life", "--wait", "--timeout", "5m"],
    )
    .ok();
    // The operator is killed as soon as the decommission is called, and again while the node leaves.
    until("the node to be told to leave", || {
        let told = operator.calls().iter().any(|(id, ..)| *id == host_id);
        if told {
            Ok(())
        } else {
            Err(format!("{:?}", operator.calls()))
        }
    });
    operator.dies();
    thread::sleep(Duration::from_secs(2));
    operator.dies();
    until("the rack to be gone", || {
        let set = space.kubectl.get("statefulset", "life-dc1-rack3");
        let left = volumes(space, "/metadata/name");
        let gone = set.is_none() && left.keys().all(|name| !name.contains("rack3"));
        if gone {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    });
    life.settles();
    let done = find_operation(&life.get(), "decommission", &host_id).expect("it is told");
    assert_eq!(done["phase"], "Succeeded", "{done:#}");
    assert_eq!(done["requestedBy"], "spec");
    let ring = cassandra::nodetool_status(&space.kubectl, FIRST);
    assert_eq!(ring.len(), 2, "{ring:?}");
    assert_eq!(read(space, FIRST), "text=before");
    assert!(space.kubectl.get("configmap", "life-dc1-rack3").is_none());
}

fn another_password_is_taken_over(space: &Space, life: &Cluster, operator: &mut Shell) {
    let before = uids(&life.pods());
    let password = json!({ "stringData": { "password": "another-one" } });
    space
        .kubectl
        .patch("secret", "life-jolokia", &password)
        .ok();
    let mut killed = false;
    until("every pod to be made anew", || {
        let now = uids(&life.pods());
        let ready = life
            .pods()
            .iter()
            .filter(|pod| operator::is_ready(pod))
            .count();
        assert!(ready >= 1, "one rack at a time");
        if !killed && now != before {
            operator.dies();
            killed = true;
        }
        let renewed = before
            .iter()
            .all(|(pod, uid)| now.get(pod).is_some_and(|now| now != uid));
        if renewed && ready == 2 {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    });
    life.settles();
    casskop(
        &space.kubectl,
        &["flush", "life", "--wait", "--timeout", "2m"],
    )
    .ok();
}

fn restarts_are_asked_for_by_command_and_by_spec(space: &Space, life: &Cluster) {
    let before = uids(&life.pods());
    let restart = [
        "restart",
        "life",
        "--rack",
        "rack1",
        "--drain",
        "--wait",
        "--timeout",
        "5m",
    ];
    casskop(&space.kubectl, &restart).ok();
    let after = uids(&life.pods());
    assert_ne!(before[FIRST], after[FIRST]);
    assert_eq!(before[SECOND], after[SECOND]);
    life.settles();

    let rack = |name: &str| json!({ "name": name, "rollingRestart": name == "rack2" });
    life.change(&json!({ "topology": { "dc": [{ "name": "dc1", "rack": [rack("rack1"), rack("rack2")] }] } }));
    until("the second rack to be restarted", || {
        let now = uids(&life.pods());
        let renewed = now.get(SECOND).is_some_and(|uid| *uid != after[SECOND]);
        if renewed {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    });
    life.settles();
    let last = uids(&life.pods());
    assert_eq!(last[FIRST], after[FIRST]);
    life.is_looked_at();
    assert_eq!(
        uids(&life.pods()),
        last,
        "once, although it still stands in the spec"
    );
}

fn it_ends_with_its_volumes(space: &Space, life: &Cluster, operator: &mut Shell) {
    life.change(&json!({ "deletePVC": true }));
    let uid = life.get()["metadata"]["uid"].clone();
    until("the cluster to own its volumes", || {
        let owners = volumes(space, "/metadata/ownerReferences/0/uid");
        let owned = !owners.is_empty() && owners.values().all(|owner| *owner == uid);
        owned.then_some(()).ok_or_else(|| format!("{owners:?}"))
    });
    assert_eq!(life.get()["metadata"]["finalizers"], Value::Null);
    // Kubernetes deletes them without the operator.
    operator.kill();
    life.delete();
    until("the volumes to be gone", || {
        let left = volumes(space, "/metadata/name");
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    });
}

fn racks(life: &Cluster, names: &[&str]) {
    let racks: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    life.change(&json!({ "topology": { "dc": [{ "name": "dc1", "rack": racks }] } }));
}

/// A field of each volume claim, by name.
fn volumes(space: &Space, path: &str) -> BTreeMap<String, Value> {
    let claims = space
        .kubectl
        .list("persistentvolumeclaims", "cassandracluster=life");
    let of = |claim: &Value| claim.pointer(path).cloned().unwrap_or_default();
    claims
        .iter()
        .map(|claim| (kubectl::name(claim), of(claim)))
        .collect()
}

fn read(space: &Space, pod: &str) -> String {
    let row = "SELECT text FROM two.t WHERE id = 1";
    cassandra::cql(&space.kubectl, pod, "ALL", &[row])
        .ok()
        .trim()
        .to_owned()
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
