//! What is reported: conditions in words, racks, nodes. Written only when it differs from what was reported before,
//! so nothing here may move by itself.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraClusterStatus, LastAction, NodeStatus, Phase, RackStatus, condition},
    names::RackId,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{
    super::{
        desired::{Desired, Refused},
        snapshot::{SecretState, Snapshot},
    },
    operations,
    rollout::{FIRST_POD_PER_RACK, INITIALIZING, NEXT_POD_PER_RACK, Rollout},
};

/// The status without its operations, which are written before they act.
pub fn decide(
    desired: &Result<Desired, Refused>,
    snapshot: &Snapshot,
    rollout: &Rollout,
    operations: &operations::Decision,
) -> CassandraClusterStatus {
    let old = snapshot.cluster.status.clone().unwrap_or_default();
    let nodes = nodes(snapshot, &old);
    let picture = Picture::of(desired, snapshot, rollout, &nodes);
    let wanted = [
        picture.available(),
        picture.progressing(),
        picture.degraded(),
        picture.spec_accepted(),
        intents_accepted(snapshot, operations),
    ];
    let generation = snapshot.cluster.metadata.generation;
    let conditions = wanted
        .into_iter()
        .map(|verdict| verdict.condition(&old.conditions, generation, snapshot.now));
    let (action, action_status) = last_action(rollout, &picture, &old);
    CassandraClusterStatus {
        observed_generation: generation,
        phase: Some(picture.phase()),
        initializing_sub_phase: (picture.phase() == Phase::Initializing).then(|| {
            let sub_phase = if rollout.formed {
                NEXT_POD_PER_RACK
            } else {
                FIRST_POD_PER_RACK
            };
            sub_phase.to_owned()
        }),
        last_cluster_action: action.clone(),
        last_cluster_action_status: action_status,
        seedlist: if rollout.seeds.is_empty() {
            old.seedlist.clone()
        } else {
            rollout.seeds.clone()
        },
        cassandra_rack_status: racks(snapshot, rollout, &old),
        cassandra_node_status: nodes,
        conditions: conditions.collect(),
        operations: old.operations,
        operation_history: old.operation_history,
    }
}

/// What the conditions are judged from.
struct Picture<'a> {
    rollout: &'a Rollout,
    refused: Option<&'a Refused>,
    warnings: &'a [String],
    formed: bool,
    nodes: usize,
    /// Members of the ring that are not well, with the reason.
    sick: Vec<String>,
    /// Anything that keeps a pod or the whole cluster from working and that somebody should mend.
    faults: Vec<String>,
}

/// A condition before it has its times.
struct Verdict {
    kind: &'static str,
    holds: bool,
    reason: &'static str,
    message: String,
}

impl<'a> Picture<'a> {
    fn of(
        desired: &'a Result<Desired, Refused>,
        snapshot: &Snapshot,
        rollout: &'a Rollout,
        nodes: &BTreeMap<String, NodeStatus>,
    ) -> Self {
        let trouble = snapshot.troubles();
        let members = trouble.iter().filter(|(pod, _)| !snapshot.is_newcomer(pod));
        let sick = members
            .clone()
            .map(|(pod, why)| format!("{pod}: {why}"))
            .collect();
        let mut faults: Vec<String> = trouble
            .iter()
            .filter(|(pod, _)| {
                let broken = snapshot
                    .pods
                    .get(pod)
                    .is_some_and(|pod| pod.problem.is_some());
                let refuses =
                    matches!(snapshot.nodes.get(pod), Some(Err(error)) if !error.is_transient());
                broken || refuses || !snapshot.is_newcomer(pod)
            })
            .map(|(pod, why)| format!("{pod}: {why}"))
            .collect();
        if let (SecretState::Broken(why), true) = (&snapshot.secret, desired.is_ok()) {
            faults.insert(0, why.clone());
        }
        if let (SecretState::Missing, Ok(desired)) = (&snapshot.secret, desired)
            && !desired.makes_secret()
        {
            faults.insert(0, format!(
                "Secret {} of spec.imageJolokiaSecret does not exist: create it with username and password",
                desired.jolokia_secret
            ));
        }
        Self {
            refused: rollout.refused.as_ref(),
            warnings: desired
                .as_ref()
                .map(|desired| desired.warnings.as_slice())
                .unwrap_or_default(),
            formed: rollout.formed,
            nodes: nodes.len(),
            rollout,
            sick,
            faults,
        }
    }

    fn phase(&self) -> Phase {
        if self.is_initial() {
            Phase::Initializing
        } else if self.rollout.is_in_progress() || !self.sick.is_empty() || self.refused.is_some() {
            Phase::Pending
        } else {
            Phase::Running
        }
    }

