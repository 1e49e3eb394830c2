//! The difference between the desired and the live state of a rack.

use std::cell::OnceCell;

use casskop_common::{conditions::Action, names, quantity};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube_core::ResourceExt;

use crate::{
    desired::{Desired, DesiredRack, seeds},
    node::NodeError,
    objects::{VolumeExpansion, config_map, pod, stateful_set},
    observed::{ObservedState, Volume, replicas},
    operations::preconditions,
    rollout::{
        refuse::{Claim, claims},
        revisions::{self, partition},
    },
};

/// A desired rack and its live StatefulSet.
pub(crate) struct RackDiff<'a> {
    /// The desired rack.
    pub(crate) wanted: &'a DesiredRack,
    /// The live StatefulSet, if there is one.
    pub(crate) live: Option<&'a StatefulSet>,
    /// Cached results: a comparison builds the desired StatefulSet, and is done several times per reconciliation.
    known: Known,
}

/// Cached comparisons of the desired and the live StatefulSet.
#[derive(Default)]
struct Known {
    /// The desired StatefulSet, with the live replicas.
    wanted: OnceCell<StatefulSet>,
    is_made_from_wanted: OnceCell<bool>,
}

impl<'a> RackDiff<'a> {
    pub(crate) fn of(wanted: &'a DesiredRack, live: Option<&'a StatefulSet>) -> Self {
        Self {
            wanted,
            live,
            known: Known::default(),
        }
    }

    pub(crate) fn live_replicas(&self) -> i32 {
        self.live.map_or(0, replicas)
    }

    /// Whether the StatefulSet of the rack differs from the desired one.
    pub(crate) fn differs(&self, desired: &Desired) -> bool {
        self.live.is_some_and(|live| {
            !self.is_made_from_wanted(desired)
                || partition(live) != self.wanted.partition
                || self.needs_recreation(desired)
        })
    }

    /// Whether a field of the StatefulSet differs that Kubernetes does not allow to change: the Go `CassKop` created
    /// it, or its volumes are to be expanded. The StatefulSet is then re-created without deleting its running pods.
    pub(crate) fn needs_recreation(&self, desired: &Desired) -> bool {
        let Some(live) = self.live else { return false };
        let wanted = self.wanted_set(desired);
        let fixed = |set: &StatefulSet| {
            let spec = set.spec.as_ref()?;
            Some((
                spec.selector.clone(),
                spec.service_name.clone(),
                spec.pod_management_policy.clone(),
            ))
        };
        fixed(wanted) != fixed(live) || claims(wanted) != claims(live)
    }

    fn wanted_set(&self, desired: &Desired) -> &StatefulSet {
        let build = || stateful_set::build(desired, self.wanted, self.live_replicas());
        self.known.wanted.get_or_init(build)
    }

    /// Volumes of the rack that are smaller than desired, with the desired size. With `asked`, volumes whose claim does
    /// not request that size yet; otherwise, volumes whose capacity is smaller.
    pub(crate) fn undersized_volumes(
        &self,
        desired: &Desired,
        state: &ObservedState,
        asked: bool,
    ) -> Vec<VolumeExpansion> {
        let claims = claims(self.wanted_set(desired));
        let small = |volume: &Volume, size: &str| {
            let has = match &volume.capacity {
                Some(capacity) if !asked => capacity,
                _ => &volume.requested,
            };
            quantity::parse(has) < quantity::parse(size)
        };
        let of_pod = |pod: String| {
            let volume = |claim: &Claim| {
                let name = format!("{}-{pod}", claim.name);
                let volume = state.live.volumes.get(&name)?;
                (!volume.deleting && small(volume, &claim.size)).then(|| VolumeExpansion {
                    uid: volume.uid.clone(),
                    version: volume.version.clone(),
                    size: claim.size.clone(),
                    name,
                })
            };
            claims.iter().filter_map(volume).collect::<Vec<_>>()
        };
        self.pods(state).flat_map(of_pod).collect()
    }

    /// Whether the desired template is written, but only the pods from a higher partition on may take it. Each of these
    /// pods is a canary for the next one.
    pub(crate) fn is_canary(&self, desired: &Desired) -> bool {
        let held = self
            .live
            .is_some_and(|live| partition(live) > self.wanted.partition);
        held && self.is_made_from_wanted(desired)
    }

    /// Whether the canary no longer exists: the pod was a surplus pod, or belonged to a node that never joined and was
    /// removed again.
    pub(crate) fn canary_is_gone(&self, desired: &Desired) -> bool {
        self.is_canary(desired)
            && self
                .live
                .is_some_and(|live| partition(live) >= self.live_replicas())
    }

    /// Whether the live StatefulSet has the desired inputs digest.
    pub(crate) fn is_made_from_wanted(&self, desired: &Desired) -> bool {
        let Some(live) = self.live else { return false };
        *self.known.is_made_from_wanted.get_or_init(|| {
            let wanted = stateful_set::inputs_digest(desired, self.wanted);
            live.annotations().get(names::INPUTS_DIGEST) == Some(&wanted)
        })
    }

