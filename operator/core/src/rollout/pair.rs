//! A rack that is wanted, beside the one that is there.

use std::cell::OnceCell;

use casskop_common::{conditions::Action, names, quantity};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube_core::ResourceExt;

use crate::{
    desired::{Desired, DesiredRack, seeds},
    node::NodeError,
    objects::{Growth, config_map, pod, stateful_set},
    observed::{Snapshot, Volume, replicas},
    operations::preconditions,
    rollout::refuse::{Claim, claims},
};

/// A rack that is wanted beside the one that is there.
pub(crate) struct Pair<'a> {
    /// The rack that is wanted.
    pub(crate) wanted: &'a DesiredRack,
    /// Its StatefulSet, if there is one.
    pub(crate) live: Option<&'a StatefulSet>,
    /// What it takes to build the wanted StatefulSet to know, asked often in one look.
    known: Known,
}

/// What was found out about a pair.
#[derive(Default)]
struct Known {
    is_made_anew: OnceCell<bool>,
    is_made_from_wanted: OnceCell<bool>,
}

impl<'a> Pair<'a> {
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

    /// Whether the pods of the rack are made from something else than what is wanted now.
    pub(crate) fn differs(&self, desired: &Desired) -> bool {
        self.live.is_some_and(|live| {
            !self.is_made_from_wanted(desired)
                || partition(live) != self.wanted.partition
                || self.is_made_anew(desired)
        })
    }

    /// Whether the StatefulSet differs in what Kubernetes never changes of one: it was made by the Go `CassKop`, or its
    /// volumes are to grow. It is then made anew around its running pods.
    pub(crate) fn is_made_anew(&self, desired: &Desired) -> bool {
        let Some(live) = self.live else { return false };
        *self.known.is_made_anew.get_or_init(|| {
            let wanted = stateful_set::build(desired, self.wanted, self.live_replicas());
            let fixed = |set: &StatefulSet| {
                let spec = set.spec.as_ref()?;
                Some((
                    spec.selector.clone(),
                    spec.service_name.clone(),
                    spec.pod_management_policy.clone(),
                ))
            };
            fixed(&wanted) != fixed(live) || claims(&wanted) != claims(live)
        })
    }

