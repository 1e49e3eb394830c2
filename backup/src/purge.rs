//! `purge`: old backups, and objects without a backup. Safe beside everything:
//!
//! A backup writes its mark below `running/` and then looks below `sweeping/`; a purge writes its mark below `sweeping/` and
//! then looks below `running/`. One of the two sees the other: the backup waits, or the purge deletes no object. The age of an
//! object alone would not do, because a backup that runs counts on old objects that it has found.
//!
//! An object is deleted if no manifest names it in two passes, some time apart. A manifest that cannot be read names
//! everything: then nothing is deleted.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use casskop_backup_protocol::{Digest, MAX_NODE_MANIFEST, Name, PurgeJob, Summary};
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::announcement::Announcement;
use crate::bucket::{Bucket, Deletion, json_name, parent_name, time_of};
use crate::complete::read_cluster_manifest;
use crate::error::{Failure, Result};
use crate::node;
use crate::retention::{Fate, Held, expired, fate};

/// Orphans that a pass remembers; the others are found again by the next one.
const REMEMBERED: usize = 100_000;
/// Bytes of the largest list of them.
const MAX_ORPHANS: u64 = 16 << 20;

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
    let now = announcement.at;
    let mut summary = Summary::default();
    // Read before the backups: a backup that ends meanwhile is in one of the two lists.
    let running = running(bucket).await?;
    let backups = retained(bucket, job, now, &mut summary).await?;
    let over =
        |backup: &Name| backups.contains_key(backup) || summary.deleted_backups.contains(backup);
    let (over, running): (BTreeMap<_, _>, _) =
        running.into_iter().partition(|(backup, _)| over(backup));
    let mut nodes: BTreeMap<Name, Vec<(Name, Path)>> = BTreeMap::new();
    for meta in bucket.listed("nodes").await? {
        if let (Some(backup), Some(host)) = (parent_name(&meta.location), json_name(&meta.location))
        {
            nodes.entry(backup).or_default().push((host, meta.location));
        }
    }
    let patience = SignedDuration::from_hours(i64::from(job.abandon_after_days) * 24);
    for (backup, last) in running {
        let list = if now.duration_since(last) > patience {
            &mut summary.abandoned
        } else {
            &mut summary.waits_for
        };
        list.push(backup);
    }

    // Manifests of backups that were deleted or given up, now or by a purge that died in the middle.
    let stays = |backup: &Name| backups.contains_key(backup) || summary.waits_for.contains(backup);
    let (kept, dropped): (Vec<_>, Vec<_>) =
        nodes.into_iter().partition(|(backup, _)| stays(backup));
    for (_, manifests) in dropped {
        summary.locked += bucket
            .delete_all(manifests.into_iter().map(|(_, path)| path).collect())
            .await?;
    }
    // After their manifests: a mark without manifests is that of a backup that cannot be completed.
    for backup in summary.abandoned.iter().chain(over.keys()) {
        crate::complete::ended(bucket, backup).await?;
    }
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

type Hosts = BTreeSet<Name>;

/// The backups that exist after the retention, with their nodes.
async fn retained(
    bucket: &Bucket,
    job: &PurgeJob,
    now: Timestamp,
    summary: &mut Summary,
) -> Result<BTreeMap<Name, Hosts>> {
    let mut backups = BTreeMap::new();
    let mut held = Vec::new();
    for meta in bucket.listed("backups").await? {
        let Some(backup) = json_name(&meta.location) else {
            continue;
        };
        // A manifest that cannot be read ends the purge: what it names is not known.
        if let Some(manifest) = read_cluster_manifest(bucket, &backup).await? {
            held.push(Held {
                backup: backup.clone(),
                written: time_of(&meta),
            });
            backups.insert(
                backup,
                manifest
                    .nodes
                    .into_iter()
                    .map(|node| node.node.host_id)
                    .collect(),
            );
        }
    }
    for backup in expired(held, now, job.keep_count, job.keep_days) {
        if bucket.delete(&bucket.backup(&backup)).await? == Deletion::Locked {
            summary.locked += 1;
        } else {
            backups.remove(&backup);
            summary.deleted_backups.push(backup);
        }
    }
    Ok(backups)
}

/// All objects that a manifest names: of backups that exist, and of those that are being made.
async fn marked(
    bucket: &Bucket,
    backups: &BTreeMap<Name, Hosts>,
    nodes: &[(Name, Vec<(Name, Path)>)],
    announcement: &mut Announcement<'_>,
) -> Result<HashSet<Digest>> {
    let mut marked = HashSet::new();
    let mut found: BTreeMap<&Name, BTreeSet<&Name>> = BTreeMap::new();
    for (backup, manifests) in nodes {
        for (host, path) in manifests {
            announcement.keep().await?;
            let Some(content) = bucket.read(path, MAX_NODE_MANIFEST).await? else {
                continue;
            };
            let manifest = node::parse(bucket, backup, host, &content)?;
            marked.extend(manifest.files().map(|file| file.digest));
            found.entry(backup).or_default().insert(host);
        }
    }
    for (backup, hosts) in backups {
        let there = found.get(backup);
        if let Some(missing) = hosts
            .iter()
            .find(|host| !there.is_some_and(|there| there.contains(host)))
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
        announcement.keep().await?;
        let locked = bucket
            .delete_all(some.iter().map(|(path, ..)| path.clone()).collect())
            .await?;
        summary.locked += locked;
        summary.deleted_objects += some.len() as u64 - locked;
        summary.deleted_bytes += some.iter().map(|(.., size)| size).sum::<u64>();
    }
    summary.orphans -= summary.deleted_objects;
    summary.orphan_bytes = summary.orphan_bytes.saturating_sub(summary.deleted_bytes);
    bucket.put(&path, node::json(&next, MAX_ORPHANS)?).await
}