    /// Whether the newest canary has the new revision and is healthy, and every member that answers reports its node as
    /// up. Kubernetes would continue as soon as the pod is Ready, while the other nodes still report the node as down
    /// for a moment.
    fn has_passed_trial(&self, state: &ObservedState) -> bool {
        let Some((live, status)) = self
            .live
            .and_then(|live| Some((live, live.status.as_ref()?)))
        else {
            return false;
        };
        // Until Kubernetes has observed the written generation, `updateRevision` is the previous revision.
        if status.observed_generation < live.metadata.generation {
            return false;
        }
        let ordinal = partition(live);
        let tried = names::pod(state.name(), &self.wanted.id, ordinal);
        let taken = state
            .pods
            .get(&tried)
            .is_some_and(|pod| Some(&pod.revision) == status.update_revision.as_ref());
        // The peers that this pod reports as down may be the nodes that still wait for this change.
        let sick = self.lowest_down(state);
        let who_waits_is_sick = sick.is_some_and(|sick| sick < ordinal);
        taken
            && state.own_health_problem(&tried).is_none()
            && state.is_seen(&tried)
            && (who_waits_is_sick || state.health_problem(&tried).is_none())
    }

    /// The lowest ordinal of the rack's pods that is itself unhealthy.
    fn lowest_sick(&self, state: &ObservedState) -> Option<i32> {
        let sick = |pod: &String| state.own_health_problem(pod).is_some();
        let pod = self.pods(state).find(sick)?;
        names::ordinal(&pod)
    }

    /// The lowest ordinal of the pods that are unhealthy not only to the operator. A pod that is Ready, and that the operator alone
    /// gets no answer from, may serve clients: the change takes it down in its turn.
    fn lowest_down(&self, state: &ObservedState) -> Option<i32> {
        let is_down = |pod: &String| {
            let is_unheard = state.reading(pod).is_none() && is_ready(pod, state);
            !is_unheard && state.own_health_problem(pod).is_some()
        };
        let pod = self.pods(state).find(is_down)?;
        names::ordinal(&pod)
    }

    /// The next partition: pods with a lower ordinal keep their revision. A change is rolled out to one node at a time,
    /// from the last ordinal down, unless all nodes of the rack are down. An unhealthy node gets the change
    /// immediately, because the change may be the correction.
    pub(crate) fn next_partition(&self, desired: &Desired, state: &ObservedState) -> i32 {
        let next = match self.live {
            _ if self.is_all_down(state) => 0,
            Some(live) if self.is_canary(desired) && !self.canary_is_gone(desired) => {
                partition(live) - 1
            }
            _ => self.live_replicas() - 1,
        };
        let next = self.lowest_down(state).map_or(next, |sick| sick.min(next));
        self.wanted.partition.max(next)
    }

