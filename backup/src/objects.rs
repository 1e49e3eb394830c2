//! Which objects are there.

use std::collections::{BTreeMap, HashSet};

use casskop_backup_protocol::Digest;
use futures::{StreamExt, TryStreamExt, stream};

use crate::bucket::Bucket;
use crate::error::{Failure, Result};

/// Up to so many objects are asked for one by one; more are looked for in a list, which has a thousand in an answer.
const ASKED: usize = 500;

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