    /// Volumes of the rack that are smaller than wanted, with the size they should have: those that were not asked to
    /// grow yet, or all that have not grown yet.
    pub(crate) fn small_volumes(
        &self,
        desired: &Desired,
        snapshot: &Snapshot,
        asked: bool,
    ) -> Vec<Growth> {
        let claims = claims(&stateful_set::build(desired, self.wanted, 0));
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
                let volume = snapshot.live.volumes.get(&name)?;
                (!volume.deleting && small(volume, &claim.size)).then(|| Growth {
                    uid: volume.uid.clone(),
                    size: claim.size.clone(),
                    name,
                })
            };
            claims.iter().filter_map(volume).collect::<Vec<_>>()
        };
        self.pods(snapshot).flat_map(of_pod).collect()
    }

    /// Whether the rack is made from what is wanted, but not all of its pods may be yet: each shows whether the next one
    /// should.
    pub(crate) fn is_on_trial(&self, desired: &Desired) -> bool {
        let held = self
            .live
            .is_some_and(|live| partition(live) > self.wanted.partition);
        held && self.is_made_from_wanted(desired)
    }

    /// Whether the pod that should try a change is gone: it was one too many, or a newcomer that was taken back.
    pub(crate) fn has_lost_trial(&self, desired: &Desired) -> bool {
        self.is_on_trial(desired)
            && self
                .live
                .is_some_and(|live| partition(live) >= self.live_replicas())
    }

    /// Whether the rack has the inputs that are wanted now.
    pub(crate) fn is_made_from_wanted(&self, desired: &Desired) -> bool {
        let Some(live) = self.live else { return false };
        *self.known.is_made_from_wanted.get_or_init(|| {
            let wanted = stateful_set::inputs_digest(desired, self.wanted);
            live.annotations().get(names::INPUTS_DIGEST) == Some(&wanted)
        })
    }

    /// Whether the newest pod that a change was let to has taken it and is well, and everybody sees it. Kubernetes would go
    /// on as soon as the pod is Ready, and the others hold its node for down a moment longer.
    fn has_passed_trial(&self, snapshot: &Snapshot) -> bool {
        let Some((live, status)) = self
            .live
            .and_then(|live| Some((live, live.status.as_ref()?)))
        else {
            return false;
        };
        // Until Kubernetes has seen what was written, the newest revision is that of before.
        if status.observed_generation < live.metadata.generation {
            return false;
        }
        let ordinal = partition(live);
        let tried = names::pod(snapshot.name(), &self.wanted.id, ordinal);
        let taken = snapshot
            .pods
            .get(&tried)
            .is_some_and(|pod| Some(&pod.revision) == status.update_revision.as_ref());
        // Whom it misses may be just who waits for the change.
        let sick = self.lowest_sick(snapshot);
        let who_waits_is_sick = sick.is_some_and(|sick| sick < ordinal);
        taken
            && snapshot.own_trouble(&tried).is_none()
            && snapshot.is_seen(&tried)
            && (who_waits_is_sick || snapshot.trouble(&tried).is_none())
    }

    /// The first of the rack's pods that is in trouble itself.
    fn lowest_sick(&self, snapshot: &Snapshot) -> Option<i32> {
        let sick = |pod: &String| snapshot.own_trouble(pod).is_some();
        let pod = self.pods(snapshot).find(sick)?;
        names::ordinal(&pod)
    }

    /// Pods below this ordinal keep their revision for now: a change goes to one node after the other, the last one first,
    /// unless the rack has none to lose. One that is in trouble may need just this change, and does not wait for its turn.
    pub(crate) fn next_partition(&self, desired: &Desired, snapshot: &Snapshot) -> i32 {
        let next = match self.live {
            _ if self.is_all_down(snapshot) => 0,
            Some(live) if self.is_on_trial(desired) && !self.has_lost_trial(desired) => {
                partition(live) - 1
            }
            _ => self.live_replicas() - 1,
        };
        let next = self
            .lowest_sick(snapshot)
            .map_or(next, |sick| sick.min(next));
        self.wanted.partition.max(next)
    }

    pub(crate) fn pods<'s>(
        &self,
        snapshot: &'s Snapshot,
    ) -> impl Iterator<Item = String> + use<'s> {
        let rack = self.wanted.id.clone();
        let replicas = self.live_replicas();
        (0..replicas).map(move |ordinal| names::pod(snapshot.name(), &rack, ordinal))
    }

    /// Nodes the rack has, or has had.
    pub(crate) fn known_nodes(&self, snapshot: &Snapshot) -> i32 {
        self.live_replicas()
            .max(snapshot.known_nodes(&self.wanted.id))
    }

    /// Whether Kubernetes has replaced every pod. A rack that is held at a partition has not: the racks after it
    /// wait.
    pub(crate) fn is_rolled(&self) -> bool {
        let Some(set) = self.live else { return true };
        let Some(status) = &set.status else {
            return false;
        };
        status.observed_generation >= set.metadata.generation
            && status.current_revision.is_some()
            && status.current_revision == status.update_revision
    }

    /// Whether a pod is still to be replaced.
    pub(crate) fn is_rolling(&self, snapshot: &Snapshot) -> bool {
        !self.is_rolled() || self.has_outdated(snapshot)
    }

    /// Whether the rack is rolled out and each of its nodes is well. That others miss a node is the trouble of that
    /// node's rack, not of theirs.
    pub(crate) fn is_finished(&self, snapshot: &Snapshot) -> bool {
        !self.is_rolling(snapshot)
            && self
                .pods(snapshot)
                .all(|pod| snapshot.own_trouble(&pod).is_none())
    }

    /// Whether a pod is made from an older template. A StatefulSet that was just made around pods says of itself that
    /// it is rolled out.
    fn has_outdated(&self, snapshot: &Snapshot) -> bool {
        let status = self.live.and_then(|live| live.status.as_ref());
        let Some(newest) = status.and_then(|status| status.update_revision.as_deref()) else {
            return false;
        };
        let kept = self.live.map_or(0, partition);
        self.pods(snapshot)
            .filter(|pod| names::ordinal(pod).unwrap_or(0) >= kept)
            .filter_map(|pod| snapshot.pods.get(&pod))
            .any(|pod| pod.revision != newest)
    }

    /// Whether a change of this rack, which is in trouble, takes no node down that is well: the rack is in the middle
    /// of a change, or has no node that is well, or the one that is not is the first to get it.
    pub(crate) fn may_be_corrected(&self, desired: &Desired, snapshot: &Snapshot) -> bool {
        if self.is_on_trial(desired) && !self.has_lost_trial(desired) {
            return self.has_passed_trial(snapshot);
        }
        !self.is_rolled()
            || self.is_silent(snapshot)
            || self.only_last_is_broken(snapshot)
            || (self.has_broken(snapshot) && self.is_dispensable(snapshot))
    }

    /// Whether a pod of the rack cannot run.
    fn has_broken(&self, snapshot: &Snapshot) -> bool {
        let problem = |pod: String| {
            snapshot
                .pods
                .get(&pod)
                .is_some_and(|pod| pod.problem.is_some())
        };
        self.pods(snapshot).any(problem)
    }

    /// Whether every keyspace keeps its quorum without the whole rack: Kubernetes comes to a pod that is not the last one
    /// only after those above it.
    fn is_dispensable(&self, snapshot: &Snapshot) -> bool {
        let pods: Vec<String> = self.pods(snapshot).collect();
        preconditions::keep_quorum_without(&pods, snapshot)
    }

    /// Whether the last pod cannot run, and no other one is in trouble. One that only takes its time is waited for.
    fn only_last_is_broken(&self, snapshot: &Snapshot) -> bool {
        let last = self.live_replicas() - 1;
        let pod = names::pod(snapshot.name(), &self.wanted.id, last);
        let pod = snapshot.pods.get(&pod);
        pod.is_some_and(|pod| pod.problem.is_some()) && self.lowest_sick(snapshot) == Some(last)
    }

    /// Whether no node of the rack says that it is a member that serves clients, or Kubernetes sends them to none of those.
    fn is_silent(&self, snapshot: &Snapshot) -> bool {
        !self.has_serving(snapshot, |_| false)
            || !self.pods(snapshot).any(|pod| is_ready(&pod, snapshot))
    }

    /// Whether no node of the rack serves clients: where it is only we who get no answer, the kubelet, which asks it on its
    /// own machine, knows better.
    pub(crate) fn is_all_down(&self, snapshot: &Snapshot) -> bool {
        !self.has_serving(snapshot, |pod| is_ready(pod, snapshot))
    }

    /// Whether a node of the rack serves clients; one that refuses our password may. Of one that is not heard the other
    /// tells.
    fn has_serving(&self, snapshot: &Snapshot, unheard: impl Fn(&str) -> bool) -> bool {
        let serves = |pod: String| match snapshot.nodes.get(&pod) {
            Some(Ok(reading)) => reading.is_normal(),
            Some(Err(NodeError::Unauthorized)) => true,
            Some(Err(_)) | None => unheard(&pod),
        };
        self.pods(snapshot).any(serves)
    }

    pub(crate) fn has_newcomer(&self, snapshot: &Snapshot) -> bool {
        self.pods(snapshot).any(|pod| snapshot.is_newcomer(&pod))
    }

    /// What a change of the rack is, in CassKop's words.
    pub(crate) fn action(&self, desired: &Desired, snapshot: &Snapshot) -> Action {
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
            let maps = &snapshot.live.config_maps;
            let map = maps.get(&names::stateful_set(&desired.name, &self.wanted.id));
            map.and_then(config_map::seeds)
        };
        // In the order in which the Go CassKop looks for changes.
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

fn is_ready(pod: &str, snapshot: &Snapshot) -> bool {
    snapshot.pods.get(pod).is_some_and(|pod| pod.ready)
}

/// Ordinals below it keep their revision.
pub fn partition(set: &StatefulSet) -> i32 {
    let strategy = set
        .spec
        .as_ref()
        .and_then(|spec| spec.update_strategy.as_ref()?.rolling_update.as_ref());
    strategy.and_then(|rolling| rolling.partition).unwrap_or(0)
}
