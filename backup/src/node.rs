//! `node`: uploads the snapshot of one node.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use casskop_backup_protocol::{
    Digest, FORMAT, FileEntry, FilePath, MAX_NODE_MANIFEST, Name, NodeJob, NodeManifest, Outcome,
    Summary, TableEntry,
};
use futures::{StreamExt, TryStreamExt, stream};

use crate::bucket::Bucket;
use crate::error::{Failure, Result};
use crate::files::{self, Source, digest_of};
use crate::manifests::{self, node_files, read_cluster_manifest, read_node, totals};
use crate::snapshot::{self, Table, Wanted};
use crate::{marks, objects, upload};

/// Files whose digest is computed at once.
const DIGESTS: usize = 2;
/// After so long without one, a backup that is being uploaded gives a sign of life.
const ALIVE: Duration = Duration::from_secs(3600);

/// Uploads what the store does not have yet, and writes the manifest of the node.
///
/// # Errors
/// The snapshot or the store cannot be used, or the id was given to another backup.
pub async fn node(bucket: &Bucket, job: &NodeJob) -> Result<Summary> {
    let mut summary = Summary {
        backup: Some(job.backup.clone()),
        ..Summary::default()
    };
    let host = &job.node.host_id;
    if let Some((files, bytes)) = completed(bucket, job).await? {
        (summary.files, summary.bytes) = (files, bytes);
        return Ok(summary);
    }
    if let Some(earlier) = newest(bucket, &job.backup, host).await? {
        same_backup(&earlier, job)?;
    }
    marks::begin(bucket, &job.backup, host).await?;

    let wanted = Wanted::new(job);
    let again = wanted.clone();
    let tables = files::blocking(move || wanted.walk()).await??;
    let seen = snapshot::fingerprint(&tables);
    let known = known(bucket, job).await?;
    let (tables, mut needed, hashed) = digests(bucket, tables, &known).await?;
    summary.hashed_bytes = hashed;
    let manifest = NodeManifest {
        format: FORMAT,
        cluster: job.cluster.clone(),
        backup: job.backup.clone(),
        started_at: job.started_at,
        snapshot: job.snapshot.clone(),
        node: job.node.clone(),
        keyspaces: job.keyspaces.clone(),
        tables,
    };
    (summary.files, summary.bytes) = totals(&manifest);
    // Before the first upload: one that is too large ends the job now, and not hours later.
    let content = manifests::json(&manifest, MAX_NODE_MANIFEST)?;
    drop(manifest);

    let sizes = needed
        .iter()
        .map(|(digest, source)| (*digest, source.size))
        .collect();
    let there = objects::there(bucket, &sizes).await?;
    for digest in &there {
        summary.skipped_objects += 1;
        summary.skipped_bytes += sizes.get(digest).copied().unwrap_or_default();
    }
    needed.retain(|digest, _| !there.contains(digest));
    let memory = upload::Memory::new();
    let mut uploads = stream::iter(&needed)
        .map(|(digest, source)| upload::upload(bucket, &memory, digest, source))
        .buffer_unordered(bucket.transfers);
    let mut alive = bucket.clock.start();
    while let Some(sent) = uploads.try_next().await? {
        summary.sent_objects += 1;
        summary.sent_bytes += sent;
        if alive() > ALIVE {
            alive = bucket.clock.start();
            marks::renew(bucket, &job.backup, host).await?;
        }
    }
    drop(uploads);

    files::blocking(move || again.same(&seen)).await??;
    let path = bucket.node(&job.backup, host, &digest_of(&content));
    bucket.put(&path, content).await?;
    Ok(summary)
}

/// The files and bytes of the node, if the backup is complete already: the Job is repeated, and nothing is to be done.
async fn completed(bucket: &Bucket, job: &NodeJob) -> Result<Option<(u64, u64)>> {
    let Some(manifest) = read_cluster_manifest(bucket, &job.backup).await? else {
        return Ok(None);
    };
    let host = &job.node.host_id;
    let entry = manifest
        .nodes
        .iter()
        .find(|entry| entry.node.host_id == *host);
    match entry {
        Some(entry) if manifest.started_at == job.started_at => {
            Ok(Some((entry.files, entry.bytes)))
        }
        _ => Err(Failure::failed(
            format!("add node {host} to backup {}", job.backup),
            format!(
                "the backup, begun at {}, is complete already",
                manifest.started_at
            ),
            "give the backup an id that was never used",
        )),
    }
}

