//! Health of the nodes, as messages.

use casskop_common::{
    api::{NodeTransport, OperationMode, condition},
    names::RackId,
};
use jiff::SignedDuration;

use crate::{
    node::{NodeError, Reading},
    observed::{NodePod, ObservedState, UNKNOWN, Volume},
};

/// Advice for an object that Kubernetes retries to create or to start.
const RETRY_ADVICE: &str = "Kubernetes tries again by itself, at the latest after some minutes";

/// The state of a node, and the last end of its container if that has run before.
fn with_last_end(state: String, live: &NodePod) -> String {
    match &live.last_end {
        Some(end) => format!("{state}; {end}"),
        None => state,
    }
}

impl ObservedState {
    /// Reason why a node is unhealthy. A healthy node is NORMAL, serves clients, and reports every other pod as up.
    pub fn health_problem(&self, pod: &str) -> Option<String> {
        self.own_health_problem(pod).or_else(|| self.missed_by(pod))
    }

    /// Expected pods that are unhealthy, except those that are leaving. Pods that are unhealthy themselves come before
    /// pods that only report others as down.
    pub fn unhealthy_nodes(&self) -> Vec<(String, String)> {
        let mut unhealthy_nodes: Vec<(String, String)> = self
            .expected_pods()
            .into_iter()
            .filter(|(pod, _)| !self.is_leaving(pod))
            .filter_map(|(pod, _)| self.health_problem(&pod).map(|why| (pod, why)))
            .collect();
        unhealthy_nodes.sort_by_key(|(pod, _)| self.own_health_problem(pod).is_none());
        unhealthy_nodes
    }

    /// Reason why a node is unhealthy itself: it is not NORMAL, does not serve clients, or its pod is not Ready.
    pub fn own_health_problem(&self, pod: &str) -> Option<String> {
        let Some(live) = self.pods.get(pod) else {
            return Some(self.refusal(pod).map_or_else(
                || "the pod does not exist yet".to_owned(),
                |cause| format!("Kubernetes does not create the pod: {cause}; {RETRY_ADVICE}"),
            ));
        };
        if let Some(node) = &live.lost_with {
            return Some(format!(
                "its Kubernetes node {node} does not answer; if that is gone for good, delete the Node or taint it node.kubernetes.io/out-of-service, and the pod is made elsewhere"
            ));
        }
        if live.deleting {
            return Some("the pod is being deleted".into());
        }
        if let Some(problem) = &live.problem {
            let hint = self
                .unbound(pod)
                .map(|(claim, volume)| self.describe_unbound(claim, volume));
            let address_conflicts = self.crosses(pod).map(|host_id| {
                format!(
                    "; its address {} is that of the member {host_id} in the ring, so Cassandra does not start: a re-created pod gets another address; the operator re-creates the pod after some restarts (unless restartCountBeforePodDeletion is 0), or delete it",
                    live.ip.as_deref().unwrap_or_default()
                )
            });
            let hint = hint.or(address_conflicts).unwrap_or_default();
            return Some(format!("{problem}{hint}"));
        }
        let reading = match self.nodes.get(pod) {
            None => return Some(self.starting(pod, live)),
            Some(Err(NodeError::Unauthorized)) => {
                let secret = live.secrets.password.as_ref();
                let secret = secret.map_or("of imageJolokiaSecret", String::as_str);
                return Some(format!(
                    "the node refuses the password of Secret {secret} (HTTP 401): it is not the one that the pod was started with; restart the pod, or restore the Secret"
                ));
            }
            Some(Err(error)) if self.is_cut_off(pod) => {
                return Some(format!(
                    "the pod is Ready, but not reachable from the operator on port {}: {error}; does a NetworkPolicy or a service mesh close the port?",
                    live.transport.port()
                ));
            }
            Some(Err(NodeError::Refused)) if self.is_mute(pod) => {
                return Some(with_last_end(self.mute(live), live));
            }
            Some(Err(error)) => return Some(with_last_end(error.to_string(), live)),
            Some(Ok(reading)) => reading,
        };
        if reading.mode != OperationMode::Normal {
            return Some(with_last_end(
                format!("Cassandra is {}", reading.mode),
                live,
            ));
        }
        if reading.tokens == Some(0) {
            return Some(
                "Cassandra is NORMAL, but owns no tokens: another node was started with the same tokens (its log: `have the same token`). Restart neither node, or the other node takes the tokens; if the ring is new, delete it with its volumes and create it again".into(),
            );
        }
        if !reading.native_transport {
            return Some("Cassandra is NORMAL, but clients cannot connect yet".into());
        }
        if let Some(gate) = &live.gate {
            return Some(format!(
                "Cassandra serves clients, but the pod waits for a readiness gate: {gate}; the controller of the gate sets it"
            ));
        }
        if !live.ready {
            return Some("Cassandra serves clients, but the pod is not Ready: Kubernetes routes no clients to it yet".into());
        }
        None
    }

