//! The manifests in the store. A backup exists if its cluster manifest is there and no tombstone says that it was ended.

use bytes::Bytes;
use casskop_backup_protocol::{
    ClusterManifest, Digest, MAX_CLUSTER_MANIFEST, MAX_NODE_MANIFEST, Name, NodeManifest,
};
use jiff::Timestamp;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::bucket::{Bucket, time_of};
use crate::error::{Failure, Result};
use crate::files::digest_of;

/// The cluster manifest of a backup, if the backup exists.
pub(crate) async fn read_cluster_manifest(
    bucket: &Bucket,
    backup: &Name,
) -> Result<Option<ClusterManifest>> {
    let path = bucket.backup(backup);
    let Some(content) = bucket.read(&path, MAX_CLUSTER_MANIFEST).await? else {
        return Ok(None);
    };
    // Also a request that arrives days late does not bring a backup back whose objects are gone.
    if bucket.is_gone(backup).await? {
        return Ok(None);
    }
    let (what, next) = (
        format!("read {path}"),
        "use another backup; delete this one if it cannot be repaired",
    );
    let manifest =
        ClusterManifest::parse(&content).map_err(|error| Failure::damaged(&what, error, next))?;
    if manifest.cluster != bucket.cluster || manifest.backup != *backup {
        let why = format!(
            "it is of backup {} of cluster {} ({})",
            manifest.backup, manifest.cluster.name, manifest.cluster.uid
        );
        return Err(Failure::damaged(&what, why, next));
    }
    Ok(Some(manifest))
}

/// The manifest of a node in the store. The digest of its content is its name: no later job of the node replaces it.
#[derive(Clone, Debug)]
pub(crate) struct NodeFile {
    pub(crate) backup: Name,
    pub(crate) host: Name,
    pub(crate) digest: Digest,
    pub(crate) written: Timestamp,
    pub(crate) path: Path,
}

impl NodeFile {
    pub(crate) fn of(meta: ObjectMeta) -> Option<Self> {
        let mut segments = meta.location.as_ref().rsplit('/');
        let digest = segments.next()?.strip_suffix(".json")?.parse().ok()?;
        let host = segments.next()?.parse().ok()?;
        let backup = segments.next()?.parse().ok()?;
        Some(Self {
            backup,
            host,
            digest,
            written: time_of(&meta),
            path: meta.location,
        })
    }
}

/// The manifests of the nodes of a backup, the newest last.
pub(crate) async fn node_files(bucket: &Bucket, backup: &Name) -> Result<Vec<NodeFile>> {
    let listed = bucket.listed(&format!("nodes/{backup}")).await?;
    let mut files: Vec<_> = listed.into_iter().filter_map(NodeFile::of).collect();
    files.sort_by_key(|file| (file.written, file.digest));
    Ok(files)
}

/// A node's manifest, which has to have its digest and to be about this cluster, backup and node.
pub(crate) async fn read_node(
    bucket: &Bucket,
    backup: &Name,
    host: &Name,
    digest: &Digest,
) -> Result<Option<NodeManifest>> {
    let path = bucket.node(backup, host, digest);
    let Some(content) = bucket.read(&path, MAX_NODE_MANIFEST).await? else {
        return Ok(None);
    };
    let what = || format!("read {path}");
    let next = "delete the backup, or restore another one";
    let found = digest_of(&content);
    if found != *digest {
        return Err(Failure::damaged(
            what(),
            format!("its content has the digest {found}"),
            next,
        ));
    }
    let manifest =
        NodeManifest::parse(&content).map_err(|error| Failure::damaged(what(), error, next))?;
    if manifest.cluster != bucket.cluster
        || manifest.backup != *backup
        || manifest.node.host_id != *host
    {
        let why = format!(
            "it is of backup {} of cluster {}, node {}",
            manifest.backup, manifest.cluster.name, manifest.node.host_id
        );
        return Err(Failure::damaged(what(), why, next));
    }
    Ok(Some(manifest))
}

pub(crate) fn totals(manifest: &NodeManifest) -> (u64, u64) {
    manifest.files().fold((0, 0), |(files, bytes), file| {
        (files + 1, bytes + file.size)
    })
}

/// A manifest as it is written: not one that could not be read again.
pub(crate) fn json(manifest: &impl serde::Serialize, limit: u64) -> Result<Bytes> {
    let what = "write the manifest";
    let content =
        serde_json::to_vec(manifest).map_err(|error| Failure::failed(what, error, "report it"))?;
    if content.len() as u64 > limit {
        let why = format!("it has {} bytes, and {limit} are the most", content.len());
        return Err(Failure::failed(
            what,
            why,
            "back up fewer keyspaces at once, or compact tables with very many files",
        ));
    }
    Ok(content.into())
}
