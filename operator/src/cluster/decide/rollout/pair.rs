//! A rack that is wanted, beside the one that is there.

use casskop_common::names;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::ResourceExt;

use crate::{
    cluster::{
        build,
        desired::{Desired, DesiredRack},
        snapshot::{Snapshot, replicas},
    },
    nodes::Reading,
};

/// A rack that is wanted beside the one that is there.
pub(super) struct Pair<'a> {
    /// The rack that is wanted.
    pub(super) wanted: &'a DesiredRack,
    /// Its StatefulSet, if there is one.
    pub(super) live: Option<&'a StatefulSet>,
}

impl Pair<'_> {
    pub(super) fn live_replicas(&self) -> i32 {
        self.live.map_or(0, replicas)
    }

    /// Whether the pods of the rack are made from something else than what is wanted now.
    pub(super) fn differs(&self, desired: &Desired) -> bool {
        self.live.is_some_and(|live| {
            live.annotations().get(names::INPUTS_DIGEST)
                != Some(&build::stateful_set::inputs_digest(desired, self.wanted))
                || partition(live) != self.wanted.partition
        })
    }

    pub(super) fn pods<'s>(
        &self,
        snapshot: &'s Snapshot,
    ) -> impl Iterator<Item = String> + use<'s> {
        let rack = self.wanted.id.clone();
        let replicas = self.live_replicas();
        (0..replicas).map(move |ordinal| names::pod(snapshot.name(), &rack, ordinal))
    }

    /// Nodes the rack has, or has had.
    pub(super) fn known_nodes(&self, snapshot: &Snapshot) -> i32 {
        self.live_replicas()
            .max(snapshot.known_nodes(&self.wanted.id))
    }

    /// Whether Kubernetes has replaced every pod. A rack that is held at a partition has not: the racks after it
    /// wait.
    pub(super) fn is_rolled(&self) -> bool {
        let Some(set) = self.live else { return true };
        let Some(status) = &set.status else {
            return false;
        };
        status.observed_generation >= set.metadata.generation
            && status.current_revision.is_some()
            && status.current_revision == status.update_revision
    }

    /// Whether the rack is rolled out and each of its nodes is well. That others miss a node is the trouble of that
    /// node's rack, not of theirs.
    pub(super) fn is_finished(&self, snapshot: &Snapshot) -> bool {
        self.is_rolled()
            && self
                .pods(snapshot)
                .all(|pod| snapshot.own_trouble(&pod).is_none())
    }

    /// Whether a change of this rack, which is in trouble, takes no node down that is well: the rack is in the middle
    /// of a change, or has no node that is well.
    pub(super) fn may_be_corrected(&self, snapshot: &Snapshot) -> bool {
        !self.is_rolled() || self.is_all_down(snapshot)
    }

    /// Whether no node of the rack is a member that serves clients.
    pub(super) fn is_all_down(&self, snapshot: &Snapshot) -> bool {
        self.pods(snapshot)
            .all(|pod| !snapshot.reading(&pod).is_some_and(Reading::is_normal))
    }

    pub(super) fn has_newcomer(&self, snapshot: &Snapshot) -> bool {
        self.pods(snapshot).any(|pod| snapshot.is_newcomer(&pod))
    }

    /// What a change of the rack is, in CassKop's words.
    pub(super) fn action(&self, desired: &Desired) -> &'static str {
        let template = self
            .live
            .and_then(|live| live.spec.as_ref()?.template.spec.as_ref());
        let cassandra = template.and_then(|pod| {
            pod.containers
                .iter()
                .find(|container| container.name == names::CASSANDRA_CONTAINER)
        });
        match cassandra {
            Some(container) if container.image.as_ref() != Some(&desired.image) => {
                "UpdateDockerImage"
            }
            Some(container) if container.resources != self.wanted.resources => "UpdateResources",
            _ => "UpdateStatefulSet",
        }
    }
}

fn partition(set: &StatefulSet) -> i32 {
    let strategy = set
        .spec
        .as_ref()
        .and_then(|spec| spec.update_strategy.as_ref()?.rolling_update.as_ref());
    strategy.and_then(|rolling| rolling.partition).unwrap_or(0)
}
