//! The loss of a node with its volume, and requests that give it up.

use crate::{Cluster, cassandra, fresh_id, kubectl::Kubectl, wait::until};

/// Deletes the pod and its volume, as with a lost machine; Kubernetes re-creates both, empty. Waits until another node sees
/// it down and the operator names the next action. Returns the host ID of the lost node.
pub fn lose(ring: &Cluster, pod: &str, other: &str) -> String {
    let kubectl = &ring.kubectl;
    let node = ring.get()["status"]["cassandraNodeStatus"][pod].clone();
    let host = node["hostId"].as_str().expect("a host id").to_owned();
    let claim = format!("data-{pod}");
    let before = uid(kubectl, "persistentvolumeclaim", &claim).expect("a volume");
    kubectl.ok(&["delete", "pvc", &claim, "--wait=false"]);
    kubectl.ok(&[
        "delete",
        "pod",
        pod,
        "--grace-period=0",
        "--force",
        "--wait=false",
    ]);
    until("an empty volume", || {
        match uid(kubectl, "persistentvolumeclaim", &claim) {
            Some(now) if now != before => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    // An operation that is requested before the others report the node as down would be rejected.
    until("the others to see it down", || {
        let nodes = cassandra::nodetool_status(kubectl, other);
        let down = nodes.iter().any(|node| node[1] == "DN" && node[2] == host);
        if down {
            Ok(())
        } else {
            Err(format!("{nodes:?}"))
        }
    });
    // The empty node does not join beside the lost one, and the status reports the next action.
    ring.tells("Degraded", "True", &[pod, &host, "replace"]);
    host
}

/// The value of the annotation of `replace` or `remove`; the plugin adds the uid in the same way.
pub fn give_up(ring: &Cluster, kind: &str, pod: &str) -> String {
    let id = fresh_id(kind);
    let uid = ring.get()["metadata"]["uid"].clone();
    let uid = uid.as_str().expect("a uid");
    format!("{id} --pod {pod} --cluster-uid {uid}")
}

fn uid(kubectl: &Kubectl, kind: &str, name: &str) -> Option<String> {
    let found = kubectl.get(kind, name)?;
    found["metadata"]["uid"].as_str().map(str::to_owned)
}