    pub(crate) fn pods<'s>(
        &self,
        state: &'s ObservedState,
    ) -> impl Iterator<Item = String> + use<'s> {
        let rack = self.wanted.id.clone();
        let replicas = self.live_replicas();
        (0..replicas).map(move |ordinal| names::pod(state.name(), &rack, ordinal))
    }

    /// Number of nodes that the rack has, or has had.
    pub(crate) fn known_nodes(&self, state: &ObservedState) -> i32 {
        self.live_replicas().max(state.known_nodes(&self.wanted.id))
    }

    /// Whether Kubernetes has replaced every pod. A rack with a partition above 0 is not rolled out, and the racks
    /// after it wait.
    pub(crate) fn is_rolled(&self) -> bool {
        let Some(set) = self.live else { return true };
        let Some(status) = &set.status else {
            return false;
        };
        status.observed_generation >= set.metadata.generation
            && status.current_revision.is_some()
            && status.current_revision == status.update_revision
    }

    /// Whether some pods of the rack are still to be replaced.
    pub(crate) fn is_rolling(&self, state: &ObservedState) -> bool {
        let has_outdated = |live| revisions::has_outdated(&self.wanted.id, live, state);
        !self.is_rolled() || self.live.is_some_and(has_outdated)
    }

    /// Whether the rack is rolled out and each of its nodes is healthy. A node that is down in the view of others is a
    /// problem of the rack of that node, not of the racks of the others.
    pub(crate) fn is_finished(&self, state: &ObservedState) -> bool {
        !self.is_rolling(state)
            && self
                .pods(state)
                .all(|pod| state.own_health_problem(&pod).is_none())
    }

    /// Whether the rack waits halfway through its change, and only for the operator to go on with it.
    pub(crate) fn is_halfway(&self, desired: &Desired, state: &ObservedState) -> bool {
        let is_at_rest = |live| revisions::is_at_rest(&self.wanted.id, live, state);
        self.differs(desired) && self.live.is_some_and(is_at_rest)
    }

    /// Whether this unhealthy rack can be changed without taking down a healthy node: the rack is in the middle of a
    /// change, has no healthy node, or the unhealthy node is the first to get the change.
    pub(crate) fn may_be_corrected(&self, desired: &Desired, state: &ObservedState) -> bool {
        if self.is_canary(desired) && !self.canary_is_gone(desired) {
            return self.has_passed_trial(state);
        }
        !self.is_rolled()
            || self.is_silent(state)
            || self.only_last_is_broken(state)
            || (self.has_broken(state) && self.is_dispensable(state))
    }

    /// Whether a pod of the rack cannot run.
    fn has_broken(&self, state: &ObservedState) -> bool {
        self.pods(state).any(|pod| state.cannot_run(&pod))
    }

    /// Whether every keyspace keeps its quorum without the whole rack. Kubernetes replaces a pod that is not the last
    /// one only after the pods with higher ordinals.
    fn is_dispensable(&self, state: &ObservedState) -> bool {
        let pods: Vec<String> = self.pods(state).collect();
        preconditions::keep_quorum_without(&pods, state)
    }

    /// Whether the last pod cannot run and is the only unhealthy pod. A pod that is merely slow to start does not
    /// count.
    fn only_last_is_broken(&self, state: &ObservedState) -> bool {
        let last = self.live_replicas() - 1;
        let pod = names::pod(state.name(), &self.wanted.id, last);
        state.cannot_run(&pod) && self.lowest_sick(state) == Some(last)
    }

    /// Whether no node of the rack serves clients, or none of the pods is Ready. Pods that are Ready, and that only the operator
    /// cannot reach, are not silent: an operator that another version's pods do not answer would restart a ring that serves.
    fn is_silent(&self, state: &ObservedState) -> bool {
        self.is_all_down(state) || !self.pods(state).any(|pod| is_ready(&pod, state))
    }

    /// Whether no node of the rack serves clients. If only the operator gets no answer, the Ready condition decides,
    /// because the kubelet probes the node from the same machine.
    pub(crate) fn is_all_down(&self, state: &ObservedState) -> bool {
        !self.has_serving(state, |pod| is_ready(pod, state))
    }

    /// Whether a node of the rack serves clients. A node that rejects the operator's password or certificate, or that the
    /// operator has no secret for, may serve clients. For a node without an answer, `unheard` decides.
    fn has_serving(&self, state: &ObservedState, unheard: impl Fn(&str) -> bool) -> bool {
        let serves = |pod: String| match state.nodes.get(&pod) {
            Some(Ok(reading)) => reading.is_serving(),
            Some(Err(
                NodeError::Unauthorized | NodeError::Untrusted(_) | NodeError::NoSecret(_),
            )) => true,
            Some(Err(_)) | None => unheard(&pod),
        };
        self.pods(state).any(serves)
    }

    pub(crate) fn has_new_node(&self, state: &ObservedState) -> bool {
        self.pods(state).any(|pod| state.is_newcomer(&pod))
    }

    /// The action name that CassKop uses for the change of the rack.
    pub(crate) fn action(&self, desired: &Desired, state: &ObservedState) -> Action {
        let template = self
            .live
            .and_then(|live| live.spec.as_ref()?.template.spec.as_ref());
        if self
            .live
            .is_some_and(|live| !live.annotations().contains_key(names::INPUTS_DIGEST))
        {
            return Action::UpdateStatefulSet;
        }
        let cassandra = template.and_then(|pod| {
            pod.containers
                .iter()
                .find(|container| container.name == names::CASSANDRA_CONTAINER)
        });
        let mut volumes = template.iter().flat_map(|pod| pod.volumes.iter().flatten());
        let scripts = volumes.find(|volume| volume.name == pod::SCRIPTS);
        let scripts = scripts.and_then(|volume| Some(&volume.config_map.as_ref()?.name));
        let seeds = || {
            let maps = &state.live.config_maps;
            let map = maps.get(&names::stateful_set(&desired.name, &self.wanted.id));
            map.and_then(config_map::seeds)
        };
        // The order in which the Go CassKop compares the fields.
        match cassandra {
            Some(_) if scripts != desired.spec.config_map_name.as_ref() => Action::UpdateConfigMap,
            Some(container) if container.image.as_ref() != Some(&desired.image) => {
                Action::UpdateDockerImage
            }
            Some(container) if container.resources != self.wanted.resources => {
                Action::UpdateResources
            }
            Some(_)
                if desired.spec.auto_update_seed_list == Some(true)
                    && seeds().is_some_and(|before| before != seeds::seeds(desired, true)) =>
            {
                Action::UpdateSeedList
            }
            _ => Action::UpdateStatefulSet,
        }
    }
}

fn is_ready(pod: &str, state: &ObservedState) -> bool {
    state.pods.get(pod).is_some_and(|pod| pod.ready)
}
