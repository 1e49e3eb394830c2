//! How the pods of a ring were started with encryption between the nodes, and the mode that is next. Nodes of neighbouring
//! modes understand each other, so that a ring changes by one mode at a time, and no pod is started in another one before
//! all pods are there in the present one.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::{
    api::InternodeMode,
    names::{self, RackId},
};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube_core::ResourceExt;

use crate::observed::{NodePod, OwnedObjects, rack_of, replicas};

/// How the pods of a ring were started, and would be started anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// The modes of all pods and templates.
    pub modes: BTreeSet<InternodeMode>,
    /// The Secrets with certificates between nodes that they mount.
    pub secrets: BTreeSet<String>,
    /// Whether every pod is there and Ready.
    pub is_complete: bool,
}

impl Started {
    /// Reads it from the objects of a cluster.
    pub fn of(cluster: &str, live: &OwnedObjects, pods: &BTreeMap<String, NodePod>) -> Self {
        let sets = &live.stateful_sets;
        let templates: Vec<NodePod> = sets.values().filter_map(NodePod::of_template).collect();
        let all = || pods.values().chain(&templates);
        let expected = sets.values().flat_map(|set| expected(cluster, set));
        let mut expected = expected.map(|pod| pods.get(&pod));
        Self {
            modes: all().map(|pod| pod.encryption.internode).collect(),
            secrets: all()
                .filter_map(|pod| pod.secrets.internode.clone())
                .collect(),
            is_complete: expected.all(|pod| pod.is_some_and(|pod| pod.ready && !pod.deleting)),
        }
    }

    /// The mode that pods are started in now, on the way to `target`, with this Secret. A ring without pods starts at the
    /// target. A change that was withdrawn turns round where it is.
    pub fn next(&self, target: InternodeMode, secret: &str) -> InternodeMode {
        let is_of = |mounted: &String| mounted == secret;
        match (self.modes.first(), self.modes.last()) {
            (Some(first), Some(last)) if first != last => target.clamp(*first, *last),
            (Some(mode), _) if self.is_complete && self.secrets.iter().all(is_of) => {
                mode.towards(target)
            }
            (Some(mode), _) => *mode,
            (None, _) => target,
        }
    }

    /// Whether a node may open encrypted connections.
    pub fn sends_encrypted(&self) -> bool {
        self.modes.iter().any(|mode| mode.sends_encrypted())
    }
}

/// Pods that a StatefulSet should have.
fn expected(cluster: &str, set: &StatefulSet) -> Vec<String> {
    let rack = rack_of(set).unwrap_or_else(|| RackId::new("", set.name_any()));
    let ordinals = 0..replicas(set);
    ordinals
        .map(|ordinal| names::pod(cluster, &rack, ordinal))
        .collect()
}
