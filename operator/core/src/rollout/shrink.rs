//! Scale-down: the last node of a rack leaves the ring (a separate operation), then its StatefulSet is scaled down by
//! one pod, then its volumes are deleted. A decommission that has started is tracked to its end, even if the spec
//! changes meanwhile.

use casskop_common::{
    api::{NodePhase, OperationMode, OperationPhase, OperationStatus},
    names::{self, RackId},
};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube_core::ResourceExt;

use super::leaving::Leaving;
use crate::{
    desired::Desired,
    observed::{ExternalMember, ObservedState, replicas},
    rollout::removal::Removal,
};

/// Next step of the scale-down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Decommission this member.
    Leave(Leaving),
    /// Delete an object, or scale a StatefulSet down.
    Remove(RackId, Removal),
    /// Wait; the message names the reason.
    Wait(RackId, String),
}

/// A live StatefulSet and its rack, which the spec may no longer contain.
struct LiveRack<'a> {
    rack: RackId,
    set: &'a StatefulSet,
    /// Number of nodes in the spec; none if the spec does not contain the rack.
    wanted: Option<i32>,
}

fn racks<'a>(desired: &Desired, state: &'a ObservedState) -> Vec<LiveRack<'a>> {
    let wanted = |rack: &RackId| {
        let rack = desired.racks.iter().find(|wanted| wanted.id == *rack);
        rack.map(|rack| rack.replicas)
    };
    state
        .racks()
        .map(|(rack, set)| LiveRack {
            wanted: wanted(&rack),
            rack,
            set,
        })
        .collect()
}

/// Finishes removals in progress first: a node that is leaving, or a surplus pod whose node never joined.
pub(crate) fn finish(desired: &Desired, state: &ObservedState) -> Option<Next> {
    let racks = racks(desired, state);
    // While the spec is refused, its predecessor applies. A corrected spec may require these nodes again.
    let begins = desired.instead_of.is_none();
    let leaving = racks.iter().find_map(|live| live.finish(state, begins));
    let external_member = || {
        racks
            .iter()
            .find_map(|live| live.drop_external_member(state))
    };
    leaving.or_else(|| begins.then(external_member)?)
}

/// The next node to decommission, from the rack with the most nodes of those with a surplus, so that racks shrink in
/// turn.
pub(crate) fn begin(desired: &Desired, state: &ObservedState) -> Option<Next> {
    let racks = racks(desired, state);
    let most = racks
        .iter()
        .filter(|live| live.excess() > 0)
        .max_by_key(|live| replicas(live.set));
    if let Some(live) = most {
        return Some(live.begin(state));
    }
    let unwanted = racks
        .iter()
        .find(|live| live.wanted.is_none() && replicas(live.set) == 0)?;
    Some(unwanted.remove(state))
}

/// A rack that is to have fewer nodes, or to be deleted.
pub(crate) fn wanted(desired: &Desired, state: &ObservedState) -> Option<RackId> {
    let racks = racks(desired, state).into_iter();
    let mut wanted = racks.filter(|live| live.excess() > 0 || live.wanted.is_none());
    wanted.next().map(|live| live.rack)
}

