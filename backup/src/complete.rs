//! `complete`: the cluster manifest, last.

use std::collections::{BTreeMap, BTreeSet};

use casskop_backup_protocol::{
    ClusterManifest, CompleteJob, Digest, FORMAT, MAX_CLUSTER_MANIFEST, Name, NodeSummary, Summary,
};

use crate::announcement::random;
use crate::bucket::Bucket;
use crate::error::{Failure, Result};
use crate::manifests::{self, NodeFile, node_files, read_cluster_manifest, read_node, totals};
use crate::{marks, objects};

/// Checks that each object of each node is there, and writes the cluster manifest.
///
/// # Errors
/// Anything is missing or of another backup; then there is no cluster manifest.
pub async fn complete(bucket: &Bucket, job: &CompleteJob) -> Result<Summary> {
    let mut summary = Summary {
        backup: Some(job.backup.clone()),
        ..Summary::default()
    };
    let me = own()?;
    let there = if let Some(there) = read_cluster_manifest(bucket, &job.backup).await? {
        // The job died before it told of its success.
        there
    } else {
        marks::begin(bucket, &job.backup, &me).await?;
        match gather(bucket, job).await {
            Ok(manifest) => {
                summary.sent_objects = 1;
                write(bucket, manifest).await?
            }
            Err(failure) => {
                // Nothing relies on it, and each try has one of its own.
                let _ = marks::end(bucket, &job.backup, [&me].into_iter()).await;
                // A second job may have ended meanwhile, and removed the marks of the nodes.
                read_cluster_manifest(bucket, &job.backup)
                    .await?
                    .ok_or(failure)?
            }
        }
    };
    let named = there.nodes.iter().map(|node| &node.node.host_id);
    let wanted: BTreeSet<&Name> = job.nodes.iter().collect();
    if there.started_at != job.started_at || named.collect::<BTreeSet<_>>() != wanted {
        let why = format!(
            "another backup with this id, begun at {}, is complete",
            there.started_at
        );
        return Err(Failure::failed(
            what(job),
            why,
            "give the backup an id that was never used",
        ));
    }
    stands(bucket, &there).await?;
    (summary.files, summary.bytes) = (there.files, there.bytes);
    // All of them: the manifest protects the backup from now on.
    let marks = marks::of_backup(bucket, &job.backup).await?;
    marks::end(bucket, &job.backup, marks.iter()).await?;
    Ok(summary)
}

/// A mark of its own: a second job that ends does not take it away, and no lock on it keeps the next one from being written.
fn own() -> Result<Name> {
    let name = format!("complete-{}", random()?);
    name.parse()
        .map_err(|error| Failure::failed("mark the backup", error, "report it"))
}

fn what(job: &CompleteJob) -> String {
    format!("complete backup {}", job.backup)
}

/// Writes the manifest; the one that is there then. A second job may have been faster, with its own time in its manifest.
async fn write(bucket: &Bucket, manifest: ClusterManifest) -> Result<ClusterManifest> {
    let path = bucket.backup(&manifest.backup);
    let content = manifests::json(&manifest, MAX_CLUSTER_MANIFEST)?;
    let Err(failure) = bucket.create(&path, content).await else {
        return Ok(manifest);
    };
    match read_cluster_manifest(bucket, &manifest.backup).await? {
        Some(there) => Ok(there),
        None => Err(failure),
    }
}

/// Whether the manifest that was written may stay. A purge or a deletion may have ended the backup since this job looked: the
/// purge did so before it withdrew its announcement, or sees the manifest. So this waits until no purge deletes, and looks then.
async fn stands(bucket: &Bucket, manifest: &ClusterManifest) -> Result<()> {
    let (backup, me) = (&manifest.backup, own()?);
    let began = marks::begin(bucket, backup, &me).await;
    let gone = bucket.is_gone(backup).await?;
    if !gone {
        began?;
        let files = node_files(bucket, backup).await?;
        let sealed = |node: &NodeSummary| {
            files
                .iter()
                .any(|file| file.host == node.node.host_id && file.digest == node.manifest)
        };
        if manifest.nodes.iter().all(sealed) {
            return Ok(());
        }
    }
    bucket.delete(&bucket.backup(backup)).await?;
    marks::end(bucket, backup, [&me].into_iter()).await?;
    Err(marks::gone(backup))
}

