//! Fewer nodes: the last node of a rack leaves the ring (an operation of its own), then its StatefulSet gets one pod
//! less, then its volumes go. A node that was told to leave is followed to its end, whatever the spec says meanwhile.

use casskop_common::{
    api::{NodePhase, OperationMode, OperationPhase, OperationStatus},
    names::{self, RackId},
};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube_core::ResourceExt;

use super::leaving::Leaving;
use crate::{
    desired::Desired,
    observed::{Snapshot, Stranger, replicas},
    rollout::removal::Removal,
};

/// What shrinking does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// This member leaves the ring.
    Leave(Leaving),
    /// Something is taken away.
    Remove(RackId, Removal),
    /// Something has to happen first.
    Wait(RackId, String),
}

/// A rack with its StatefulSet, wanted or not.
struct Live<'a> {
    rack: RackId,
    set: &'a StatefulSet,
    /// Nodes that the spec asks for; nothing if it does not know the rack.
    wanted: Option<i32>,
}

fn racks<'a>(desired: &Desired, snapshot: &'a Snapshot) -> Vec<Live<'a>> {
    let wanted = |rack: &RackId| {
        let rack = desired.racks.iter().find(|wanted| wanted.id == *rack);
        rack.map(|rack| rack.replicas)
    };
    snapshot
        .racks()
        .map(|(rack, set)| Live {
            wanted: wanted(&rack),
            rack,
            set,
        })
        .collect()
}

/// What has been begun is finished first: a node on its way out, or one that never was a member and only is in the way.
pub(crate) fn finish(desired: &Desired, snapshot: &Snapshot) -> Option<Next> {
    let racks = racks(desired, snapshot);
    // What is written now may want them back.
    let begins = desired.instead_of.is_none();
    let leaving = racks.iter().find_map(|live| live.finish(snapshot, begins));
    let stranger = || racks.iter().find_map(|live| live.drop_stranger(snapshot));
    leaving.or_else(|| begins.then(stranger)?)
}

/// The next node to leave: of the racks with too many the one with the most, so that racks shrink in turn.
pub(crate) fn begin(desired: &Desired, snapshot: &Snapshot) -> Option<Next> {
    let racks = racks(desired, snapshot);
    let most = racks
        .iter()
        .filter(|live| live.excess() > 0)
        .max_by_key(|live| replicas(live.set));
    if let Some(live) = most {
        return Some(live.begin(snapshot));
    }
    let unwanted = racks
        .iter()
        .find(|live| live.wanted.is_none() && replicas(live.set) == 0)?;
    Some(unwanted.remove(snapshot))
}

/// A rack that is to have fewer nodes, or to go.
pub(crate) fn wanted(desired: &Desired, snapshot: &Snapshot) -> Option<RackId> {
    let racks = racks(desired, snapshot).into_iter();
    let mut wanted = racks.filter(|live| live.excess() > 0 || live.wanted.is_none());
    wanted.next().map(|live| live.rack)
}

impl Live<'_> {
    fn excess(&self) -> i32 {
        replicas(self.set) - self.wanted.unwrap_or(0)
    }

    fn last_pod(&self, snapshot: &Snapshot) -> Option<String> {
        let last = replicas(self.set) - 1;
        (last >= 0).then(|| names::pod(snapshot.name(), &self.rack, last))
    }

    /// Goes on with a node that was told to leave.
    fn finish(&self, snapshot: &Snapshot, begins: bool) -> Option<Next> {
        let pod = self.last_pod(snapshot)?;
        let told = snapshot.told_to_leave(&pod);
        let mode = snapshot.reading(&pod).map(|reading| &reading.mode);
        // An operation that has not been told to be done yet goes on to its end.
        let is_out = match told {
            Some(told) => told.phase == OperationPhase::Succeeded,
            None => mode == Some(&OperationMode::Decommissioned),
        };
        // That it failed before it began to leave can be taken back.
        let called_off = (self.excess() <= 0 || !begins)
            && mode == Some(&OperationMode::Normal)
            && told.is_some_and(|told| told.phase == OperationPhase::Failed);
        let on_its_way = told.is_some_and(|told| is_under_way(told) && !called_off)
            || matches!(
                mode,
                Some(
                    OperationMode::Leaving
                        | OperationMode::Decommissioned
                        | OperationMode::DecommissionFailed
                )
            );
        let host_id = told
            .map(|told| told.id.clone())
            .or_else(|| snapshot.host_id(&pod).map(str::to_owned))?;
        if is_out {
            return Some(if snapshot.is_forgotten(&host_id) {
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

    /// Drops a pod that is too many, does not run, and never was a member.
    fn drop_stranger(&self, snapshot: &Snapshot) -> Option<Next> {
        let pod = self.last_pod(snapshot).filter(|_| self.excess() > 0)?;
        let joins = snapshot.reading(&pod).is_some();
        let unexplained = || unexplained(snapshot, &pod, &self.rack);
        (!joins && snapshot.is_newcomer(&pod)).then(|| match unexplained() {
            None => self.scale(),
            Some(why) => Next::Wait(self.rack.clone(), why),
        })
    }

    fn begin(&self, snapshot: &Snapshot) -> Next {
        let wait = |why: String| Next::Wait(self.rack.clone(), why);
        let Some(pod) = self.last_pod(snapshot) else {
            return wait("its nodes".into());
        };
        let Some(host_id) = snapshot.host_id(&pod) else {
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
            from: replicas(self.set),
            to: replicas(self.set) - 1,
        };
        Next::Remove(self.rack.clone(), removal)
    }

    /// The empty StatefulSet of a rack that nobody wants any more.
    fn remove(&self, snapshot: &Snapshot) -> Next {
        let pods = snapshot
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

/// Whether a node was called for it, with or without success.
fn is_under_way(operation: &OperationStatus) -> bool {
    let called = operation
        .nodes
        .iter()
        .any(|node| matches!(node.phase, NodePhase::Running | NodePhase::Failed));
    called && operation.phase != OperationPhase::Pending
}

/// A member of the ring that is none of the other pods: it could be this one, unless it is of another rack.
fn unexplained(snapshot: &Snapshot, pod: &str, rack: &RackId) -> Option<String> {
    if snapshot.members().next().is_none() {
        return Some(format!(
            "a node that answers, to ask it whether {pod} ever joined"
        ));
    }
    let ip = snapshot.pods.get(pod).and_then(|pod| pod.ip.as_ref());
    let own = ip.and_then(|ip| {
        let mut members = snapshot.members();
        members.find_map(|(_, reading)| reading.host_ids.get(ip))
    });
    let strangers = snapshot.strangers();
    let could_be = |stranger: &&Stranger<'_>| stranger.place.is_none_or(|place| place == rack);
    let stranger = || strangers.iter().find(could_be);
    let host_id = own.map_or_else(|| Some(stranger()?.host_id), |own| Some(own))?;
    Some(format!(
        "{pod} to say who it is: it may be the member with host id {host_id}, which answers under no pod of this cluster; bring it back or, if that member is dead, remove it (--host-id)"
    ))
}