impl LiveRack<'_> {
    fn excess(&self) -> i32 {
        replicas(self.set) - self.wanted.unwrap_or(0)
    }

    fn last_pod(&self, state: &ObservedState) -> Option<String> {
        let last = replicas(self.set) - 1;
        (last >= 0).then(|| names::pod(state.name(), &self.rack, last))
    }

    /// Continues the removal of a node that is leaving.
    fn finish(&self, state: &ObservedState, begins: bool) -> Option<Next> {
        let pod = self.last_pod(state)?;
        let decommission = state.decommission_of(&pod);
        let mode = state.reading(&pod).map(|reading| &reading.mode);
        // A recorded decommission decides by its phase: an operation that is not yet recorded as succeeded is still in
        // progress.
        let is_out = match decommission {
            Some(decommission) => decommission.phase == OperationPhase::Succeeded,
            None => mode == Some(&OperationMode::Decommissioned),
        };
        // A decommission that failed before the node started to leave can be abandoned.
        let called_off = (self.excess() <= 0 || !begins)
            && mode == Some(&OperationMode::Normal)
            && decommission
                .is_some_and(|decommission| decommission.phase == OperationPhase::Failed);
        let on_its_way = decommission
            .is_some_and(|decommission| is_under_way(decommission) && !called_off)
            || matches!(
                mode,
                Some(
                    OperationMode::Leaving
                        | OperationMode::Decommissioned
                        | OperationMode::DecommissionFailed
                )
            );
        let host_id = decommission
            .map(|decommission| decommission.id.clone())
            .or_else(|| state.host_id(&pod).map(str::to_owned))?;
        if is_out {
            return Some(if state.is_forgotten(&host_id) {
                self.scale()
            } else {
                let why = format!(
                    "every node to forget {pod} (host id {host_id}), which has left the ring"
                );
                Next::Wait(self.rack.clone(), why)
            });
        }
        on_its_way.then(|| {
            Next::Leave(Leaving {
                pod,
                rack: self.rack.clone(),
                host_id,
            })
        })
    }

    /// Scales down a surplus pod that does not run and whose node never joined.
    fn drop_external_member(&self, state: &ObservedState) -> Option<Next> {
        let pod = self.last_pod(state).filter(|_| self.excess() > 0)?;
        let joins = state.reading(&pod).is_some();
        let unexplained = || unexplained(state, &pod, &self.rack);
        (!joins && state.is_newcomer(&pod)).then(|| match unexplained() {
            None => self.scale(),
            Some(why) => Next::Wait(self.rack.clone(), why),
        })
    }

    fn begin(&self, state: &ObservedState) -> Next {
        let wait = |why: String| Next::Wait(self.rack.clone(), why);
        let Some(pod) = self.last_pod(state) else {
            return wait("its nodes".into());
        };
        let Some(host_id) = state.host_id(&pod) else {
            return wait(format!("{pod} to join before it can leave"));
        };
        Next::Leave(Leaving {
            host_id: host_id.to_owned(),
            rack: self.rack.clone(),
            pod,
        })
    }

    fn scale(&self) -> Next {
        let removal = Removal::Pods {
            set: self.set.name_any(),
            uid: self.set.uid().unwrap_or_default(),
            version: self.set.resource_version().unwrap_or_default(),
            from: replicas(self.set),
            to: replicas(self.set) - 1,
        };
        Next::Remove(self.rack.clone(), removal)
    }

    /// Deletes the empty StatefulSet of a rack that the spec no longer contains.
    fn remove(&self, state: &ObservedState) -> Next {
        let pods = state
            .pods
            .values()
            .filter(|pod| pod.rack.as_ref() == Some(&self.rack));
        if pods.count() > 0 {
            return Next::Wait(
                self.rack.clone(),
                format!("the last pod of rack {} to end", self.rack),
            );
        }
        let removal = Removal::Rack {
            set: self.set.name_any(),
            uid: self.set.uid().unwrap_or_default(),
        };
        Next::Remove(self.rack.clone(), removal)
    }
}

/// Whether the operation has called its node, with or without success.
fn is_under_way(operation: &OperationStatus) -> bool {
    let called = operation
        .nodes
        .iter()
        .any(|node| matches!(node.phase, NodePhase::Running | NodePhase::Failed));
    called && operation.phase != OperationPhase::Pending
}

/// A member of the ring that matches none of the other pods: the pod could be that member, unless the member belongs to
/// another rack.
fn unexplained(state: &ObservedState, pod: &str, rack: &RackId) -> Option<String> {
    if state.members().next().is_none() {
        return Some(format!(
            "a node that answers, to find out whether {pod} ever joined"
        ));
    }
    let ip = state.pods.get(pod).and_then(|pod| pod.ip.as_ref());
    let own = ip.and_then(|ip| {
        let mut members = state.members();
        members.find_map(|(_, reading)| reading.host_ids.get(ip))
    });
    let external_members = state.external_members();
    let could_be = |external_member: &&ExternalMember<'_>| {
        external_member
            .location
            .is_none_or(|location| location == rack)
    };
    let external_member = || external_members.iter().find(could_be);
    let host_id = own.map_or_else(|| Some(external_member()?.host_id), |own| Some(own))?;
    Some(format!(
        "{pod} to report its host id: it may be the member with host id {host_id}, which no answering pod of this cluster runs; start that member again or, if it is dead, remove it (--host-id)"
    ))
}
