//! The pods of the operator, by namespace.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::{
    clusters::Clusters,
    objects::{self, Pod},
    resource::PODS,
};
use crate::{error::Result, model::install::OPERATOR_SELECTOR};

/// All pods and those that are ready, by namespace: in the namespace of the clusters, or in `all`.
///
/// # Errors
/// When they cannot be listed.
pub async fn count(clusters: &Clusters, all: bool) -> Result<BTreeMap<String, (usize, usize)>> {
    let namespace = (!all).then_some(clusters.target.namespace.as_str());
    let pods = objects::list_in(clusters, &PODS, namespace, OPERATOR_SELECTOR).await?;
    let mut counts = BTreeMap::new();
    for pod in &pods.items {
        let in_namespace = pod
            .namespace()
            .unwrap_or_else(|| clusters.target.namespace.clone());
        let (all, ready) = counts.entry(in_namespace).or_insert((0, 0));
        *all += 1;
        *ready += usize::from(objects::part::<Pod>(pod).is_ready());
    }
    Ok(counts)
}
