//! `node`: uploads the snapshot of one node.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use casskop_backup_protocol::{
    Digest, FORMAT, FileEntry, FilePath, MAX_NODE_MANIFEST, Name, NodeJob, NodeManifest, Summary,
    TableEntry,
};
use futures::{StreamExt, TryStreamExt, stream};

use crate::announcement;
use crate::bucket::{Bucket, time_of};
use crate::error::{Failure, Result};
use crate::files::{self, Table};
use crate::upload;

/// Up to so many objects are asked for one by one; more are looked for in a list, which has a thousand in an answer.
const ASKED: usize = 500;
/// Files whose digest is computed at once.
const DIGESTS: usize = 2;
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
    let earlier = read_manifest(bucket, &job.backup, host).await?;
    if let Some(earlier) = &earlier {
        same_backup(earlier, job)?;
    }
    if bucket.head(&bucket.backup(&job.backup)).await?.is_some() {
        // The Job is repeated after the backup was completed: nothing is to be done.
        let Some(earlier) = earlier else {
            let what = format!("add node {host} to backup {}", job.backup);
            return Err(Failure::failed(
                what,
                "the backup is complete already",
                "give the backup an id that was never used",
            ));
        };
        (summary.files, summary.bytes) = totals(&earlier);
        return Ok(summary);
    }
    begin(bucket, &job.backup, host).await?;

    let data: Vec<PathBuf> = job.data_directories.iter().map(PathBuf::from).collect();
    let (tag, keyspaces) = (job.snapshot.clone(), job.keyspaces.clone());
    let tables = files::blocking(move || files::walk(&data, &tag, &keyspaces)).await??;
    if tables.is_empty() {
        let what = format!("back up snapshot {}", job.snapshot);
        let why = format!("no table in {} has it", job.data_directories.join(", "));
        return Err(Failure::failed(
            what,
            why,
            "check the tag, the keyspaces and the data directories",
        ));
    }
    let known = known(bucket, job).await?;
    let (entries, hashed) = digests(bucket, tables, &known).await?;
    summary.hashed_bytes = hashed;

    let mut needed = BTreeMap::new();
    for (table, sources) in &entries {
        let listed = table.files.iter().chain(&table.schema);
        for (file, source) in listed.zip(sources) {
            needed
                .entry(file.digest)
                .or_insert((file.size, source.clone()));
        }
    }
    let sizes = needed
        .iter()
        .map(|(digest, (size, _))| (*digest, *size))
        .collect();
    let there = there(bucket, &sizes).await?;
    for digest in &there {
        summary.skipped_objects += 1;
        summary.skipped_bytes += sizes.get(digest).copied().unwrap_or_default();
    }
    needed.retain(|digest, _| !there.contains(digest));
    let memory = upload::Memory::new();
    let mut uploads = stream::iter(&needed)
        .map(|(digest, (size, source))| upload::upload(bucket, &memory, digest, *size, source))
        .buffer_unordered(bucket.transfers);
    while let Some(sent) = uploads.try_next().await? {
        summary.sent_objects += 1;
        summary.sent_bytes += sent;
    }
    drop(uploads);

    let manifest = NodeManifest {
        format: FORMAT,
        cluster: job.cluster.clone(),
        backup: job.backup.clone(),
        started_at: job.started_at,
        snapshot: job.snapshot.clone(),
        node: job.node.clone(),
        tables: entries.into_iter().map(|(table, _)| table).collect(),
    };
    (summary.files, summary.bytes) = totals(&manifest);
    bucket
        .put(
            &bucket.node(&job.backup, host),
            json(&manifest, MAX_NODE_MANIFEST)?,
        )
        .await?;
    Ok(summary)
}