    /// Whether the kubelet reports a pod as Ready, but the operator cannot connect to it, or gets no answer for long.
    pub fn is_cut_off(&self, pod: &str) -> bool {
        let runs = self.pods.get(pod).is_some_and(|live| {
            live.ready && !live.deleting && live.lost_with.is_none() && live.problem.is_none()
        });
        let is_cut = match self.nodes.get(pod) {
            Some(Err(NodeError::Unreachable(_) | NodeError::Refused)) => true,
            // A service mesh accepts a connection that it does not pass on.
            Some(Err(NodeError::Timeout(_))) => self.is_ready_and_silent_for_long(pod),
            _ => false,
        };
        runs && is_cut
    }

    /// Whether a Ready pod was silent at the last report as well, and the cluster is unavailable for longer than the
    /// kubelet takes to notice a node that hangs: the readiness probe asks the node from inside the pod.
    fn is_ready_and_silent_for_long(&self, pod: &str) -> bool {
        let spec = &self.cluster.spec;
        let Some(status) = &self.cluster.status else {
            return false;
        };
        let mut nodes = status.cassandra_node_status.get(pod).into_iter();
        let was_silent = nodes.any(|before| before.ready && before.state == UNKNOWN);
        let period = spec.readiness_health_check_period.unwrap_or(10);
        let timeout = spec.readiness_health_check_timeout.unwrap_or(10);
        let failures = spec.readiness_failure_threshold.unwrap_or(3);
        let noticed = i64::from(failures) * (i64::from(period) + i64::from(timeout));
        let noticed = SignedDuration::from_secs(noticed);
        let mut conditions = status.conditions.iter();
        let is_unavailable = conditions.any(|known| {
            known.type_ == condition::AVAILABLE
                && known.status == "False"
                && self.now.duration_since(known.last_transition_time.0) > noticed
        });
        // Without the probe a pod is Ready whatever its node does.
        spec.debug != Some(true) && was_silent && is_unavailable
    }

    /// Whether Kubernetes reports that the pod does not run, or refuses to create it.
    pub fn cannot_run(&self, pod: &str) -> bool {
        match self.pods.get(pod) {
            Some(live) => live.problem.is_some(),
            None => self.refusal(pod).is_some(),
        }
    }

    /// The reason why Kubernetes does not create a pod.
    fn refusal(&self, pod: &str) -> Option<&String> {
        let (set, _) = pod.rsplit_once('-')?;
        let set = self.live.stateful_sets.get(set)?;
        self.live.warnings.get(set.metadata.uid.as_ref()?)
    }

    fn starting(&self, pod: &str, live: &NodePod) -> String {
        let Some(warning) = self.live.warnings.get(&live.uid) else {
            return with_last_end("the pod is starting".into(), live);
        };
        if let Some(claim) = self.stranding_claim(pod) {
            return format!(
                "the pod does not start: its volume claim {claim} was made after the pod was placed, and Kubernetes binds it for a new pod only; the operator re-creates the pod"
            );
        }
        format!("the pod does not start yet: {warning}; {RETRY_ADVICE}")
    }

    /// Whether the container of a pod runs for a while, and nothing listens in it. An agent listens before Cassandra is up,
    /// however long that takes.
    pub fn is_mute(&self, pod: &str) -> bool {
        let runs_long = |live: &NodePod| live.runs_long(self.now);
        matches!(self.nodes.get(pod), Some(Err(NodeError::Refused)))
            && self.pods.get(pod).is_some_and(runs_long)
    }

    fn mute(&self, live: &NodePod) -> String {
        let cause = match live.transport {
            NodeTransport::Jolokia | NodeTransport::JolokiaTls => "",
            NodeTransport::ManagementApi => {
                "does its image have the Management API, as nodeApi.kind requires? "
            }
        };
        let since = live.runs_since.unwrap_or(self.now);
        format!(
            "Cassandra's container runs since {since}, and nothing listens on port {}: {cause}its log may say more",
            live.transport.port()
        )
    }

