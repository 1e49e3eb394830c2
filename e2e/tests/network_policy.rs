//! The sample of a `NetworkPolicy`: the operator works, and others reach CQL only.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::fs;

use casskop_e2e::{
    Kubectl, Space, cassandra, cluster,
    command::setting,
    firewall, fresh_id, operator,
    space::{restricted, workspace},
    wait::until,
};
use serde_json::json;

const PODS: [&str; 2] = ["demo-dc1-rack1-0", "demo-dc1-rack2-0"];
const CQL: u16 = 9042;
const INTERNODE: u16 = 7000;
const JOLOKIA: u16 = 8778;

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn others_reach_no_port_but_that_of_clients() {
    let space = Space::open("e2e-policy");
    let kubectl = &space.kubectl;
    let ring = space.cluster("demo");
    ring.apply(&cluster::ring("demo", &[("dc1", &["rack1", "rack2"])]));
    let stranger = Stranger::start(kubectl);
    ring.settles();
    for port in [CQL, INTERNODE, JOLOKIA] {
        assert!(stranger.reaches(port), "{port} is open without a policy");
    }
    apply_sample(kubectl);
    for pod in PODS {
        firewall::enforce(kubectl, pod);
    }
    assert!(stranger.reaches(CQL), "clients");
    for port in [INTERNODE, JOLOKIA] {
        assert!(!stranger.reaches(port), "{port} is closed");
    }
    assert!(connects(kubectl, PODS[1], &ip(kubectl, PODS[0]), INTERNODE));
    assert!(!connects(kubectl, PODS[1], &ip(kubectl, PODS[0]), JOLOKIA));

    // New connections of the operator, of the nodes among each other, and of clients.
    operator::scale(kubectl, 0);
    operator::scale(kubectl, 1);
    firewall::enforce(kubectl, PODS[0]);
    firewall::enforce(kubectl, PODS[1]);
    let repair = fresh_id("repair");
    ring.request("repair", &repair);
    ring.succeeds("repair", &repair);
    let statements = ["CREATE KEYSPACE kept WITH replication = \
                       {'class': 'NetworkTopologyStrategy', 'dc1': 2}"];
    cassandra::write(kubectl, PODS[0], &statements);
    ring.delete();
}

/// Applies the sample as its comment says: with the namespace of the operator.
fn apply_sample(kubectl: &Kubectl) {
    let sample = workspace().join("manifests/samples/network-policy.yaml");
    let sample = fs::read_to_string(sample).expect("the sample");
    let operator = "kubernetes.io/metadata.name: casskop";
    assert!(sample.contains(operator));
    let ours = format!("kubernetes.io/metadata.name: {}", kubectl.namespace);
    let sample = sample.replace(operator, &ours);
    kubectl.run_with(&["apply", "-f", "-"], &sample).ok();
}

/// A pod that is neither the operator nor a node.
struct Stranger<'a>(&'a Kubectl);

impl<'a> Stranger<'a> {
    fn start(kubectl: &'a Kubectl) -> Self {
        kubectl.apply(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "stranger" },
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "securityContext": { "runAsUser": 999 },
                "containers": [{
                    "securityContext": restricted(),
                    "name": "one", "image": setting("CASSANDRA_IMAGE"), "imagePullPolicy": "Never",
                    "command": ["sleep", "infinity"],
                }],
            },
        }));
        until("the stranger runs", || {
            let pod = kubectl.get("pod", "stranger").unwrap_or_default();
            let is_ready = operator::is_ready(&pod);
            is_ready
                .then_some(())
                .ok_or_else(|| pod["status"].to_string())
        });
        Self(kubectl)
    }

    /// Whether it connects to this port of all nodes, or of none.
    fn reaches(&self, port: u16) -> bool {
        let reached = PODS.map(|pod| connects(self.0, "stranger", &ip(self.0, pod), port));
        assert_eq!(reached[0], reached[1], "port {port}");
        reached[0]
    }
}

fn ip(kubectl: &Kubectl, pod: &str) -> String {
    let pod = kubectl.get("pod", pod).expect("a pod");
    pod["status"]["podIP"]
        .as_str()
        .expect("an address")
        .to_owned()
}

/// Whether a container of a pod connects to an address. A connection that is dropped has no answer.
fn connects(kubectl: &Kubectl, pod: &str, ip: &str, port: u16) -> bool {
    let connect = format!("exec 3<>/dev/tcp/{ip}/{port}");
    let words = ["exec", pod, "--", "timeout", "5", "bash", "-c", &connect];
    kubectl.run(&words).code == 0
}