    /// Whether the nodes that were asked for at first are not all there yet.
    fn is_initial(&self) -> bool {
        !self.formed || self.rollout.action == Some(INITIALIZING)
    }

    fn available(&self) -> Verdict {
        let (holds, reason, message) = if self.is_initial() {
            (false, "Forming", "the ring is being formed".into())
        } else if let Some(first) = self.sick.first() {
            (false, "NodesDown", counted(&self.sick, first))
        } else {
            (
                true,
                "AllNodesUp",
                format!("all {} nodes are NORMAL and see each other", self.nodes),
            )
        };
        Verdict {
            kind: condition::AVAILABLE,
            holds,
            reason,
            message,
        }
    }

    fn progressing(&self) -> Verdict {
        let rollout = self.rollout;
        let (holds, reason, message) = match (rollout.action, &rollout.blocked) {
            (Some(action), Some(why)) => (false, "Blocked", format!("{action}: {why}")),
            (Some(action), None) => {
                let waiting = rollout
                    .waiting_for
                    .clone()
                    .unwrap_or_else(|| "its pods".into());
                (true, action, format!("waiting for {waiting}"))
            }
            (None, _) if self.refused.is_some() => (
                false,
                "SpecRefused",
                "the spec is not carried out, see SpecAccepted".into(),
            ),
            (None, _) => (false, "AsAsked", "the cluster is as the spec asks".into()),
        };
        Verdict {
            kind: condition::PROGRESSING,
            holds,
            reason,
            message,
        }
    }

    fn degraded(&self) -> Verdict {
        let (holds, reason, message) = match self.faults.first() {
            Some(first) => (true, "NodesInTrouble", counted(&self.faults, first)),
            None => (false, "NoTrouble", "no node is in trouble".into()),
        };
        Verdict {
            kind: condition::DEGRADED,
            holds,
            reason,
            message,
        }
    }

    fn spec_accepted(&self) -> Verdict {
        let (holds, reason, message) = match self.refused {
            Some(refused) => (false, refused.reason, refused.message.clone()),
            None if self.warnings.is_empty() => {
                (true, "Accepted", "every field is carried out".into())
            }
            None => (true, "AcceptedWithWarnings", self.warnings.join("; ")),
        };
        Verdict {
            kind: condition::SPEC_ACCEPTED,
            holds,
            reason,
            message,
        }
    }
}

fn counted(all: &[String], first: &str) -> String {
    match all.len() {
        1 => first.to_owned(),
        many => format!("{first} (and {} more)", many - 1),
    }
}

fn intents_accepted(snapshot: &Snapshot, operations: &operations::Decision) -> Verdict {
    let told: Vec<String> = snapshot
        .intents
        .invalid
        .iter()
        .chain(&operations.complaints)
        .map(|invalid| format!("{}: {}", invalid.annotation, invalid.message))
        .collect();
    let (holds, reason, message) = if told.is_empty() {
        (
            true,
            "Accepted",
            "every operation annotation is understood".into(),
        )
    } else {
        (false, "Invalid", told.join("; "))
    };
    Verdict {
        kind: condition::INTENTS_ACCEPTED,
        holds,
        reason,
        message,
    }
}

impl Verdict {
    fn condition(self, old: &[Condition], generation: Option<i64>, now: Timestamp) -> Condition {
        let status = if self.holds { "True" } else { "False" };
        let since = old
            .iter()
            .find(|condition| condition.type_ == self.kind && condition.status == status)
            .map_or(Time(now), |condition| {
                condition.last_transition_time.clone()
            });
        Condition {
            type_: self.kind.to_owned(),
            status: status.to_owned(),
            reason: self.reason.to_owned(),
            message: self.message,
            observed_generation: generation,
            last_transition_time: since,
        }
    }
}

fn last_action(
    rollout: &Rollout,
    picture: &Picture<'_>,
    old: &CassandraClusterStatus,
) -> (Option<String>, Option<String>) {
    let pair = |name: &str, status: &str| (Some(name.to_owned()), Some(status.to_owned()));
    if picture.refused.is_some() {
        return pair("CorrectCRDConfig", "ToDo");
    }
    match (rollout.action, &rollout.blocked) {
        (Some(action), Some(_)) => pair(action, "ToDo"),
        (Some(action), None) => pair(action, "Ongoing"),
        (None, _) => pair(
            old.last_cluster_action.as_deref().unwrap_or("Initializing"),
            "Done",
        ),
    }
}

