//! Placement of the pods of a rack.

use casskop_common::names;
use k8s_openapi::{
    api::core::v1::{
        Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
        PodAffinityTerm, PodAntiAffinity, WeightedPodAffinityTerm,
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use crate::desired::{Desired, DesiredRack};

/// Required labels of the Kubernetes node, and anti-affinity to the other nodes of the ring.
pub(crate) fn affinity(desired: &Desired, rack: &DesiredRack) -> Affinity {
    Affinity {
        node_affinity: node_affinity(rack),
        pod_anti_affinity: Some(anti_affinity(desired)),
        ..Affinity::default()
    }
}

fn node_affinity(rack: &DesiredRack) -> Option<NodeAffinity> {
    if rack.labels.is_empty() {
        return None;
    }
    let requirements = rack
        .labels
        .iter()
        .map(|(key, value)| NodeSelectorRequirement {
            key: key.clone(),
            operator: "In".into(),
            values: Some(vec![value.clone()]),
        });
    Some(NodeAffinity {
        required_during_scheduling_ignored_during_execution: Some(NodeSelector {
            node_selector_terms: vec![NodeSelectorTerm {
                match_expressions: Some(requirements.collect()),
                ..NodeSelectorTerm::default()
            }],
        }),
        ..NodeAffinity::default()
    })
}

fn anti_affinity(desired: &Desired) -> PodAntiAffinity {
    let term = PodAffinityTerm {
        topology_key: "kubernetes.io/hostname".into(),
        label_selector: Some(LabelSelector {
            match_labels: Some(names::cluster_labels(&desired.name)),
            ..LabelSelector::default()
        }),
        ..PodAffinityTerm::default()
    };
    if desired.spec.hard_anti_affinity == Some(true) {
        PodAntiAffinity {
            required_during_scheduling_ignored_during_execution: Some(vec![term]),
            ..PodAntiAffinity::default()
        }
    } else {
        PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                WeightedPodAffinityTerm {
                    weight: 100,
                    pod_affinity_term: term,
                },
            ]),
            ..PodAntiAffinity::default()
        }
    }
}