    /// The volume claim that keeps a pod from starting for ever. The scheduler chooses the machine of a claim only while
    /// it places a pod (`WaitForFirstConsumer`), so a claim that is made afterwards stays unbound.
    ///
    /// Pods and claims are read one after the other, and a claim may look older than it is: the kubelet has to have
    /// reported the pod, too.
    pub fn stranding_claim(&self, pod: &str) -> Option<String> {
        let live = self.pods.get(pod)?;
        let is_reported = self.live.warnings.contains_key(&live.uid);
        if live.waits_on.is_none() || live.deleting || !is_reported {
            return None;
        }
        let mut claims = self.volumes_of(pod, live.rack.as_ref()?).into_iter();
        let found = claims
            .find(|(_, claim)| claim.capacity.is_none() && !claim.is_placed && !claim.deleting);
        found.map(|(name, _)| name)
    }

    /// A volume claim of a pod that is not bound.
    fn unbound(&self, pod: &str) -> Option<(&String, &Volume)> {
        let suffix = format!("-{pod}");
        let mut volumes = self.live.volumes.iter();
        volumes.find(|(claim, volume)| claim.ends_with(&suffix) && volume.capacity.is_none())
    }

    fn describe_unbound(&self, claim: &str, volume: &Volume) -> String {
        match self.live.warnings.get(&volume.uid) {
            Some(warning) => format!("; its volume claim {claim}: {warning}"),
            None => format!(
                "; its volume claim {claim} is not bound: does the storage class {} exist, and has it room?",
                volume.class.as_deref().unwrap_or("default")
            ),
        }
    }

    /// Host ID of the other member that the ring records at the address of a pod.
    pub fn crosses(&self, pod: &str) -> Option<&str> {
        let own = self.host_id(pod)?;
        let ip = self.pods.get(pod)?.ip.as_ref()?;
        let mut members = self.members();
        let known = members.find_map(|(_, reading)| reading.host_ids.get(ip))?;
        let status = self.cluster.status.as_ref()?;
        let mut others = status.cassandra_node_status.iter();
        let is_others = others.any(|(name, other)| name != pod && other.host_id == *known);
        (known != own && is_others).then_some(known.as_str())
    }

    /// Whether every member that answers reports the node of a pod as up.
    pub fn is_seen(&self, pod: &str) -> bool {
        let ip = self.pods.get(pod).and_then(|pod| pod.ip.as_ref());
        let mut members = self.members();
        ip.is_some_and(|ip| members.all(|(_, reading)| reading.live.contains(ip)))
    }

    /// Whether all that keeps the nodes from being healthy is a member of this rack that no pod runs.
    pub fn misses_only_a_member_of(&self, rack: &RackId) -> bool {
        let mut expected = self.expected_pods().into_iter();
        let is_well_but_for_it = |pod: &str| {
            let reading = self
                .reading(pod)
                .filter(|_| self.own_health_problem(pod).is_none());
            let lost = |reading| self.lost_replica(reading).and_then(|lost| lost.location);
            reading.is_some_and(|reading| {
                self.missed_pods(reading).is_empty() && lost(reading) == Some(rack)
            })
        };
        expected.len() > 0 && expected.all(|(pod, _)| is_well_but_for_it(&pod))
    }

    /// Pods whose nodes a node does not report as up.
    fn missed_pods(&self, reading: &Reading) -> Vec<&str> {
        let pods = self.pods.iter();
        let missed = pods.filter(|(name, other)| {
            let ip = other.ip.as_ref();
            ip.is_some_and(|ip| !reading.live.contains(ip))
                && !self.is_newcomer(name)
                && !self.is_leaving(name)
        });
        missed.map(|(name, _)| name.as_str()).collect()
    }

    /// The other nodes that a node does not report as up.
    fn missed_by(&self, pod: &str) -> Option<String> {
        let reading = self.reading(pod)?;
        let missed = self.missed_pods(reading);
        if !missed.is_empty() {
            return Some(format!("does not see {} up", missed.join(", ")));
        }
        let lost = self.lost_replica(reading)?;
        Some(format!(
            "does not see {} up, a member that no pod runs: start it again, or remove it (--host-id)",
            lost.describe()
        ))
    }
}