fn racks(
    snapshot: &Snapshot,
    rollout: &Rollout,
    old: &CassandraClusterStatus,
) -> BTreeMap<String, RackStatus> {
    let stepping = rollout.steps.iter().map(|step| step.rack.id.clone());
    let mut ids: Vec<RackId> = snapshot
        .racks()
        .map(|(rack, _)| rack)
        .chain(stepping)
        .collect();
    ids.sort();
    ids.dedup();
    ids.into_iter()
        .map(|rack| {
            let before = old.cassandra_rack_status.get(&rack.key());
            let status = rack_status(&rack, snapshot, rollout, before);
            (rack.key(), status)
        })
        .collect()
}

fn rack_status(
    rack: &RackId,
    snapshot: &Snapshot,
    rollout: &Rollout,
    before: Option<&RackStatus>,
) -> RackStatus {
    let well = snapshot
        .expected_pods()
        .iter()
        .filter(|(_, other)| other == rack)
        .all(|(pod, _)| snapshot.trouble(pod).is_none());
    let concerned = rollout.rack.as_ref() == Some(rack) || !rollout.formed;
    let action = rollout
        .action
        .filter(|_| concerned && rollout.blocked.is_none());
    let last = before.and_then(|before| before.cassandra_last_action.clone());
    let now = Some(Time(snapshot.now));
    let last_action = match (action, last) {
        (Some(name), Some(last)) if last.name == name && last.status == "Ongoing" => Some(last),
        (Some(name), _) => Some(LastAction {
            name: name.to_owned(),
            status: "Ongoing".into(),
            start_time: now,
            end_time: None,
        }),
        (None, Some(last)) if last.status == "Ongoing" && well => Some(LastAction {
            status: "Done".into(),
            end_time: now,
            ..last
        }),
        (None, last) => last,
    };
    let phase = match (rollout.formed, well && action.is_none()) {
        (false, _) => Phase::Initializing,
        (true, true) => Phase::Running,
        (true, false) => Phase::Pending,
    };
    RackStatus {
        phase: Some(phase),
        cassandra_last_action: last_action,
    }
}

fn nodes(snapshot: &Snapshot, old: &CassandraClusterStatus) -> BTreeMap<String, NodeStatus> {
    snapshot
        .expected_pods()
        .into_iter()
        .map(|(pod, rack)| {
            let before = old.cassandra_node_status.get(&pod);
            let status = node_status(&pod, &rack, snapshot, before);
            (pod, status)
        })
        .collect()
}

fn node_status(
    pod: &str,
    rack: &RackId,
    snapshot: &Snapshot,
    before: Option<&NodeStatus>,
) -> NodeStatus {
    let live = snapshot.pods.get(pod);
    let reading = snapshot.reading(pod);
    let ip = live.and_then(|live| live.ip.clone()).unwrap_or_default();
    // What a node said while it was NORMAL stays: a node that is down is still known by its host id.
    let remembered = |now: Option<&String>, before: Option<&String>| {
        now.filter(|text| !text.is_empty())
            .or(before)
            .cloned()
            .unwrap_or_default()
    };
    let member = reading.filter(|reading| reading.is_normal());
    NodeStatus {
        host_id: remembered(
            member.map(|reading| &reading.local_host_id),
            before.map(|before| &before.host_id),
        ),
        version: remembered(
            reading.map(|reading| &reading.version),
            before.map(|before| &before.version),
        ),
        load_bytes: load(
            member.map(|reading| reading.load),
            before.and_then(|before| before.load_bytes),
        ),
        gossip: gossip(&ip, pod, snapshot).to_owned(),
        state: reading.map_or_else(|| "Unknown".to_owned(), |reading| reading.mode.clone()),
        ready: live.is_some_and(|live| live.ready),
        message: snapshot.trouble(pod),
        dc: rack.dc.clone(),
        rack: rack.rack.clone(),
        node_ip: ip,
    }
}

/// How the peers see a node.
fn gossip(ip: &str, pod: &str, snapshot: &Snapshot) -> &'static str {
    let peers = || {
        snapshot
            .nodes
            .iter()
            .filter(|(name, _)| *name != pod)
            .filter_map(|(_, reading)| reading.as_ref().ok())
    };
    if ip.is_empty() {
        "Unknown"
    } else if peers().any(|peer| peer.unreachable.contains(ip)) {
        "Down"
    } else if peers().any(|peer| peer.live.contains(ip))
        || snapshot
            .reading(pod)
            .is_some_and(|own| own.live.contains(ip))
    {
        "Up"
    } else {
        "Unknown"
    }
}

/// The load moves all the time; it is told anew when it moved by a tenth.
fn load(now: Option<i64>, before: Option<i64>) -> Option<i64> {
    match (now, before) {
        (Some(now), Some(before)) if (now - before).abs() <= before / 10 => Some(before),
        (now, before) => now.or(before),
    }
}
