//! `list`, `show` and `delete`.

use casskop_backup_protocol::{BackupListing, ClusterManifest, Name, Outcome, Summary};
use object_store::path::Path;

use crate::bucket::{Bucket, Deletion, json_name};
use crate::complete::read_cluster_manifest;
use crate::error::{Failure, Result};

/// The backups that exist, the newest first. One whose manifest cannot be read is told as such.
///
/// # Errors
/// The store does not answer.
pub async fn list(bucket: &Bucket) -> Result<Summary> {
    let mut backups = Vec::new();
    for meta in bucket.listed("backups").await? {
        let Some(backup) = json_name(&meta.location) else {
            continue;
        };
        match read_cluster_manifest(bucket, &backup).await {
            Ok(Some(manifest)) => backups.push(listing(&manifest)),
            // Deleted meanwhile.
            Ok(None) => {}
            Err(failure) if failure.outcome == Outcome::Damaged => backups.push(BackupListing {
                backup,
                started_at: None,
                completed_at: None,
                nodes: 0,
                files: 0,
                bytes: 0,
                problem: Some(failure.to_string()),
            }),
            Err(failure) => return Err(failure),
        }
    }
    backups.sort_by(|left, right| {
        (right.started_at, &right.backup).cmp(&(left.started_at, &left.backup))
    });
    Ok(Summary {
        backups,
        ..Summary::default()
    })
}

fn listing(manifest: &ClusterManifest) -> BackupListing {
    BackupListing {
        backup: manifest.backup.clone(),
        started_at: Some(manifest.started_at),
        completed_at: Some(manifest.completed_at),
        nodes: manifest.nodes.len() as u64,
        files: manifest.files,
        bytes: manifest.bytes,
        problem: None,
    }
}

/// The cluster manifest of a backup.
///
/// # Errors
/// The backup does not exist, or its manifest cannot be used.
pub async fn show(bucket: &Bucket, backup: &Name) -> Result<ClusterManifest> {
    read_cluster_manifest(bucket, backup)
        .await?
        .ok_or_else(|| absent(bucket, backup))
}

pub(crate) fn absent(bucket: &Bucket, backup: &Name) -> Failure {
    let what = format!(
        "find backup {backup} of cluster {} ({})",
        bucket.cluster.name, bucket.cluster.uid
    );
    Failure::failed(
        what,
        "it does not exist, or is not complete",
        "choose one that `list` has, and check the store and the UID",
    )
}

/// Deletes a backup: its manifests. A purge deletes the objects that no other backup has.
///
/// # Errors
/// The backup does not exist, or is being made and `abandon` was not given.
pub async fn delete(bucket: &Bucket, backup: &Name, abandon: bool) -> Result<Summary> {
    let mut summary = Summary {
        backup: Some(backup.clone()),
        ..Summary::default()
    };
    let manifest = bucket.backup(backup);
    let exists = bucket.head(&manifest).await?.is_some();
    let marks = paths(bucket, &format!("running/{backup}")).await?;
    let nodes = paths(bucket, &format!("nodes/{backup}")).await?;
    if !exists && marks.is_empty() && nodes.is_empty() {
        return Err(absent(bucket, backup));
    }
    if !exists && !marks.is_empty() && !abandon {
        let what = format!("delete backup {backup}");
        return Err(Failure::failed(
            what,
            "it is being made",
            "wait for its end, or end its jobs and delete it with --abandon",
        ));
    }
    // First: without it the backup does not exist, whatever happens next.
    if exists {
        if bucket.delete(&manifest).await? == Deletion::Locked {
            let what = format!("delete {manifest}");
            return Err(Failure::failed(
                what,
                "the store does not allow it",
                "wait for the end of its object lock, or check the rights of the job",
            ));
        }
        summary.deleted_backups.push(backup.clone());
    } else {
        summary.abandoned.push(backup.clone());
    }
    summary.locked = bucket.delete_all(nodes).await? + bucket.delete_all(marks).await?;
    Ok(summary)
}

pub(crate) async fn paths(bucket: &Bucket, folder: &str) -> Result<Vec<Path>> {
    Ok(bucket
        .listed(folder)
        .await?
        .into_iter()
        .map(|meta| meta.location)
        .collect())
}
