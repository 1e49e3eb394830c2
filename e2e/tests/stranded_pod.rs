//! A pod that Kubernetes never starts: its volume claim was made after the pod was placed.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{Kubectl, Space, cluster, policies::Policies, wait::until};
use serde_json::{Value, json};

const POD: &str = "demo-dc1-rack1-0";
const CLAIM: &str = "data-demo-dc1-rack1-0";

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_pod_whose_claim_is_made_too_late_is_made_anew() {
    let space = Space::open("e2e-stranded");
    let ring = space.cluster("demo");
    ring.apply(&cluster::ring("demo", &[("dc1", &["rack1"])]));
    ring.settles();
    let host = ring.host_ids().remove(0).1;
    let stranded = strand(&space.kubectl);
    until("the pod is made anew, and its volume is bound", || {
        let pod = space.kubectl.get("pod", POD).unwrap_or_default();
        let claim = space.kubectl.get("pvc", CLAIM).unwrap_or_default();
        let is_bound = claim["status"]["phase"] == "Bound";
        if is_bound && pod["metadata"]["uid"].is_string() && pod["metadata"]["uid"] != stranded {
            Ok(())
        } else {
            Err(format!("{}, {}", pod["status"], claim["status"]))
        }
    });
    ring.tells("Degraded", "True", &[POD, &host, "its data is lost"]);
    ring.delete();
}

/// Deletes the pod with its claim, and places the next pod before there is a claim with a machine. Returns the UID of
/// that pod.
fn strand(kubectl: &Kubectl) -> Value {
    let machine = kubectl.get("pod", POD).expect("a pod")["spec"]["nodeName"].clone();
    let (claim, pod) = (uid(kubectl, "pvc", CLAIM), uid(kubectl, "pod", POD));
    let policies = Policies::new(kubectl);
    let nobody = "Object{spec: Object.spec{schedulerName: \"nobody\"}}";
    policies.changes_pods("true", nobody);
    until("no pod is placed", || {
        let tried = policies.try_pod(json!({}))?;
        let scheduler = &tried["spec"]["schedulerName"];
        (scheduler == "nobody")
            .then_some(())
            .ok_or_else(|| scheduler.to_string())
    });
    kubectl.ok(&["delete", "pvc", CLAIM, "--wait=false"]);
    kubectl.ok(&[
        "delete",
        "pod",
        POD,
        "--grace-period=0",
        "--force",
        "--wait=false",
    ]);
    let is_new = |kind: &str, name: &str, before: &Value| {
        let now = uid(kubectl, kind, name);
        (now.is_string() && now != *before)
            .then(|| now.clone())
            .ok_or_else(|| now.to_string())
    };
    until("another claim", || is_new("pvc", CLAIM, &claim));
    let stranded = until("another pod", || is_new("pod", POD, &pod));
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": { "name": POD },
        "target": { "apiVersion": "v1", "kind": "Node", "name": machine },
    });
    let path = format!(
        "/api/v1/namespaces/{}/pods/{POD}/binding",
        kubectl.namespace
    );
    kubectl
        .run_with(&["create", "--raw", &path, "-f", "-"], &binding.to_string())
        .ok();
    stranded
}

fn uid(kubectl: &Kubectl, kind: &str, name: &str) -> Value {
    let object = kubectl.get(kind, name).unwrap_or_default();
    object["metadata"]["uid"].clone()
}
