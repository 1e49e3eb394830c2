//! `purge`: old backups, and objects without a backup. Safe beside everything:
//!
//! A backup writes its mark below `running/` and then looks below `sweeping/`; a purge writes its mark below `sweeping/` and
//! then looks below `running/`. One of the two sees the other: the backup waits, or the purge deletes no object. The age of an
//! object alone would not do, because a backup that runs counts on old objects that it has found.
//!
//! The announcement is a lease, and each deletion is sent and waited for within it. Before the manifests of a backup are removed,
//! a tombstone ends the backup for good: a job that is late finds it after it has written its manifest, and takes that back.
//!
//! An object is deleted if no manifest names it in two passes, some time apart. A manifest that cannot be read names
//! everything: then nothing is deleted.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use casskop_backup_protocol::{Digest, Name, PurgeJob, Summary};
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::announcement::Announcement;
use crate::bucket::{Bucket, Deletion, json_name, parent_name, time_of};
use crate::error::{Failure, Result};
use crate::manifests::{self, NodeFile, read_cluster_manifest, read_node};
use crate::retention::{Fate, Held, expired, fate};

/// Orphans that a pass remembers; the others are found again by the next one.
const REMEMBERED: usize = 100_000;
/// Bytes of the largest list of them.
const MAX_ORPHANS: u64 = 16 << 20;
/// Days for which a tombstone stays, at least.
const TOMBSTONE_DAYS: i64 = 30;

/// `purge/orphans.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Orphans {
    /// Since when no backup has it, by the clock of the store.
    since: BTreeMap<Digest, Timestamp>,
}

/// Deletes what the retention does not keep, and sweeps.
///
/// # Errors
/// The store does not answer, or a manifest cannot be read; then no object is deleted.
pub async fn purge(bucket: &Bucket, job: &PurgeJob) -> Result<Summary> {
    if job.abandon_after_days == 0 {
        return Err(Failure::failed(
            "purge",
            "abandonAfterDays is 0, and each backup that is being made would be given up",
            "write at least 1",
        ));
    }
    let mut announcement = Announcement::make(bucket).await?;
    let result = announced(bucket, job, &mut announcement).await;
    // Also after a failure: backups wait for it.
    let withdrawn = announcement.withdraw().await;
    let mut summary = result?;
    // It holds backups up until it is old.
    summary.locked += u64::from(withdrawn? == Deletion::Locked);
    Ok(summary)
}

async fn announced(
    bucket: &Bucket,
    job: &PurgeJob,
    announcement: &mut Announcement<'_>,
) -> Result<Summary> {
    let mut summary = Summary::default();
    // Against the order in which a backup writes: one that has a manifest of a node here has a mark or a cluster manifest below.
    let nodes: Vec<NodeFile> = bucket
        .listed("nodes")
        .await?
        .into_iter()
        .filter_map(NodeFile::of)
        .collect();
    let running = running(bucket).await?;
    let backups = retained(bucket, job, announcement, &mut summary).await?;
    let lost =
        |known: &&Name| !backups.contains_key(*known) && !summary.deleted_backups.contains(known);
    let lost: Vec<Name> = job.known.iter().filter(lost).cloned().collect();
    summary.deleted_backups.extend(lost);
    let patience = SignedDuration::from_hours(i64::from(job.abandon_after_days) * 24);
    let mut over = Vec::new();
    for (backup, last) in running {
        // Its job was killed before it removed its marks.
        if backups.contains_key(&backup) || bucket.is_gone(&backup).await? {
            over.push(backup);
        } else if job.over.contains(&backup) || announcement.at.duration_since(last) > patience {
            summary.abandoned.push(backup);
        } else {
            summary.waits_for.push(backup);
        }
        announcement.keep().await?;
    }

    // Manifests of backups that were deleted or given up, now or by a purge that died in the middle, and those of a later job
    // of a node whose backup was complete.
    let stays = |file: &NodeFile| match backups.get(&file.backup) {
        Some(hosts) => hosts.get(&file.host) == Some(&file.digest),
        None => summary.waits_for.contains(&file.backup),
    };
    let (kept, dropped): (Vec<_>, Vec<_>) = nodes.into_iter().partition(stays);
    let ended: BTreeSet<&Name> = dropped
        .iter()
        .map(|file| &file.backup)
        .filter(|backup| !backups.contains_key(*backup))
        .chain(&summary.abandoned)
        .collect();
    for backup in ended {
        if !bucket.is_gone(backup).await? {
            announcement.bury(backup).await?;
        }
    }
    let dropped: Vec<Path> = dropped.into_iter().map(|file| file.path).collect();
    summary.locked += announcement.delete_all(&dropped).await?;
    for backup in summary.abandoned.iter().chain(&over) {
        let marks = bucket.listed(&format!("running/{backup}")).await?;
        let marks: Vec<Path> = marks.into_iter().map(|meta| meta.location).collect();
        summary.locked += announcement.delete_all(&marks).await?;
    }
    tombstones(bucket, patience, &kept, announcement, &mut summary).await?;
    let marked = marked(bucket, &backups, &kept, announcement).await?;
    objects(bucket, job, &marked, announcement, &mut summary).await?;
    Ok(summary)
}

