//! Reads objects, and checks that their content is that of their name.

use bytes::Bytes;
use casskop_backup_protocol::Digest;
use ring::digest::{Context, SHA256};

use crate::bucket::Bucket;
use crate::error::{Failure, Result};
use crate::files::finish;

/// Bytes of one request.
const PIECE: u64 = 4 << 20;

/// Gives the content of an object to `each`, piece by piece.
///
/// # Errors
/// The object is missing, has another length or another content: the outcome is `Damaged`, and what `each` has got is
/// worth nothing.
pub(crate) async fn download(
    bucket: &Bucket,
    digest: &Digest,
    size: u64,
    mut each: impl AsyncFnMut(Bytes) -> Result<()>,
) -> Result<()> {
    let path = bucket.object(digest);
    let damaged = |why: String| {
        Failure::damaged(
            format!("read {path}"),
            why,
            "restore another backup; the next backup does not need this object",
        )
    };
    let meta = bucket
        .head(&path)
        .await?
        .ok_or_else(|| damaged("it is missing".to_owned()))?;
    if meta.size != size {
        return Err(damaged(format!(
            "it has {} bytes instead of {size}",
            meta.size
        )));
    }
    let (mut context, mut at) = (Context::new(&SHA256), 0);
    while at < size {
        let to = size.min(at + PIECE);
        let piece = bucket.range(&path, at, to).await?;
        if piece.len() as u64 != to - at {
            return Err(damaged(format!(
                "the store gave {} bytes of {}",
                piece.len(),
                to - at
            )));
        }
        context.update(&piece);
        bucket.pace.take(piece.len()).await;
        each(piece).await?;
        at = to;
    }
    let found = finish(context);
    if found == *digest {
        Ok(())
    } else {
        Err(damaged(format!("its content has the digest {found}")))
    }
}
