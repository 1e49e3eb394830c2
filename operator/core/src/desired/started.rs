//! How the pods of a ring were started with encryption between the nodes, and the mode that is next. Nodes of neighbouring
//! modes understand each other, so that a ring changes by one mode at a time, and no pod is started in another one before
//! all pods are there in the present one.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::{
    api::InternodeMode,
    names::{self, RackId},
};
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::ConfigMap};
use kube_core::ResourceExt;

use crate::{
    observed::{NodePod, OwnedObjects, rack_of, replicas},
    pod_config::{INTERNODE_SECTION, RackConfig},
};

/// How the pods of a ring were started, and would be started anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// The modes of all pods and templates.
    pub modes: BTreeSet<InternodeMode>,
    /// The modes of the pods that are Ready.
    pub ready: BTreeSet<InternodeMode>,
    /// The Secrets with certificates between nodes that they mount.
    pub secrets: BTreeSet<String>,
    /// Whether every pod is there and Ready.
    pub is_complete: bool,
    /// Whether nodes encrypt by a section of the user in `cassandra.yaml`, which no mode understands.
    pub encrypts_by_config: bool,
}

impl Started {
    /// Reads it from the objects of a cluster.
    pub fn of(cluster: &str, live: &OwnedObjects, pods: &BTreeMap<String, NodePod>) -> Self {
        let sets = &live.stateful_sets;
        let templates: Vec<NodePod> = sets.values().filter_map(NodePod::of_template).collect();
        // A pod without a rack is no node, and one that ends without a StatefulSet is of a ring that was deleted.
        let is_node = |pod: &&NodePod| pod.rack.is_some() && !(sets.is_empty() && pod.deleting);
        let nodes = || pods.values().filter(is_node);
        let all = || nodes().chain(&templates);
        let expected = sets.values().flat_map(|set| expected(cluster, set));
        let mut expected = expected.map(|pod| pods.get(&pod));
        let ready = nodes().filter(|pod| pod.ready && !pod.deleting);
        Self {
            modes: all().map(|pod| pod.encryption.internode).collect(),
            ready: ready.map(|pod| pod.encryption.internode).collect(),
            encrypts_by_config: live.config_maps.values().any(encrypts_by_config),
            secrets: all()
                .filter_map(|pod| pod.secrets.internode.clone())
                .collect(),
            is_complete: !sets.is_empty()
                && expected.all(|pod| pod.is_some_and(|pod| pod.ready && !pod.deleting)),
        }
    }

    /// The mode that pods are started in now, on the way to `target`, with this Secret. A ring without pods starts at the
    /// target. A change that was withdrawn turns round where it is.
    pub fn next(&self, target: InternodeMode, secret: &str) -> InternodeMode {
        let is_of = |mounted: &String| mounted == secret;
        match (self.modes.first(), self.modes.last()) {
            (Some(first), Some(last)) if first != last => self.between(*first, *last, target),
            (Some(mode), _) if self.is_complete && self.secrets.iter().all(is_of) => {
                mode.towards(target)
            }
            (Some(mode), _) => *mode,
            (None, _) => target,
        }
    }

    /// The mode of two that pods are started in on the way to `target`. From one of a pod that an earlier version of the
    /// operator has written, no step may lead to those of the nodes that serve: they decide.
    fn between(
        &self,
        first: InternodeMode,
        last: InternodeMode,
        target: InternodeMode,
    ) -> InternodeMode {
        let serving = self.ready.first().zip(self.ready.last());
        match serving {
            Some((low, high)) if first.towards(last) != last => target.clamp(*low, *high),
            _ => target.clamp(first, last),
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

fn encrypts_by_config(map: &ConfigMap) -> bool {
    let config = RackConfig::of(map).map(|rack| rack.config);
    let yaml = config.and_then(|config| config.get("cassandra-yaml").cloned());
    let section = yaml.as_ref().and_then(|yaml| yaml.get(INTERNODE_SECTION));
    section
        .and_then(|section| section.get("internode_encryption"))
        .is_some_and(|encryption| encryption != "none")
}

#[cfg(test)]
mod tests {
    use InternodeMode::{Disabled, Optional, Preferred, Required};

    use super::*;

    #[test]
    fn the_nodes_that_serve_decide_where_no_step_leads() {
        let started = Started {
            modes: [Disabled, Preferred, Required].into(),
            ready: [Preferred, Required].into(),
            ..Started::default()
        };
        assert_eq!(started.next(Disabled, ""), Preferred);
        assert_eq!(started.next(Required, ""), Required);
        let neighbours = Started {
            modes: [Optional, Preferred].into(),
            ready: [Optional].into(),
            ..Started::default()
        };
        assert_eq!(neighbours.next(Required, ""), Preferred);
        assert_eq!(neighbours.next(Disabled, ""), Optional);
    }

    #[test]
    fn a_pod_without_a_rack_and_one_of_a_deleted_ring_are_no_nodes() {
        let nothing = OwnedObjects::default();
        let of = |pod: NodePod| Started::of("demo", &nothing, &[("pod".to_owned(), pod)].into());
        let helper = NodePod {
            ready: true,
            ..NodePod::default()
        };
        assert_eq!(of(helper.clone()), Started::default());
        let node = NodePod {
            rack: Some(RackId::new("dc1", "rack1")),
            ..helper
        };
        let ending = NodePod {
            deleting: true,
            ..node.clone()
        };
        assert_eq!(of(ending), Started::default());
        // One whose StatefulSet was deleted by hand serves on, and no step begins.
        let orphan = of(node);
        assert_eq!(orphan.next(Required, ""), Disabled);
    }
}