/// The backups that are being made, with the time of their last mark.
async fn running(bucket: &Bucket) -> Result<BTreeMap<Name, Timestamp>> {
    let mut running = BTreeMap::new();
    for meta in bucket.listed("running").await? {
        if let Some(backup) = parent_name(&meta.location) {
            let last = running.entry(backup).or_insert(Timestamp::MIN);
            *last = time_of(&meta).max(*last);
        }
    }
    Ok(running)
}

/// The nodes of a backup, with their manifests.
type Hosts = BTreeMap<Name, Digest>;

/// The backups that exist after the retention, with their nodes.
async fn retained(
    bucket: &Bucket,
    job: &PurgeJob,
    announcement: &mut Announcement<'_>,
    summary: &mut Summary,
) -> Result<BTreeMap<Name, Hosts>> {
    let mut backups = BTreeMap::new();
    let mut held = Vec::new();
    let mut left = Vec::new();
    for meta in bucket.listed("backups").await? {
        announcement.keep().await?;
        let Some(backup) = json_name(&meta.location) else {
            continue;
        };
        // A manifest that cannot be read ends the purge: what it names is not known.
        let Some(manifest) = read_cluster_manifest(bucket, &backup).await? else {
            // Written after its tombstone.
            if bucket.is_gone(&backup).await? {
                left.push(meta.location);
            }
            continue;
        };
        held.push(Held {
            backup: backup.clone(),
            written: time_of(&meta),
            keyspaces: manifest.keyspaces,
            left_out: manifest.left_out.into_iter().collect(),
        });
        let hosts = manifest.nodes.into_iter();
        let hosts = hosts.map(|node| (node.node.host_id, node.manifest));
        backups.insert(backup, hosts.collect());
    }
    summary.locked += announcement.delete_all(&left).await?;
    for backup in expired(held, announcement.at, job.keep_count, job.keep_days) {
        if announcement.delete_all(&[bucket.backup(&backup)]).await? > 0 {
            summary.locked += 1;
        } else {
            announcement.bury(&backup).await?;
            backups.remove(&backup);
            summary.deleted_backups.push(backup);
        }
    }
    Ok(backups)
}

/// Removes the tombstones of backups of which nothing is left, after so long that no request is on its way and no job asleep.
async fn tombstones(
    bucket: &Bucket,
    patience: SignedDuration,
    kept: &[NodeFile],
    announcement: &mut Announcement<'_>,
    summary: &mut Summary,
) -> Result<()> {
    let patience = patience.max(SignedDuration::from_hours(TOMBSTONE_DAYS * 24));
    let mut old = Vec::new();
    for meta in bucket.listed("gone").await? {
        announcement.keep().await?;
        let Some(backup) = json_name(&meta.location) else {
            continue;
        };
        if announcement.at.duration_since(time_of(&meta)) > patience
            && !kept.iter().any(|file| file.backup == backup)
            && bucket.head(&bucket.backup(&backup)).await?.is_none()
            && bucket.listed(&format!("nodes/{backup}")).await?.is_empty()
            && bucket
                .listed(&format!("running/{backup}"))
                .await?
                .is_empty()
        {
            old.push(meta.location);
        }
    }
    summary.locked += announcement.delete_all(&old).await?;
    Ok(())
}

