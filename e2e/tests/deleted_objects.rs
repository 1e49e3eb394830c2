//! Lost objects are restored: objects deleted by hand, pods, all pods at once; and the ring stays the same.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Cluster, Space, addresses, cassandra, fresh_id, operator, shared_ring, wait::until,
};
use serde_json::{Value, json};

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn objects_deleted_by_hand_come_back() {
    let (space, demo) = shared_ring();
    let (ids, pods) = (demo.host_ids(), uids(&demo));
    let password = || {
        let secret = space.kubectl.get("secret", "demo-jolokia");
        secret.map(|secret| secret["data"].clone())
    };
    let known = password();
    // Objects that are not watched are polled periodically, so all of them are deleted at once. Only one of the two
    // Secrets is deleted: each restores the other.
    let most = [
        ("service", "demo"),
        ("poddisruptionbudget", "demo"),
        ("configmap", "demo-dc1-rack2"),
        ("serviceaccount", "demo"),
        ("secret", "demo-jolokia"),
    ];
    for objects in [&most[..], &[("secret", "demo-jolokia-accepted")]] {
        let uid = |(kind, name): &(&str, &str)| {
            let found = space.kubectl.get(kind, name)?;
            found["metadata"]["uid"].as_str().map(str::to_owned)
        };
        let before: Vec<Option<String>> = objects.iter().map(uid).collect();
        assert!(
            before.iter().all(Option::is_some),
            "{objects:?}: {before:?}"
        );
        for (kind, name) in objects {
            space.kubectl.ok(&["delete", kind, name]);
        }
        for (object, before) in objects.iter().zip(before) {
            until(&format!("{object:?} to come back"), || {
                let now = uid(object);
                let is_back = now.is_some() && now != before;
                is_back.then_some(()).ok_or_else(|| "it is gone".into())
            });
        }
    }
    demo.settles();
    assert_eq!(demo.host_ids(), ids);
    assert_eq!(password(), known);
    demo.is_looked_at();
    assert_eq!(uids(&demo), pods, "nothing of it restarts a pod");
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_stateful_set_deleted_by_hand_comes_back_around_its_volume() {
    let (space, demo) = shared_ring();
    let before = Before::of(&space, &demo);
    space
        .kubectl
        .ok(&["delete", "statefulset", "demo-dc1-rack2"]);
    before.is_so_again(&space, &demo, &["demo-dc1-rack2-0"]);

    // The StatefulSet is deleted without its pod: the new one adopts the running pod.
    let before = Before::of(&space, &demo);
    space.kubectl.ok(&[
        "delete",
        "statefulset",
        "demo-dc1-rack3",
        "--cascade=orphan",
    ]);
    until("the StatefulSet to come back", || {
        let set = space.kubectl.get("statefulset", "demo-dc1-rack3");
        set.map(|_| ()).ok_or_else(|| "it is gone".into())
    });
    before.is_so_again(&space, &demo, &[]);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_pod_deleted_by_hand_is_the_same_node_again() {
    let (space, demo) = shared_ring();
    let before = Before::of(&space, &demo);
    space
        .kubectl
        .ok(&["delete", "pod", "demo-dc1-rack1-0", "--wait=false"]);
    // The report must appear while the pod is unavailable.
    demo.tells("Available", "False", &["demo-dc1-rack1-0"]);
    // A request waits for the pod, and is not lost.
    let id = fresh_id("waits");
    demo.request("cleanup", &format!("{id} --keyspace system_auth"));
    before.is_so_again(&space, &demo, &["demo-dc1-rack1-0"]);
    demo.succeeds("cleanup", &id);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn all_pods_at_once_are_the_same_ring_again() {
    let (space, demo) = shared_ring();
    cassandra::fill(&space.kubectl, "demo-dc1-rack1-0", &["e2e_loss".into()]);
    let before = Before::of(&space, &demo);
    space.kubectl.ok(&[
        "delete",
        "pods",
        "-l",
        "cassandracluster=demo",
        "--grace-period=0",
        "--force",
    ]);
    before.is_so_again(
        &space,
        &demo,
        &["demo-dc1-rack1-0", "demo-dc1-rack2-0", "demo-dc1-rack3-0"],
    );
    for pod in demo.pod_names() {
        let rows = cassandra::cql(
            &space.kubectl,
            &pod,
            "ALL",
            &["SELECT text FROM e2e_loss.t WHERE id = 3"],
        );
        assert_eq!(rows.ok().trim(), "text=row 3 of e2e_loss");
    }
}

/// Cassandra refuses to start at an address where the ring knows another node. A restarted container keeps its
/// address, so only a re-created pod, which has another address, resolves the conflict.
#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn pods_with_each_others_address_are_the_same_ring_again() {
    let (space, demo) = shared_ring();
    cassandra::fill(&space.kubectl, "demo-dc1-rack1-0", &["e2e_swap".into()]);
    let before = Before::of(&space, &demo);
    demo.change(&json!({ "restartCountBeforePodDeletion": 0 }));
    let [one, other] = neighbours(&demo);
    addresses::swap(&space.kubectl, &one, &other);
    let swapped = uids(&demo);
    let words = [
        "is that of the member",
        "restartCountBeforePodDeletion",
        "or delete it",
    ];
    demo.tells("Degraded", "True", &words);
    until("both to be started again and again", || {
        let restarts = [&one, &other].map(|pod| restarts(&demo, pod));
        if restarts.iter().all(|&count| count > 1) {
            Ok(())
        } else {
            Err(format!("{restarts:?} restarts"))
        }
    });
    demo.is_looked_at();
    assert_eq!(uids(&demo), swapped, "nobody asked for new ones");

    demo.change(&json!({ "restartCountBeforePodDeletion": 1 }));
    before.is_so_again(&space, &demo, &[&one, &other]);
    assert_ne!(uids(&demo), swapped);
    for pod in demo.pod_names() {
        let row = "SELECT text FROM e2e_swap.t WHERE id = 3";
        let rows = cassandra::cql(&space.kubectl, &pod, "ALL", &[row]);
        assert_eq!(rows.ok().trim(), "text=row 3 of e2e_swap");
    }
    demo.change(&json!({ "restartCountBeforePodDeletion": null }));
    demo.settles();
}

/// Two pods on one machine: three pods run on two machines at most.
fn neighbours(demo: &Cluster) -> [String; 2] {
    let pods = demo.pods();
    let machine = |pod: &Value| pod["spec"]["nodeName"].clone();
    let pair = pods.iter().enumerate().find_map(|(index, one)| {
        let mut others = pods[index + 1..].iter();
        others
            .find(|other| machine(one) == machine(other))
            .map(|other| [one, other].map(casskop_e2e::kubectl::name))
    });
    pair.expect("fewer machines than pods")
}

/// Number of restarts of Cassandra in a pod.
fn restarts(demo: &Cluster, name: &str) -> i64 {
    let pods = demo.pods();
    let pod = pods
        .iter()
        .find(|pod| casskop_e2e::kubectl::name(pod) == name);
    let statuses = pod.and_then(|pod| pod["status"]["containerStatuses"].as_array());
    let mut statuses = statuses.into_iter().flatten();
    let cassandra = statuses.find(|status| status["name"] == "cassandra");
    cassandra.map_or(0, |status| status["restartCount"].as_i64().unwrap_or(0))
}

/// Identities of the nodes before the loss.
struct Before {
    hosts: Vec<(String, String)>,
    uids: Vec<(String, String)>,
}

impl Before {
    fn of(_: &Space, demo: &Cluster) -> Self {
        Self {
            hosts: demo.host_ids(),
            uids: uids(demo),
        }
    }

    /// The ring is the same, and only these pods are new.
    fn is_so_again(&self, space: &Space, demo: &Cluster, renewed: &[&str]) {
        for (pod, uid) in &self.uids {
            if renewed.contains(&pod.as_str()) {
                until(&format!("a new {pod}"), || {
                    let now = uids(demo);
                    let found = now.iter().find(|(name, now)| name == pod && now != uid);
                    found.map(|_| ()).ok_or_else(|| format!("{now:?}"))
                });
                // The status may still report the earlier state.
                until(&format!("{pod} is Ready"), || ready(demo, pod));
            }
        }
        until("every pod to be ready", || {
            let pods = demo.pods();
            let ready = pods.iter().filter(|pod| operator::is_ready(pod)).count();
            if ready == self.uids.len() {
                Ok(())
            } else {
                Err(format!("{ready} of {} are", pods.len()))
            }
        });
        demo.settles();
        assert_eq!(demo.host_ids(), self.hosts, "the nodes are who they were");
        for (pod, uid) in uids(demo) {
            let same = self.uids.contains(&(pod.clone(), uid));
            assert_eq!(
                same,
                !renewed.contains(&pod.as_str()),
                "{pod} is another pod: {}",
                !same
            );
        }
        for pod in demo.pod_names() {
            until(&format!("{pod} sees three nodes up"), || {
                let ring = cassandra::nodetool_status(&space.kubectl, &pod);
                let is_up = |node: &[String; 4]| node[1] == "UN";
                let well = ring.len() == 3 && ring.iter().all(is_up);
                if well {
                    Ok(())
                } else {
                    Err(format!("{ring:?}"))
                }
            });
        }
    }
}

fn ready(demo: &Cluster, name: &str) -> Result<(), String> {
    let pods = demo.pods();
    let pod = pods
        .iter()
        .find(|pod| casskop_e2e::kubectl::name(pod) == name);
    let conditions = pod.map(|pod| &pod["status"]["conditions"]);
    let conditions = conditions.and_then(serde_json::Value::as_array).cloned();
    let is_ready = |condition: &serde_json::Value| {
        condition["type"] == "Ready" && condition["status"] == "True"
    };
    let conditions = conditions.unwrap_or_default();
    if conditions.iter().any(is_ready) {
        return Ok(());
    }
    Err(format!("{conditions:?}"))
}

fn uids(demo: &Cluster) -> Vec<(String, String)> {
    let uid = |pod: &serde_json::Value| {
        pod["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    demo.pods()
        .iter()
        .map(|pod| (casskop_e2e::kubectl::name(pod), uid(pod)))
        .collect()
}
