//! A Cassandra pod.

mod problem;

use casskop_common::{
    api::{ClientMode, InternodeMode, LoginStep, NodeTransport},
    names::{self, RackId},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ContainerStatus, Pod, PodCondition, PodStatus},
};
use kube_core::ResourceExt;

use crate::pod_config::{BOOTSTRAP_CONTAINER, Encryption, NodeSecrets, started::Started};
use problem::{last_end, problem};

/// Time within which a container listens; shorter than the time after which the liveness probe ends it.
const LISTENS: SignedDuration = SignedDuration::from_mins(1);

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
    /// The Kubernetes node that it is placed on, as long as none of its containers has started.
    pub waits_on: Option<String>,
    /// The Kubernetes node that it is placed on, as long as it is being prepared: Cassandra does not run.
    pub prepares_on: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether the Cassandra process has ended for good: the pod is being deleted, so the kubelet does not start it
    /// again. The address does not answer any more, not even with a refused connection.
    pub ended: bool,
    /// Message of Kubernetes that explains why the pod does not run.
    pub problem: Option<String>,
    /// Last end of the Cassandra container, while it runs again or waits for it.
    pub last_end: Option<String>,
    /// Reason why the pod is not Ready although its containers are, in Kubernetes' own words: a readiness gate.
    pub gate: Option<String>,
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
    /// Image of the Cassandra container.
    pub image: String,
    /// Transport that the pod was started with.
    pub transport: NodeTransport,
    /// Secrets that the pod was started with. A pod of the Go `CassKop` names none in a volume.
    pub secrets: NodeSecrets,
    /// Encryption of Cassandra's connections that the pod was started with.
    pub encryption: Encryption,
    /// Requirement of clients at their connection to the node that the pod was started with.
    pub logins: LoginStep,
    /// Algorithm of the private key that its agent was started with, if the agent takes over no other one.
    pub key_algorithm: Option<String>,
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
            waits_on: waits_on(pod),
            deleting: pod.metadata.deletion_timestamp.is_some(),
            ended: ended(pod),
            prepares_on: prepares_on(pod),
            restarts: restarts(pod),
            container: container_id(pod),
            runs_since: runs_since(pod),
            problem: problem(pod),
            last_end: cassandra(pod).and_then(last_end),
            gate: gate(pod),
            lost_with: lost_with(pod),
            revision: label("controller-revision-hash").unwrap_or_default(),
            image: image(pod),
            transport: transport(pod),
            secrets: secrets(pod),
            encryption: encryption(pod),
            logins: logins(pod),
            key_algorithm: started(pod).key_algorithm,
        }
    }
}

impl NodePod {
    /// A pod that would be made from the template of a StatefulSet.
    pub fn of_template(set: &StatefulSet) -> Option<Self> {
        let template = &set.spec.as_ref()?.template;
        let pod = Pod {
            metadata: template.metadata.clone().unwrap_or_default(),
            spec: template.spec.clone(),
            status: None,
        };
        Some(Self::of(&pod))
    }

    /// Whether its container should listen by now: agents do so seconds after its start.
    pub fn runs_long(&self, now: Timestamp) -> bool {
        self.runs_since.is_some_and(|since| now > since + LISTENS)
    }

    /// Whether Kubernetes has placed the pod, but has not started any of its containers yet. The pod does not name the
    /// cause: an event may.
    pub fn has_not_started(pod: &Pod) -> bool {
        let status = pod.status.as_ref();
        let mut containers = status.into_iter().flat_map(containers);
        let is_waiting = |container: &ContainerStatus| {
            let state = container.state.as_ref();
            state.is_none_or(|state| state.running.is_none() && state.terminated.is_none())
        };
        problem(pod).is_none() && containers.all(is_waiting)
    }
}