/// All objects that a manifest names: of backups that exist, and of those that are being made.
async fn marked(
    bucket: &Bucket,
    backups: &BTreeMap<Name, Hosts>,
    nodes: &[NodeFile],
    announcement: &mut Announcement<'_>,
) -> Result<HashSet<Digest>> {
    let mut marked = HashSet::new();
    let mut found: BTreeSet<(&Name, &Name)> = BTreeSet::new();
    for file in nodes {
        announcement.keep().await?;
        if let Some(manifest) = read_node(bucket, &file.backup, &file.host, &file.digest).await? {
            marked.extend(manifest.files().map(|file| file.digest));
            found.insert((&file.backup, &file.host));
        }
    }
    for (backup, hosts) in backups {
        let missing = hosts.keys().find(|host| !found.contains(&(backup, *host)));
        // It may have been deleted meanwhile.
        if let Some(missing) = missing
            && read_cluster_manifest(bucket, backup).await?.is_some()
        {
            let why = format!(
                "the manifest of node {missing} of backup {backup} is missing, so that its objects are not known"
            );
            return Err(Failure::damaged(
                "purge objects",
                why,
                "delete the backup, and run the purge again",
            ));
        }
    }
    Ok(marked)
}

async fn objects(
    bucket: &Bucket,
    job: &PurgeJob,
    marked: &HashSet<Digest>,
    announcement: &mut Announcement<'_>,
    summary: &mut Summary,
) -> Result<()> {
    let now = announcement.at;
    let path = bucket.folder("purge/orphans.json");
    let seen = match bucket.read(&path, MAX_ORPHANS).await? {
        // A list that cannot be read is none: two more passes are needed.
        Some(content) => serde_json::from_slice::<Orphans>(&content).unwrap_or_default(),
        None => Orphans::default(),
    };
    let after = SignedDuration::from_hours(i64::from(job.sweep_after_hours));
    let may_sweep = summary.waits_for.is_empty();
    let mut next = Orphans::default();
    let folder = bucket.folder("objects");
    let mut listed = std::pin::pin!(bucket.list(&folder));
    let mut swept: Vec<(Path, u64)> = Vec::new();
    while let Some(meta) = listed.try_next().await? {
        announcement.keep().await?;
        let Some(Ok(digest)) = meta.location.filename().map(str::parse::<Digest>) else {
            continue;
        };
        let since = seen.since.get(&digest).copied();
        match fate(
            marked.contains(&digest),
            time_of(&meta),
            since,
            now,
            after,
            may_sweep,
        ) {
            Fate::Kept => continue,
            Fate::Swept => swept.push((meta.location, meta.size)),
            Fate::Orphan(since) if next.since.len() < REMEMBERED => {
                next.since.insert(digest, since);
            }
            Fate::Orphan(_) => summary.more += 1,
        }
        summary.orphans += 1;
        summary.orphan_bytes += meta.size;
    }
    for some in swept.chunks(64) {
        let paths: Vec<Path> = some.iter().map(|(path, ..)| path.clone()).collect();
        let locked = announcement.delete_all(&paths).await?;
        summary.locked += locked;
        summary.deleted_objects += some.len() as u64 - locked;
        summary.deleted_bytes += some.iter().map(|(.., size)| size).sum::<u64>();
    }
    summary.orphans -= summary.deleted_objects;
    summary.orphan_bytes = summary.orphan_bytes.saturating_sub(summary.deleted_bytes);
    bucket
        .put(&path, manifests::json(&next, MAX_ORPHANS)?)
        .await
}
