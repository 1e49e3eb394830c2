//! A purge's announcement that it deletes: an object below `sweeping/`, written again while the purge lives.

use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use object_store::path::Path;
use ring::rand::{SecureRandom, SystemRandom};

use crate::bucket::{Bucket, Deletion, time_of};
use crate::error::{Failure, Result};

/// After so long it is written again.
const RENEW: Duration = Duration::from_secs(60);
/// After so long without that, the purge deletes nothing more. The deadline of a request still fits before [`OVER_SECONDS`].
const LAPSED: Duration = Duration::from_secs(300);
/// After so many seconds of the store's clock, a backup takes the purge for dead.
const OVER_SECONDS: i64 = 600;

/// Whether a purge whose last sign of life is of `sweep` is dead at `now`, both by the clock of the store.
pub(crate) fn is_over(sweep: Timestamp, now: Timestamp) -> bool {
    now.duration_since(sweep).as_secs() > OVER_SECONDS
}

/// An announcement that stands until it is withdrawn.
#[derive(Debug)]
pub(crate) struct Announcement<'a> {
    bucket: &'a Bucket,
    path: Path,
    renewed: Instant,
    /// When it was made, by the clock of the store.
    pub(crate) at: Timestamp,
}

impl<'a> Announcement<'a> {
    /// Announces, and removes what dead purges have left. Each purge has an announcement of its own: one that ends does not
    /// end that of another.
    pub(crate) async fn make(bucket: &'a Bucket) -> Result<Self> {
        let what = "announce a purge";
        let mut random = [0; 8];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|error| Failure::retry(what, error, "run the same job again"))?;
        let path = bucket.folder(&format!(
            "sweeping/{:016x}.json",
            u64::from_ne_bytes(random)
        ));
        let renewed = Instant::now();
        bucket.put(&path, Bytes::from_static(b"{}")).await?;
        let mine = bucket.head(&path).await?;
        let mine =
            mine.ok_or_else(|| Failure::retry(what, "it is gone again", "run the same job again"))?;
        let at = time_of(&mine);
        let dead = bucket
            .listed("sweeping")
            .await?
            .into_iter()
            .filter(|other| is_over(time_of(other), at));
        bucket
            .delete_all(dead.map(|meta| meta.location).collect())
            .await?;
        Ok(Self {
            bucket,
            path,
            renewed,
            at,
        })
    }

    /// Before each step that relies on it.
    pub(crate) async fn keep(&mut self) -> Result<()> {
        let age = self.renewed.elapsed();
        if age > LAPSED {
            let why = format!(
                "the store took {} s for one step, and a backup may have begun",
                age.as_secs()
            );
            return Err(Failure::retry(
                "go on with the purge",
                why,
                "run the same job again",
            ));
        }
        if age > RENEW {
            let renewed = Instant::now();
            self.bucket
                .put(&self.path, Bytes::from_static(b"{}"))
                .await?;
            self.renewed = renewed;
        }
        Ok(())
    }

    pub(crate) async fn withdraw(self) -> Result<Deletion> {
        self.bucket.delete(&self.path).await
    }
}