fn containers(status: &PodStatus) -> impl Iterator<Item = &ContainerStatus> {
    let init = status.init_container_statuses.iter();
    init.chain(&status.container_statuses).flatten()
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

fn image(pod: &Pod) -> String {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut cassandra = containers.filter(|it| it.name == names::CASSANDRA_CONTAINER);
    let image = cassandra.next().and_then(|it| it.image.clone());
    image.unwrap_or_default()
}

fn transport(pod: &Pod) -> NodeTransport {
    let word = pod.annotations().get(names::NODE_API);
    let transport = word.and_then(|word| NodeTransport::parse(word));
    transport.unwrap_or_default()
}

/// Whether clients need certificates is not recorded: nothing depends on it.
fn encryption(pod: &Pod) -> Encryption {
    let annotations = pod.annotations();
    let internode = annotations.get(names::INTERNODE_TLS);
    let client = annotations.get(names::CLIENT_TLS);
    Encryption {
        internode: internode
            .and_then(|word| InternodeMode::parse(word))
            .unwrap_or_default(),
        client: client
            .and_then(|word| ClientMode::parse(word))
            .unwrap_or_default(),
        client_auth: false,
    }
}

fn logins(pod: &Pod) -> LoginStep {
    let word = pod.annotations().get(names::LOGINS);
    word.and_then(|word| LoginStep::parse(word))
        .unwrap_or_default()
}

fn secrets(pod: &Pod) -> NodeSecrets {
    let volumes = pod.spec.iter().flat_map(|spec| &spec.volumes).flatten();
    NodeSecrets::mounted(transport(pod), |name| {
        let volume = volumes.clone().find(|volume| volume.name == name)?;
        volume.secret.as_ref()?.secret_name.clone()
    })
}

/// The report of the init container that has prepared the pod; an earlier version leaves none.
fn started(pod: &Pod) -> Started {
    let report = || {
        let statuses = pod.status.as_ref()?.init_container_statuses.as_ref()?;
        let bootstrap = statuses.iter().find(|it| it.name == BOOTSTRAP_CONTAINER)?;
        let end = bootstrap.state.as_ref()?.terminated.as_ref()?;
        serde_json::from_str(end.message.as_ref()?).ok()
    };
    report().unwrap_or_default()
}

fn waits_on(pod: &Pod) -> Option<String> {
    let node = pod.spec.as_ref()?.node_name.clone();
    node.filter(|_| NodePod::has_not_started(pod))
}

fn prepares_on(pod: &Pod) -> Option<String> {
    let statuses = || pod.status.as_ref()?.init_container_statuses.as_ref();
    let bootstrap = statuses().and_then(|all| all.iter().find(|it| it.name == BOOTSTRAP_CONTAINER));
    let end = bootstrap.and_then(|bootstrap| bootstrap.state.as_ref()?.terminated.as_ref());
    let is_prepared = end.is_some_and(|end| end.exit_code == 0);
    let runs = runs_since(pod).is_some();
    let node = pod.spec.as_ref()?.node_name.clone();
    node.filter(|_| !is_prepared && !runs)
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

/// The reason of the condition `Ready` of a pod that waits for its readiness gates; the kubelet writes it.
const GATES: &str = "ReadinessGatesNotReady";

/// The condition `Ready` of a pod that is not Ready although all of its containers are.
fn unready_with_ready_containers(pod: &Pod) -> Option<&PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let is = |kind: &str, status: &str| {
        let mut conditions = conditions.iter();
        conditions.find(|condition| condition.type_ == kind && condition.status == status)
    };
    is("ContainersReady", "True")?;
    is("Ready", "False")
}

/// The Kubernetes node of a pod, if its kubelet no longer reports to Kubernetes. The conditions of the pod show it, so
/// the operator needs no permission to read nodes: a kubelet writes `Ready` and `ContainersReady` together, the node
/// controller writes only `Ready`, and keeps its reason. A pod that waits for a readiness gate differs only in the
/// reason.
fn lost_with(pod: &Pod) -> Option<String> {
    let ready = unready_with_ready_containers(pod)?;
    let is_silent = ready.reason.as_deref() != Some(GATES);
    pod.spec.as_ref()?.node_name.clone().filter(|_| is_silent)
}

fn gate(pod: &Pod) -> Option<String> {
    let ready = unready_with_ready_containers(pod)?;
    let waits = ready.reason.as_deref() == Some(GATES);
    waits.then(|| ready.message.clone().unwrap_or_default())
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

    /// The node controller and a readiness gate leave the same conditions, except for the reason.
    #[test]
    fn a_pod_that_waits_for_a_readiness_gate_is_not_lost() {
        let message =
            "corresponding condition of pod readiness gate \"mesh/ready\" does not exist.";
        let pod = json!({
            "metadata": { "name": "demo-dc1-rack1-0" },
            "spec": { "nodeName": "node1", "containers": [] },
            "status": { "conditions": [
                { "type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": message },
                { "type": "ContainersReady", "status": "True" },
            ] },
        });
        let pod = NodePod::of(&serde_json::from_value(pod).expect("a pod"));
        assert_eq!(pod.lost_with, None);
        assert_eq!(pod.gate.as_deref(), Some(message));
    }

    #[test]
    fn a_pod_has_the_report_of_its_init_container() {
        let algorithm = |name: &str, message: &str| {
            let pod = json!({ "metadata": {}, "status": { "initContainerStatuses": [{
                "name": name, "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "state": { "terminated": { "exitCode": 0, "reason": "Completed", "message": message } } }] } });
            NodePod::of(&serde_json::from_value(pod).expect("a pod")).key_algorithm
        };
        let report = r#"{"keyAlgorithm":"EC","ofALaterVersion":1}"#;
        assert_eq!(algorithm("bootstrap", report).as_deref(), Some("EC"));
        assert_eq!(algorithm("pre-run", report), None);
        for other in ["", "waiting until these seeds have an address", "{}", "[]"] {
            assert_eq!(algorithm("bootstrap", other), None, "{other}");
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
