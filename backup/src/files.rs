//! Files of the volume, read in pieces of bounded size.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use casskop_backup_protocol::Digest;
use ring::digest::{Context, SHA256};

use crate::error::{Failure, Result};
use crate::pace::Pace;

/// Bytes that are read at once for a digest.
const PIECE: usize = 1 << 20;

/// The folder that a new file system has of its own.
pub(crate) const LOST_AND_FOUND: &str = "lost+found";

/// The failure of an action on a file or folder.
pub(crate) fn failure(what: &str, path: &Path) -> impl Fn(std::io::Error) -> Failure {
    let what = format!("{what} {}", path.display());
    move |error| Failure::file(&what, &error)
}

/// Makes sure that the names in a folder are on the disk.
///
/// # Errors
/// They are not known to be.
pub(crate) fn sync(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failure("write", folder))
}

/// A file as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) identity: String,
}

impl Source {
    pub(crate) fn new(path: PathBuf, meta: &Metadata) -> Self {
        let nanoseconds = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        Self {
            path,
            size: meta.size(),
            identity: format!("{}-{nanoseconds}", meta.ino()),
        }
    }

    /// Opens the file that was seen, and no other one that has its name now. A pipe does not hold it up.
    pub(crate) async fn open(&self) -> Result<File> {
        let this = self.clone();
        blocking(move || this.open_here()).await?
    }

    /// The same on this thread.
    pub(crate) fn open_here(&self) -> Result<File> {
        let what = format!("read {}", self.path.display());
        let failure = |error: std::io::Error| Failure::file(&what, &error);
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&self.path)
            .map_err(failure)?;
        let meta = file.metadata().map_err(failure)?;
        if meta.is_file() && Self::new(self.path.clone(), &meta) == *self {
            return Ok(file);
        }
        Err(Failure::retry(
            what,
            "another file has its name now, or it was written to",
            "run the same job again; make a new snapshot if it happens again",
        ))
    }
}

/// Runs what blocks on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::retry("read files", error, "run the same job again"))
}

/// Reads a file once, from its beginning to its end.
pub(crate) struct Reader {
    file: Option<File>,
    path: PathBuf,
}

impl Reader {
    pub(crate) async fn open(source: &Source) -> Result<Self> {
        Ok(Self {
            file: Some(source.open().await?),
            path: source.path.clone(),
        })
    }

    /// The next `most` bytes; fewer at the end.
    pub(crate) async fn next(&mut self, most: usize) -> Result<Bytes> {
        let Some(mut file) = self.file.take() else {
            return Ok(Bytes::new());
        };
        // Made and dropped by one thread: the allocator keeps a heap for each thread that makes some.
        let mut piece = vec![0; most];
        let (file, piece) = blocking(move || {
            let piece = fill(&mut file, &mut piece).map(|length| {
                piece.truncate(length);
                Bytes::from(piece)
            });
            (file, piece)
        })
        .await?;
        self.file = Some(file);
        piece.map_err(|error| Failure::file(format!("read {}", self.path.display()), &error))
    }
}

fn fill(file: &mut File, piece: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < piece.len() {
        match file.read(&mut piece[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// The digest of a file and its length.
pub(crate) async fn digest(source: &Source, pace: &Pace) -> Result<(Digest, u64)> {
    let mut file = source.open().await?;
    let (mut context, mut piece, mut total) = (Context::new(&SHA256), vec![0; PIECE], 0);
    loop {
        let read;
        (file, context, piece, read) = blocking(move || {
            let read = fill(&mut file, &mut piece);
            if let Ok(length) = read {
                context.update(&piece[..length]);
            }
            (file, context, piece, read)
        })
        .await?;
        let length =
            read.map_err(|error| Failure::file(format!("read {}", source.path.display()), &error))?;
        if length == 0 {
            return Ok((finish(context), total));
        }
        total += length as u64;
        pace.take(length).await;
    }
}

/// The digest that a context has come to.
pub(crate) fn finish(context: Context) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Digest::new(bytes)
}

/// The digest of bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    finish(context)
}
