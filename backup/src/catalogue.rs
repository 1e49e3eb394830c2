//! `list`, `show` and `delete`.

use casskop_backup_protocol::{BackupListing, ClusterManifest, Name, Outcome, Summary};
use object_store::path::Path;

use crate::bucket::{Bucket, Deletion, json_name};
use crate::error::{Failure, Result};
use crate::manifests::read_cluster_manifest;

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
                keyspaces: Vec::new(),
                left_out: Vec::new(),
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
        keyspaces: manifest.keyspaces.clone(),
        left_out: manifest.left_out.clone(),
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

fn absent(bucket: &Bucket, backup: &Name) -> Failure {
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
    let (nodes, running) = (format!("nodes/{backup}"), format!("running/{backup}"));
    // In the order against that of a backup: one that ends meanwhile has its marks or its cluster manifest.
    let begun = !paths(bucket, &nodes).await?.is_empty();
    let runs = !paths(bucket, &running).await?.is_empty();
    let exists = bucket.head(&manifest).await?.is_some();
    if !exists && !runs && !begun {
        // An earlier deletion has done its work, and may have died before it told so.
        if bucket.is_gone(backup).await? {
            summary.deleted_backups.push(backup.clone());
            return Ok(summary);
        }
        return Err(absent(bucket, backup));
    }
    // A deletion that died goes on.
    if !exists && runs && !abandon && !bucket.is_gone(backup).await? {
        let what = format!("delete backup {backup}");
        return Err(Failure::failed(
            what,
            "it is being made",
            "wait for its end, or end its jobs and delete it with --abandon",
        ));
    }
    if exists {
        // Before the tombstone: a backup that the store keeps is not ended.
        remove(bucket, &manifest).await?;
        summary.deleted_backups.push(backup.clone());
    } else {
        summary.abandoned.push(backup.clone());
    }
    bucket.bury(backup).await?;
    // One that a job has written meanwhile: it exists no longer by the tombstone.
    remove(bucket, &manifest).await?;
    for folder in [nodes, running] {
        summary.locked += bucket.delete_all(paths(bucket, &folder).await?).await?;
    }
    Ok(summary)
}

async fn remove(bucket: &Bucket, manifest: &Path) -> Result<()> {
    if bucket.delete(manifest).await? == Deletion::Gone {
        return Ok(());
    }
    let what = format!("delete {manifest}");
    Err(Failure::failed(
        what,
        "the store does not allow it",
        "wait for the end of its object lock, or check the rights of the job",
    ))
}

async fn paths(bucket: &Bucket, folder: &str) -> Result<Vec<Path>> {
    Ok(bucket
        .listed(folder)
        .await?
        .into_iter()
        .map(|meta| meta.location)
        .collect())
}
