//! Writing annotations: one GET and one PATCH that nobody else's write can get in between.

use casskop_common::api::CassandraCluster;
use serde_json::json;

use crate::{
    clusters::{Clusters, Patched},
    error::{CliError, Result},
    manifest::Annotations,
};

/// How often a write that collides with those of others is begun anew.
const ATTEMPTS: usize = 5;

/// Writes what `decide` makes of the cluster; nothing if that is nothing. Gives the cluster as it is then.
///
/// # Errors
/// What `decide` has to say; when the cluster cannot be read or written, or changes all the time.
pub async fn write(
    clusters: &Clusters,
    name: &str,
    mut decide: impl FnMut(&CassandraCluster) -> Result<Annotations>,
) -> Result<Box<CassandraCluster>> {
    for attempt in 0..ATTEMPTS {
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
        tokio::time::sleep(std::time::Duration::from_millis(50 << attempt)).await;
    }
    Err(CliError::failed(format!("cassandracluster {name} changes faster than a request can be written; nothing was requested"))
        .hint("run the command again; if it stays so, something writes the object all the time"))
}

/// Refuses a cluster that is on its way out.
///
/// # Errors
/// That it is.
pub fn refuse_deleted(cluster: &CassandraCluster) -> Result<()> {
    if cluster.metadata.deletion_timestamp.is_none() {
        return Ok(());
    }
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    Err(CliError::failed(format!(
        "cassandracluster {name} is being deleted; nothing was requested"
    )))
}
