//! `complete`: the cluster manifest, last.

use std::collections::{BTreeMap, BTreeSet};

use casskop_backup_protocol::{
    ClusterManifest, CompleteJob, Digest, FORMAT, MAX_CLUSTER_MANIFEST, MAX_NODE_MANIFEST, Name,
    NodeSummary, Summary,
};

use crate::bucket::{Bucket, json_name};
use crate::error::{Failure, Result};
use crate::files::digest_of;
use crate::node::{self, totals};

/// Checks that each object of each node is there, and writes the cluster manifest.
///
/// # Errors
/// Anything is missing or of another backup; then there is no cluster manifest.
pub async fn complete(bucket: &Bucket, job: &CompleteJob) -> Result<Summary> {
    let what = || format!("complete backup {}", job.backup);
    let mut summary = Summary {
        backup: Some(job.backup.clone()),
        ..Summary::default()
    };
    if let Some(there) = read_cluster_manifest(bucket, &job.backup).await? {
        let (named, wanted) = (hosts(&there), job.nodes.iter().collect::<BTreeSet<_>>());
        if there.started_at != job.started_at || named != wanted {
            let why = format!(
                "another backup with this id, begun at {}, is complete",
                there.started_at
            );
            return Err(Failure::failed(
                what(),
                why,
                "give the backup an id that was never used",
            ));
        }
        // The job died before it told of its success.
        (summary.files, summary.bytes) = (there.files, there.bytes);
        ended(bucket, &job.backup).await?;
        return Ok(summary);
    }
    let me: Name = "complete"
        .parse()
        .map_err(|error| Failure::failed(what(), error, "report it"))?;
    node::begin(bucket, &job.backup, &me).await?;
    let (nodes, objects) = gather(bucket, job).await?;
    for node in &nodes {
        summary.files += node.files;
        summary.bytes += node.bytes;
    }
    let there = node::there(bucket, &objects).await?;
    if let Some(missing) = objects.keys().find(|digest| !there.contains(digest)) {
        let number = objects.len() - there.len();
        let why =
            format!("{number} objects are missing or of another length, among them {missing}");
        return Err(Failure::failed(
            what(),
            why,
            "run the jobs of the nodes again: each sends what is missing",
        ));
    }
    let manifest = ClusterManifest {
        format: FORMAT,
        cluster: job.cluster.clone(),
        backup: job.backup.clone(),
        started_at: job.started_at,
        completed_at: jiff::Timestamp::now(),
        nodes,
        left_out: job.left_out.clone(),
        files: summary.files,
        bytes: summary.bytes,
    };
    write(bucket, &manifest).await?;
    summary.sent_objects = 1;
    ended(bucket, &job.backup).await?;
    Ok(summary)
}

async fn write(bucket: &Bucket, manifest: &ClusterManifest) -> Result<()> {
    let path = bucket.backup(&manifest.backup);
    let content = node::json(manifest, MAX_CLUSTER_MANIFEST)?;
    let Err(failure) = bucket.create(&path, content).await else {
        return Ok(());
    };
    // A second job has written it, with its own time in it.
    match read_cluster_manifest(bucket, &manifest.backup).await {
        Ok(Some(there))
            if there.nodes == manifest.nodes && there.started_at == manifest.started_at =>
        {
            Ok(())
        }
        _ => Err(failure),
    }
}

/// The nodes with their manifests, and all objects that they need.
async fn gather(
    bucket: &Bucket,
    job: &CompleteJob,
) -> Result<(Vec<NodeSummary>, BTreeMap<Digest, u64>)> {
    let what = || format!("complete backup {}", job.backup);
    let marks: BTreeSet<Name> = marks(bucket, &job.backup).await?;

    let (mut nodes, mut objects) = (Vec::new(), BTreeMap::new());
    let mut tokens = BTreeSet::new();
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
        let path = bucket.node(&job.backup, host);
        let Some(content) = bucket.read(&path, MAX_NODE_MANIFEST).await? else {
            return Err(Failure::failed(
                what(),
                format!("node {host} has no manifest"),
                "run the job of the node again",
            ));
        };
        let manifest = node::parse(bucket, &job.backup, host, &content)?;
        if manifest.started_at != job.started_at {
            let why = format!(
                "node {host} has begun it at {}, and the backup began at {}",
                manifest.started_at, job.started_at
            );
            return Err(Failure::failed(
                what(),
                why,
                "give the backup an id that was never used",
            ));
        }
        for token in &manifest.node.tokens {
            if !tokens.insert((manifest.node.dc.clone(), token.clone())) {
                return Err(Failure::failed(
                    what(),
                    format!("token {token} belongs to two nodes"),
                    "read the ring again, and begin a new backup",
                ));
            }
        }
        for file in manifest.files() {
            if let Some(other) = objects.insert(file.digest, file.size)
                && other != file.size
            {
                return Err(Failure::damaged(
                    what(),
                    format!("object {} has two lengths", file.digest),
                    "begin a new backup",
                ));
            }
        }
        let (files, bytes) = totals(&manifest);
        nodes.push(NodeSummary {
            node: manifest.node,
            manifest: digest_of(&content),
            files,
            bytes,
        });
    }
    if nodes.is_empty() || job.nodes.iter().collect::<BTreeSet<_>>().len() != nodes.len() {
        return Err(Failure::failed(
            what(),
            "the job names no node, or one twice",
            "name each node once",
        ));
    }
    Ok((nodes, objects))
}

/// The cluster manifest of a backup, if it exists.
pub(crate) async fn read_cluster_manifest(
    bucket: &Bucket,
    backup: &Name,
) -> Result<Option<ClusterManifest>> {
    let path = bucket.backup(backup);
    let Some(content) = bucket.read(&path, MAX_CLUSTER_MANIFEST).await? else {
        return Ok(None);
    };
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

fn hosts(manifest: &ClusterManifest) -> BTreeSet<&Name> {
    manifest
        .nodes
        .iter()
        .map(|node| &node.node.host_id)
        .collect()
}

async fn marks(bucket: &Bucket, backup: &Name) -> Result<BTreeSet<Name>> {
    let marks = bucket.listed(&format!("running/{backup}")).await?;
    Ok(marks
        .iter()
        .filter_map(|meta| json_name(&meta.location))
        .collect())
}

/// The backup is being made no longer.
pub(crate) async fn ended(bucket: &Bucket, backup: &Name) -> Result<()> {
    let marks = bucket.listed(&format!("running/{backup}")).await?;
    bucket
        .delete_all(marks.into_iter().map(|meta| meta.location).collect())
        .await?;
    Ok(())
}
