//! The marks of backups that are being made, below `running/`.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use casskop_backup_protocol::Name;

use crate::announcement;
use crate::bucket::{Bucket, json_name, time_of};
use crate::error::{Failure, Result};

/// Says that the backup is being made, and waits until no purge deletes: what this backup finds in the store stays there.
/// Whichever writes first, one of the two sees the other (see [`crate::purge`]).
pub(crate) async fn begin(bucket: &Bucket, backup: &Name, who: &Name) -> Result<()> {
    let mark = bucket.running(backup, who);
    let mut waited = Duration::ZERO;
    loop {
        // First: no mark is left behind for a backup that never ends.
        if bucket.is_gone(backup).await? {
            return Err(gone(backup));
        }
        // Written anew each time: the time of the store on it says how long ago the purge gave a sign of life.
        renew(bucket, backup, who).await?;
        let sweeps = bucket.listed("sweeping").await?;
        if sweeps.is_empty() {
            break;
        }
        if let Some(mark) = bucket.head(&mark).await?
            && sweeps
                .iter()
                .all(|sweep| announcement::is_over(time_of(sweep), time_of(&mark)))
        {
            break;
        }
        if waited >= bucket.patience {
            return Err(Failure::retry(
                format!("go on with backup {backup}"),
                "a purge deletes objects",
                "run the same job again in some minutes, or run the purge to its end",
            ));
        }
        waited += Duration::from_secs(5);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    // Once more: the purge that was waited for may have given the backup up.
    if bucket.is_gone(backup).await? {
        return Err(gone(backup));
    }
    Ok(())
}

/// A sign of life.
pub(crate) async fn renew(bucket: &Bucket, backup: &Name, who: &Name) -> Result<()> {
    let mark = bucket.running(backup, who);
    bucket.put(&mark, Bytes::from_static(b"{}")).await
}

pub(crate) fn gone(backup: &Name) -> Failure {
    Failure::failed(
        format!("go on with backup {backup}"),
        "it was deleted, or given up by a purge",
        "begin a new backup with an id that was never used",
    )
}

/// Those that have begun the backup.
pub(crate) async fn of_backup(bucket: &Bucket, backup: &Name) -> Result<BTreeSet<Name>> {
    let marks = bucket.listed(&format!("running/{backup}")).await?;
    Ok(marks
        .iter()
        .filter_map(|meta| json_name(&meta.location))
        .collect())
}

/// The backup is being made no longer by these.
pub(crate) async fn end(
    bucket: &Bucket,
    backup: &Name,
    who: impl Iterator<Item = &Name>,
) -> Result<()> {
    let marks = who.map(|who| bucket.running(backup, who)).collect();
    bucket.delete_all(marks).await.map(drop)
}
