//! Writes annotations: one GET and one PATCH guarded by the resource version.

use std::time::Duration;

use casskop_common::api::CassandraCluster;
use serde_json::json;

use super::{
    backoff::Backoff,
    clusters::{Clusters, Patched},
};
use crate::{
    error::{CliError, Result},
    model::manifest::Annotations,
};

/// Attempts of a write that conflicts with the writes of others.
const ATTEMPTS: usize = 5;
/// Pauses between them.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

/// Writes the annotations that `decide` returns for the cluster, and none if they are empty. Returns the new cluster.
///
/// # Errors
/// Those of `decide`; when the cluster cannot be read or written, or every attempt conflicts.
pub async fn write(
    clusters: &Clusters,
    name: &str,
    mut decide: impl FnMut(&CassandraCluster) -> Result<Annotations>,
) -> Result<Box<CassandraCluster>> {
    for pause in PAUSES.take(ATTEMPTS) {
        let cluster = clusters.get(name).await?;
        let annotations = decide(&cluster)?;
        if annotations.is_empty() {
            return Ok(Box::new(cluster));
        }
        let patch = json!({ "metadata": {
            "resourceVersion": cluster.metadata.resource_version,
            "annotations": annotations,
        }});
        if let Patched::Written(cluster) = clusters.patch(name, &patch).await? {
            return Ok(cluster);
        }
        tokio::time::sleep(pause).await;
    }
    Err(CliError::failed(format!("cassandracluster {name} changes faster than a request can be written; nothing was requested"))
        .hint("run the command again; if the error persists, another client writes the object continuously"))
}