/// Says that the backup is being made, and waits until no purge deletes: what this backup finds in the store stays there.
/// Whichever writes first, one of the two sees the other (see [`crate::purge`]).
pub(crate) async fn begin(bucket: &Bucket, backup: &Name, who: &Name) -> Result<()> {
    let mark = bucket.running(backup, who);
    let mut waited = Duration::ZERO;
    loop {
        // Written anew each time: the time of the store on it says how long ago the purge gave a sign of life.
        bucket.put(&mark, Bytes::from_static(b"{}")).await?;
        let sweeps = bucket.listed("sweeping").await?;
        if sweeps.is_empty() {
            return Ok(());
        }
        if let Some(mark) = bucket.head(&mark).await?
            && sweeps
                .iter()
                .all(|sweep| announcement::is_over(time_of(sweep), time_of(&mark)))
        {
            return Ok(());
        }
        if waited >= bucket.patience {
            let what = format!("begin backup {backup}");
            return Err(Failure::retry(
                what,
                "a purge deletes objects",
                "run the same job again in some minutes, or run the purge to its end",
            ));
        }
        waited += Duration::from_secs(5);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

pub(crate) async fn read_manifest(
    bucket: &Bucket,
    backup: &Name,
    host: &Name,
) -> Result<Option<NodeManifest>> {
    let path = bucket.node(backup, host);
    let Some(content) = bucket.read(&path, MAX_NODE_MANIFEST).await? else {
        return Ok(None);
    };
    parse(bucket, backup, host, &content).map(Some)
}

/// Reads a node's manifest, which has to be about this cluster, backup and node.
pub(crate) fn parse(
    bucket: &Bucket,
    backup: &Name,
    host: &Name,
    content: &[u8],
) -> Result<NodeManifest> {
    let what = || format!("read {}", bucket.node(backup, host));
    let next = "delete the backup, or restore another one";
    let manifest =
        NodeManifest::parse(content).map_err(|error| Failure::damaged(what(), error, next))?;
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
    Ok(manifest)
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
    let manifest = match read_manifest(bucket, previous, &job.node.host_id).await {
        Ok(Some(manifest)) => manifest,
        Err(failure) if failure.outcome == casskop_backup_protocol::Outcome::Retry => {
            return Err(failure);
        }
        Ok(None) | Err(_) => return Ok(Known::new()),
    };
    let mut known = Known::new();
    for table in manifest.tables {
        for file in table.files {
            known.insert(
                (
                    table.keyspace.clone(),
                    table.directory.clone(),
                    file.path.clone(),
                ),
                file,
            );
        }
    }
    Ok(known)
}

type Entries = Vec<(TableEntry, Vec<PathBuf>)>;

/// The digest of each file, and the bytes that were read for it. `manifest.json` is left out: it has the names only.
async fn digests(bucket: &Bucket, tables: Vec<Table>, known: &Known) -> Result<(Entries, u64)> {
    let mut entries = Entries::new();
    let mut hashed = 0;
    for table in tables {
        let mut entry = TableEntry {
            keyspace: table.keyspace,
            directory: table.directory,
            schema: None,
            files: Vec::new(),
        };
        let (mut sources, mut schema_source) = (Vec::new(), None);
        let found = table
            .files
            .into_iter()
            .filter(|file| file.path.as_str() != "manifest.json");
        let (keyspace, directory) = (&entry.keyspace, &entry.directory);
        let mut files = stream::iter(found)
            .map(|file| async move {
                let key = (keyspace.clone(), directory.clone(), file.path.clone());
                let same = |known: &&FileEntry| {
                    known.size == file.size && known.identity.as_ref() == Some(&file.identity)
                };
                if let Some(known) = known.get(&key).filter(same) {
                    return Ok((file, known.digest, 0));
                }
                let (digest, size) = files::digest(&file.source, &bucket.pace).await?;
                if size != file.size {
                    let why = format!("it had {} bytes, and has {size}", file.size);
                    return Err(Failure::retry(
                        format!("read {}", file.source.display()),
                        why,
                        "run the same job again",
                    ));
                }
                Ok((file, digest, size))
            })
            .buffered(DIGESTS);
        let mut listed = Vec::new();
        while let Some((file, digest, read)) = files.try_next().await? {
            hashed += read;
            let identity = Some(file.identity);
            let entry = FileEntry {
                path: file.path,
                size: file.size,
                digest,
                identity,
            };
            if files::is_description(&entry.path) {
                schema_source = Some((entry, file.source));
            } else {
                listed.push(entry);
                sources.push(file.source);
            }
        }
        drop(files);
        entry.files = listed;
        if let Some((schema, source)) = schema_source {
            entry.schema = Some(schema);
            sources.push(source);
        }
        entries.push((entry, sources));
    }
    Ok((entries, hashed))
}

/// The objects that are there with the length that they have to have.
pub(crate) async fn there(
    bucket: &Bucket,
    needed: &BTreeMap<Digest, u64>,
) -> Result<HashSet<Digest>> {
    if needed.len() > ASKED {
        let mut there = HashSet::new();
        let folder = bucket.folder("objects");
        let mut objects = std::pin::pin!(bucket.list(&folder));
        while let Some(meta) = objects.try_next().await? {
            let Some(Ok(digest)) = meta.location.filename().map(str::parse::<Digest>) else {
                continue;
            };
            if needed.get(&digest) == Some(&meta.size) {
                there.insert(digest);
            }
        }
        return Ok(there);
    }
    let asked = stream::iter(needed).map(|(digest, size)| async move {
        let meta = bucket.head(&bucket.object(digest)).await?;
        Ok::<_, Failure>(meta.filter(|meta| meta.size == *size).map(|_| *digest))
    });
    asked
        .buffer_unordered(bucket.transfers * 2)
        .try_filter_map(|found| async move { Ok(found) })
        .try_collect()
        .await
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
