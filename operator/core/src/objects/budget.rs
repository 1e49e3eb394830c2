//! `PodDisruptionBudget`: the number of nodes that drains of Kubernetes nodes may take down at the same time.

use casskop_common::names;
use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use crate::{desired::Desired, objects::cluster_metadata};

/// The disruption budget of the cluster.
pub fn build(desired: &Desired) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: cluster_metadata(desired),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(
                desired.spec.max_pod_unavailable.unwrap_or(1),
            )),
            selector: Some(LabelSelector {
                match_labels: Some(names::cluster_labels(&desired.name)),
                ..LabelSelector::default()
            }),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}
