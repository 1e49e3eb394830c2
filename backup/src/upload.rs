//! Brings one file into the store under its digest, in parts of bounded size.

use std::pin::pin;

use casskop_backup_protocol::Digest;
use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt};
use ring::digest::{Context, SHA256};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::bucket::Bucket;
use crate::error::{Failure, Result};
use crate::files::{self, Reader, Source};

const MIB: u64 = 1 << 20;
/// Up to this size a file is sent in one request, and a larger one in parts of it: the smallest that S3 takes.
const PART: u64 = 5 * MIB;
/// Parts that every store takes in one object.
const PARTS: u64 = 10_000;
/// Mebibytes of parts that are in memory at once, of all transfers together.
const BUDGET: u32 = 20;

/// The memory for parts. A part that is larger than all of it has it alone.
pub(crate) struct Memory(Semaphore);

impl Memory {
    pub(crate) fn new() -> Self {
        Self(Semaphore::new(BUDGET as usize))
    }

    async fn take(&self, bytes: u64) -> Result<SemaphorePermit<'_>> {
        let mebibytes = u32::try_from(bytes.div_ceil(MIB))
            .unwrap_or(BUDGET)
            .clamp(1, BUDGET);
        let permit = self.0.acquire_many(mebibytes).await;
        permit.map_err(|error| {
            Failure::retry("reserve memory for a part", error, "run the same job again")
        })
    }
}

/// The size of the parts of a file: that of all, unless there would be too many.
pub(crate) fn part_size(size: u64) -> u64 {
    PART.max(size.div_ceil(PARTS).next_multiple_of(MIB))
}

/// Sends the file and returns its length. The digest is computed again from what is sent: an object never has a name that
/// is not that of its content.
pub(crate) async fn upload(
    bucket: &Bucket,
    memory: &Memory,
    digest: &Digest,
    source: &Source,
) -> Result<u64> {
    let size = source.size;
    let mut reader = Reader::open(source).await?;
    if size <= PART {
        let _reserved = memory.take(size).await?;
        let content = reader
            .next(usize::try_from(size).unwrap_or_default())
            .await?;
        if files::digest_of(&content) != *digest || !reader.next(1).await?.is_empty() {
            return Err(changed(source));
        }
        bucket.pace.take(content.len()).await;
        bucket.put(&bucket.object(digest), content).await?;
        return Ok(size);
    }
    let path = bucket.object(digest);
    let begun = bucket.bounded(bucket.store.put_multipart(&path)).await;
    let mut upload = begun.map_err(|error| Failure::store(format!("write {path}"), &error))?;
    let sent = match send(bucket, memory, digest, &mut reader, source, &mut upload).await {
        Ok(()) => finish(bucket, &path, size, &mut upload).await,
        Err(failure) => Err(failure),
    };
    if let Err(failure) = sent {
        // A store keeps the parts of an upload that was given up, and asks money for them.
        let _ = bucket.bounded(upload.abort()).await;
        return Err(failure);
    }
    Ok(size)
}

/// Makes an object of the parts. If the answer is lost, a repetition is told that there is no such upload: the object is looked
/// for. The one with this length is this one, or one that another node has sent under the same digest.
async fn finish(
    bucket: &Bucket,
    path: &Path,
    size: u64,
    upload: &mut Box<dyn MultipartUpload>,
) -> Result<()> {
    let Err(error) = bucket.bounded(upload.complete()).await else {
        return Ok(());
    };
    match bucket.head(path).await {
        Ok(Some(meta)) if meta.size == size => Ok(()),
        _ => Err(Failure::store(format!("write {path}"), &error)),
    }
}

async fn send(
    bucket: &Bucket,
    memory: &Memory,
    digest: &Digest,
    reader: &mut Reader,
    source: &Source,
    upload: &mut Box<dyn MultipartUpload>,
) -> Result<()> {
    let size = source.size;
    let part = part_size(size);
    let length = usize::try_from(part)
        .map_err(|error| Failure::failed("read a part", error, "use a 64-bit machine"))?;
    let (mut context, mut total) = (Context::new(&SHA256), 0);
    let mut parts = FuturesUnordered::new();
    loop {
        while parts.len() >= bucket.transfers {
            let _: Option<()> = parts.try_next().await?;
        }
        let reserved = beside(&mut parts, memory.take(part)).await?;
        let piece = beside(&mut parts, reader.next(length)).await?;
        if piece.is_empty() {
            break;
        }
        total += piece.len() as u64;
        context.update(&piece);
        let paced = async {
            bucket.pace.take(piece.len()).await;
            Ok(())
        };
        let () = beside(&mut parts, paced).await?;
        let sent = upload.put_part(piece.into());
        parts.push(async move {
            let answer = bucket.bounded(sent).await;
            drop(reserved);
            answer.map_err(|error| {
                Failure::store(format!("write a part of {}", bucket.object(digest)), &error)
            })
        });
    }
    while parts.try_next().await?.is_some() {}
    if total == size && files::finish(context) == *digest {
        Ok(())
    } else {
        Err(changed(source))
    }
}

/// Waits for the next part while the parts before it are sent: those hold the memory that it may wait for, and a store gives
/// up a request whose bytes do not come.
async fn beside<T>(
    parts: &mut FuturesUnordered<impl Future<Output = Result<()>>>,
    next: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut next = pin!(next);
    loop {
        tokio::select! {
            biased;
            next = &mut next => return next,
            Some(sent) = parts.next() => { let () = sent?; }
        }
    }
}

fn changed(source: &Source) -> Failure {
    let what = format!("upload {}", source.path.display());
    Failure::retry(
        what,
        "it has changed since its digest was computed",
        "run the same job again; if it happens again, check the disk",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_small_and_parts_are_few() {
        let gib = 1 << 30;
        assert_eq!(part_size(gib), PART);
        assert_eq!(part_size(50_000 * MIB), PART);
        assert_eq!(part_size(100 * gib), 11 * MIB);
        for size in [PART + 1, 48 * gib, 49 * gib, 5_000 * gib] {
            assert!(size.div_ceil(part_size(size)) <= PARTS);
        }
    }
}
