//! A purge's announcement that it deletes: an object below `sweeping/`, written again while the purge lives.
//!
//! It is a lease. A backup takes a purge without a sign of life for dead after [`OVER_SECONDS`] of the store's clock; the purge
//! sends no deletion after [`LAPSED`], and waits for none longer. The time between the two is for requests on their way.

use std::time::Duration;

use bytes::Bytes;
use casskop_backup_protocol::{Name, Outcome};
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::timeout;

use crate::bucket::{Bucket, Deletion, time_of};
use crate::clock::Elapsed;
use crate::error::{Failure, Result};

/// After so long it is written again.
const RENEW: Duration = Duration::from_secs(60);
/// After so long without that, the purge deletes nothing more.
const LAPSED: Duration = Duration::from_secs(300);
/// After so many seconds of the store's clock, a backup takes the purge for dead.
const OVER_SECONDS: i64 = 600;
/// Deletions between two looks at the clock of the store.
const BATCH: usize = 64;

/// Whether a purge whose last sign of life is of `sweep` is dead at `now`, both by the clock of the store.
pub(crate) fn is_over(sweep: Timestamp, now: Timestamp) -> bool {
    now.duration_since(sweep).as_secs() > OVER_SECONDS
}

/// A name that nothing else has.
pub(crate) fn random() -> Result<String> {
    let mut random = [0; 8];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|error| Failure::retry("make a random name", error, "run the same job again"))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(random)))
}

/// An announcement that stands until it is withdrawn.
pub(crate) struct Announcement<'a> {
    bucket: &'a Bucket,
    path: Path,
    /// Since the last sign of life, by the clocks of this machine.
    renewed: Elapsed,
    /// The last sign of life, by the clock of the store.
    sign: Timestamp,
    /// When it was made, by the clock of the store.
    pub(crate) at: Timestamp,
}

impl<'a> Announcement<'a> {
    /// Announces, and removes what dead purges have left. Each purge has an announcement of its own: one that ends does not
    /// end that of another.
    pub(crate) async fn make(bucket: &'a Bucket) -> Result<Self> {
        let path = name(bucket)?;
        let renewed = bucket.clock.start();
        let at = sign(bucket, &path).await?;
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
            sign: at,
            at,
        })
    }

    /// The rest of the lease.
    fn left(&self) -> Result<Duration> {
        let age = (self.renewed)();
        LAPSED
            .checked_sub(age)
            .filter(|left| !left.is_zero())
            .ok_or_else(|| lapsed(age.as_secs()))
    }

    /// Before each step that relies on it.
    pub(crate) async fn keep(&mut self) -> Result<()> {
        self.left()?;
        if (self.renewed)() > RENEW {
            self.renew().await?;
        }
        Ok(())
    }

    /// Before deletions. The clock of the store goes on whatever happens to this machine: it tells of a suspension that the
    /// clocks here do not show.
    async fn renew(&mut self) -> Result<()> {
        self.left()?;
        let renewed = self.bucket.clock.start();
        let sign = match sign(self.bucket, &self.path).await {
            // A lock on every object of the bucket keeps it from being written again: another one takes its place.
            Err(failure) if failure.outcome == Outcome::Failed => {
                self.path = name(self.bucket)?;
                sign(self.bucket, &self.path).await?
            }
            answer => answer?,
        };
        let age = sign.duration_since(self.sign);
        if age > SignedDuration::try_from(LAPSED).unwrap_or_default() {
            return Err(lapsed(age.as_secs().unsigned_abs()));
        }
        (self.renewed, self.sign) = (renewed, sign);
        self.left().map(drop)
    }

    /// Ends a backup for ever, within the lease.
    pub(crate) async fn bury(&mut self, backup: &Name) -> Result<()> {
        self.renew().await?;
        match timeout(self.left()?, self.bucket.bury(backup)).await {
            Ok(answer) => answer,
            Err(_) => Err(lapsed(LAPSED.as_secs())),
        }
    }

    async fn delete(&self, path: &Path) -> Result<Deletion> {
        let left = self.left()?;
        match timeout(left, self.bucket.delete(path)).await {
            Ok(answer) => answer,
            Err(_) => Err(lapsed(LAPSED.as_secs())),
        }
    }

    /// Deletes objects, some at once, each within the lease; the number of those that are locked.
    pub(crate) async fn delete_all(&mut self, paths: &[Path]) -> Result<u64> {
        let mut locked = 0;
        for some in paths.chunks(BATCH) {
            self.renew().await?;
            let lease = &*self;
            let mut answers = stream::iter(some)
                .map(|path| lease.delete(path))
                .buffer_unordered(8);
            while let Some(answer) = answers.next().await {
                locked += u64::from(answer? == Deletion::Locked);
            }
        }
        Ok(locked)
    }

    pub(crate) async fn withdraw(self) -> Result<Deletion> {
        self.bucket.delete(&self.path).await
    }
}

fn name(bucket: &Bucket) -> Result<Path> {
    Ok(bucket.folder(&format!("sweeping/{}.json", random()?)))
}

/// Writes it; the time of the store on it.
async fn sign(bucket: &Bucket, path: &Path) -> Result<Timestamp> {
    bucket.put(path, Bytes::from_static(b"{}")).await?;
    let mine = bucket.head(path).await?.ok_or_else(|| {
        Failure::retry(
            "announce a purge",
            "it is gone again",
            "run the same job again",
        )
    })?;
    Ok(time_of(&mine))
}

fn lapsed(seconds: u64) -> Failure {
    Failure::retry(
        "go on with the purge",
        format!("one step took {seconds} s or more, and a backup may have begun"),
        "run the same job again",
    )
}