/// The manifest of the backup, after everything that it needs was seen to be there.
async fn gather(bucket: &Bucket, job: &CompleteJob) -> Result<ClusterManifest> {
    let what = || what(job);
    let marks = marks::of_backup(bucket, &job.backup).await?;
    let files = node_files(bucket, &job.backup).await?;
    let mut manifest = ClusterManifest {
        format: FORMAT,
        cluster: job.cluster.clone(),
        backup: job.backup.clone(),
        started_at: job.started_at,
        completed_at: jiff::Timestamp::now(),
        nodes: Vec::new(),
        keyspaces: Vec::new(),
        left_out: job.left_out.clone(),
        elsewhere: job.elsewhere.clone(),
        files: 0,
        bytes: 0,
    };
    let (mut needed, mut tokens) = (BTreeMap::new(), BTreeSet::new());
    for host in &job.nodes {
        if !marks.contains(host) {
            let why = format!(
                "the upload of node {host} has not begun, or a purge has given the backup up"
            );
            return Err(Failure::failed(
                what(),
                why,
                "run the job of the node again",
            ));
        }
        add(bucket, host, &files, &mut manifest, &mut needed).await?;
        let Some(added) = manifest.nodes.last() else {
            continue;
        };
        for token in &added.node.tokens {
            if !tokens.insert((added.node.dc.clone(), token.clone())) {
                return Err(Failure::failed(
                    what(),
                    format!("token {token} belongs to two nodes"),
                    "read the ring again, and begin a new backup",
                ));
            }
        }
    }
    if manifest.nodes.is_empty()
        || job.nodes.iter().collect::<BTreeSet<_>>().len() != manifest.nodes.len()
    {
        return Err(Failure::failed(
            what(),
            "the job names no node, or one twice",
            "name each node once",
        ));
    }
    let there = objects::there(bucket, &needed).await?;
    if let Some(missing) = needed.keys().find(|digest| !there.contains(digest)) {
        let number = needed.len() - there.len();
        let why =
            format!("{number} objects are missing or of another length, among them {missing}");
        return Err(Failure::failed(
            what(),
            why,
            "run the jobs of the nodes again: each sends what is missing",
        ));
    }
    Ok(manifest)
}

/// Adds a node by its newest manifest, and the objects that it needs.
async fn add(
    bucket: &Bucket,
    host: &Name,
    files: &[NodeFile],
    into: &mut ClusterManifest,
    needed: &mut BTreeMap<Digest, u64>,
) -> Result<()> {
    let what = || format!("complete backup {}", into.backup);
    let file = files.iter().rfind(|file| file.host == *host);
    let read = match file {
        Some(file) => read_node(bucket, &into.backup, host, &file.digest).await?,
        None => None,
    };
    let (Some(file), Some(manifest)) = (file, read) else {
        return Err(Failure::failed(
            what(),
            format!("node {host} has no manifest"),
            "run the job of the node again",
        ));
    };
    if manifest.started_at != into.started_at {
        let why = format!(
            "node {host} has begun it at {}, and the backup began at {}",
            manifest.started_at, into.started_at
        );
        return Err(Failure::failed(
            what(),
            why,
            "give the backup an id that was never used",
        ));
    }
    if into.nodes.is_empty() {
        into.keyspaces.clone_from(&manifest.keyspaces);
    } else if into.keyspaces != manifest.keyspaces {
        return Err(Failure::failed(
            what(),
            format!("node {host} has other keyspaces than the nodes before it"),
            "begin a new backup, with the same keyspaces for each node",
        ));
    }
    for object in manifest.files() {
        if let Some(other) = needed.insert(object.digest, object.size)
            && other != object.size
        {
            return Err(Failure::damaged(
                what(),
                format!("object {} has two lengths", object.digest),
                "begin a new backup",
            ));
        }
    }
    let (number, bytes) = totals(&manifest);
    into.files += number;
    into.bytes += bytes;
    into.nodes.push(NodeSummary {
        node: manifest.node,
        manifest: file.digest,
        files: number,
        bytes,
    });
    Ok(())
}
