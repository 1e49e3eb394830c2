//! A Cassandra pod.

use casskop_common::names::{self, RackId};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube_core::ResourceExt;

/// The fields of a Cassandra pod that the operator uses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodePod {
    /// Its UID.
    pub uid: String,
    /// Its version.
    pub version: String,
    /// Data center and rack, from its labels.
    pub rack: Option<RackId>,
    /// Its address, once assigned.
    pub ip: Option<String>,
    /// Whether it is Ready.
    pub ready: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether the Cassandra process has ended for good: the pod is being deleted, so the kubelet does not start it
    /// again. The address does not answer any more, not even with a refused connection.
    pub ended: bool,
    /// Message of Kubernetes that explains why the pod does not run.
    pub problem: Option<String>,
    /// The Kubernetes node of the pod, if its kubelet no longer reports to Kubernetes.
    pub lost_with: Option<String>,
    /// Number of restarts of the Cassandra container.
    pub restarts: i32,
    /// The running Cassandra container: the first 13 characters of its id. Empty while it does not run.
    pub container: String,
    /// Start time of the Cassandra process, while it runs. By the clock of the pod's machine.
    pub runs_since: Option<Timestamp>,
    /// Revision of the StatefulSet that created the pod.
    pub revision: String,
}

impl NodePod {
    /// Reads the fields from a pod.
    pub fn of(pod: &Pod) -> Self {
        let label = |key: &str| pod.labels().get(key).cloned();
        let status = pod.status.as_ref();
        let conditions = status
            .and_then(|status| status.conditions.as_deref())
            .unwrap_or_default();
        Self {
            uid: pod.uid().unwrap_or_default(),
            version: pod.resource_version().unwrap_or_default(),
            rack: label(names::DC_LABEL)
                .zip(label(names::RACK_LABEL))
                .map(|(dc, rack)| RackId { dc, rack }),
            ip: status
                .and_then(|status| status.pod_ip.clone())
                .filter(|ip| !ip.is_empty()),
            ready: conditions
                .iter()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True"),
            deleting: pod.metadata.deletion_timestamp.is_some(),
            ended: ended(pod),
            restarts: restarts(pod),
            container: container_id(pod),
            runs_since: runs_since(pod),
            problem: problem(pod),
            lost_with: lost_with(pod),
            revision: label("controller-revision-hash").unwrap_or_default(),
        }
    }
}

fn restarts(pod: &Pod) -> i32 {
    cassandra(pod).map_or(0, |container| container.restart_count)
}

/// Ids have the form `<runtime>://<id>`.
fn container_id(pod: &Pod) -> String {
    let running = cassandra(pod).filter(|container| {
        let state = container.state.as_ref();
        state.is_some_and(|state| state.running.is_some())
    });
    let id = running.and_then(|container| container.container_id.as_deref());
    let id = id.and_then(|id| id.rsplit('/').next()).unwrap_or_default();
    id.chars().take(13).collect()
}

fn runs_since(pod: &Pod) -> Option<Timestamp> {
    let running = cassandra(pod)?.state.as_ref()?.running.as_ref()?;
    running.started_at.as_ref().map(|at| at.0)
}

fn ended(pod: &Pod) -> bool {
    let state = cassandra(pod).and_then(|container| container.state.as_ref());
    pod.metadata.deletion_timestamp.is_some()
        && state.is_some_and(|state| state.terminated.is_some())
}

fn cassandra(pod: &Pod) -> Option<&ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let mut statuses = statuses.iter();
    statuses.find(|container| container.name == names::CASSANDRA_CONTAINER)
}

/// The Kubernetes node of a pod, if its kubelet no longer reports to Kubernetes. The conditions of the pod show it, so
/// the operator needs no permission to read nodes: a kubelet writes `Ready` and `ContainersReady` together, the node
/// controller writes only `Ready`.
fn lost_with(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let is = |kind: &str, status: &str| {
        let mut conditions = conditions.iter();
        conditions.any(|condition| condition.type_ == kind && condition.status == status)
    };
    let unheard = is("Ready", "False") && is("ContainersReady", "True");
    pod.spec.as_ref()?.node_name.clone().filter(|_| unheard)
}

/// Maximum number of characters of a termination message in the status.
const SAID: usize = 500;

/// Reason why a pod does not run: the pod cannot be scheduled, or a container cannot start.
fn problem(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let unplaced = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unplaced {
        return Some(format!(
            "cannot be placed: {}",
            condition.message.as_deref().unwrap_or("no reason given")
        ));
    }
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten();
    for container in containers {
        let state = container.state.as_ref();
        let waiting = state.and_then(|state| state.waiting.as_ref());
        let terminated = container
            .last_state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        let reason = waiting
            .and_then(|waiting| waiting.reason.as_deref())
            .unwrap_or_default();
        if matches!(reason, "" | "PodInitializing" | "ContainerCreating") {
            continue;
        }
        let message = waiting
            .and_then(|waiting| waiting.message.as_deref())
            .unwrap_or_default();
        let last = terminated.map(|end| {
            let said = end.message.as_deref().unwrap_or_default().trim();
            let said: String = said.chars().take(SAID).collect();
            let said = if said.is_empty() {
                said
            } else {
                format!(": {said}")
            };
            format!("; it ended with exit code {} before{said}", end.exit_code)
        });
        return Some(format!(
            "container {}: {reason}: {message}{}",
            container.name,
            last.unwrap_or_default()
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_tells_that_its_machine_does_not_answer() {
        for (ready, containers, lost) in [
            ("True", "True", None),
            ("False", "False", None),
            ("False", "True", Some("node1")),
        ] {
            let pod = json!({
                "metadata": { "name": "demo-dc1-rack1-0" },
                "spec": { "nodeName": "node1", "containers": [] },
                "status": { "conditions": [
                    { "type": "Ready", "status": ready },
                    { "type": "ContainersReady", "status": containers },
                ] },
            });
            let pod = NodePod::of(&serde_json::from_value(pod).expect("a pod"));
            assert_eq!(pod.lost_with.as_deref(), lost, "{ready} {containers}");
        }
    }

    #[test]
    fn a_process_has_ended_for_good_only_in_a_pod_that_is_deleted() {
        let (terminated, running) = (
            json!({ "terminated": { "exitCode": 0 } }),
            json!({ "running": {} }),
        );
        for (deleted, state, ended) in [
            (true, &terminated, true),
            (true, &running, false),
            (false, &terminated, false),
        ] {
            let deleted_at = deleted.then_some("2026-01-01T00:00:00Z");
            let pod = json!({
                "metadata": { "name": "demo-dc1-rack1-0", "deletionTimestamp": deleted_at },
                "status": { "containerStatuses": [
                    { "name": "sidecar", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": &terminated },
                    { "name": "cassandra", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state },
                ] },
            });
            let pod = NodePod::of(&serde_json::from_value(pod).expect("a pod"));
            assert_eq!(pod.ended, ended, "{deleted} {state}");
        }
    }
}