/// The newest manifest of a node in a backup, complete or not.
async fn newest(bucket: &Bucket, backup: &Name, host: &Name) -> Result<Option<NodeManifest>> {
    let files = node_files(bucket, backup).await?;
    match files.iter().rfind(|file| file.host == *host) {
        Some(file) => read_node(bucket, backup, host, &file.digest).await,
        None => Ok(None),
    }
}

fn same_backup(earlier: &NodeManifest, job: &NodeJob) -> Result<()> {
    if earlier.started_at == job.started_at && earlier.snapshot == job.snapshot {
        return Ok(());
    }
    let why = format!(
        "it has begun at {} with snapshot {} already",
        earlier.started_at, earlier.snapshot
    );
    Err(Failure::failed(
        format!("begin backup {}", job.backup),
        why,
        "give the backup an id that was never used",
    ))
}

type Known = HashMap<(Name, Name, FilePath), FileEntry>;

/// The files of an earlier backup of this node. It only saves reading: one that cannot be used is none.
async fn known(bucket: &Bucket, job: &NodeJob) -> Result<Known> {
    let Some(previous) = &job.previous else {
        return Ok(Known::new());
    };
    let manifest = match newest(bucket, previous, &job.node.host_id).await {
        Ok(Some(manifest)) => manifest,
        Err(failure) if failure.outcome == Outcome::Retry => return Err(failure),
        Ok(None) | Err(_) => return Ok(Known::new()),
    };
    let mut known = Known::new();
    for table in manifest.tables {
        for file in table.files {
            let key = (
                table.keyspace.clone(),
                table.directory.clone(),
                file.path.clone(),
            );
            known.insert(key, file);
        }
    }
    Ok(known)
}

/// The tables with the digest of each file, the file of each object, and the bytes that were read for it. `manifest.json` is
/// left out: it has the names only.
async fn digests(
    bucket: &Bucket,
    tables: Vec<Table>,
    known: &Known,
) -> Result<(Vec<TableEntry>, BTreeMap<Digest, Source>, u64)> {
    let (mut entries, mut needed, mut hashed) = (Vec::new(), BTreeMap::new(), 0);
    for table in tables {
        let (keyspace, directory) = (&table.keyspace, &table.directory);
        let found = table
            .files
            .into_iter()
            .filter(|(path, _)| path.as_str() != "manifest.json");
        let mut files = stream::iter(found)
            .map(|(path, source)| async move {
                let key = (keyspace.clone(), directory.clone(), path.clone());
                let same = |known: &&FileEntry| {
                    known.size == source.size && known.identity.as_ref() == Some(&source.identity)
                };
                if let Some(known) = known.get(&key).filter(same) {
                    return Ok((path, source, known.digest, 0));
                }
                let (digest, size) = files::digest(&source, &bucket.pace).await?;
                if size != source.size {
                    let why = format!("it had {} bytes, and has {size}", source.size);
                    return Err(Failure::retry(
                        format!("read {}", source.path.display()),
                        why,
                        "run the same job again",
                    ));
                }
                Ok((path, source, digest, size))
            })
            .buffered(DIGESTS);
        let (mut listed, mut schema) = (Vec::new(), None);
        while let Some((path, source, digest, read)) = files.try_next().await? {
            hashed += read;
            let is_schema = snapshot::is_description(&path);
            let entry = FileEntry {
                path,
                size: source.size,
                digest,
                identity: Some(source.identity.clone()),
            };
            needed.entry(digest).or_insert(source);
            if is_schema {
                schema = Some(entry);
            } else {
                listed.push(entry);
            }
        }
        drop(files);
        entries.push(TableEntry {
            keyspace: table.keyspace,
            directory: table.directory,
            schema,
            files: listed,
        });
    }
    Ok((entries, needed, hashed))
}
