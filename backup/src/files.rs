//! Files of the volume: the walk over snapshots, and reading in pieces of bounded size.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use casskop_backup_protocol::{Digest, FilePath, Name};
use ring::digest::{Context, SHA256};

use crate::error::{Failure, Result};
use crate::pace::Pace;

/// Bytes that are read at once for a digest.
const PIECE: usize = 1 << 20;

/// A table's part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) keyspace: Name,
    pub(crate) directory: Name,
    pub(crate) files: Vec<Found>,
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: FilePath,
    pub(crate) source: PathBuf,
    pub(crate) size: u64,
    pub(crate) identity: String,
}

/// Runs what blocks on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::retry("read files", error, "run the same job again"))
}

/// The tables of a snapshot below the data directories, in the order of their names.
pub(crate) fn walk(data: &[PathBuf], snapshot: &Name, keyspaces: &[Name]) -> Result<Vec<Table>> {
    let mut tables: Vec<Table> = Vec::new();
    for root in data {
        for (keyspace, folder) in folders(root)? {
            let Ok(keyspace) = keyspace.parse::<Name>() else {
                continue;
            };
            if !keyspaces.is_empty() && !keyspaces.contains(&keyspace) {
                continue;
            }
            for (directory, folder) in folders(&folder)? {
                let Ok(directory) = directory.parse::<Name>() else {
                    continue;
                };
                let tag = folder.join("snapshots").join(snapshot.as_str());
                if !tag.is_dir() {
                    continue;
                }
                let files = files_of(&tag)?;
                // A table has a folder in each data directory.
                match tables
                    .iter_mut()
                    .find(|table| table.keyspace == keyspace && table.directory == directory)
                {
                    Some(table) => merge(table, files)?,
                    None => tables.push(Table {
                        keyspace: keyspace.clone(),
                        directory,
                        files,
                    }),
                }
            }
        }
    }
    for table in &mut tables {
        table
            .files
            .sort_by(|left, right| left.path.cmp(&right.path));
    }
    tables.sort_by(|left, right| {
        (&left.keyspace, &left.directory).cmp(&(&right.keyspace, &right.directory))
    });
    Ok(tables)
}

/// `schema.cql` and `manifest.json` are written into each data directory; SSTables have names of their own.
fn merge(table: &mut Table, files: Vec<Found>) -> Result<()> {
    for file in files {
        match table.files.iter().find(|other| other.path == file.path) {
            None => table.files.push(file),
            Some(_) if is_description(&file.path) => {}
            Some(_) => {
                let what = format!(
                    "read the snapshot of {}.{}",
                    table.keyspace, table.directory
                );
                let why = format!("{} is in two data directories", file.path);
                return Err(Failure::failed(
                    what,
                    why,
                    "make a new snapshot, and report it if it happens again",
                ));
            }
        }
    }
    Ok(())
}

/// Whether a file describes the snapshot and is none of its SSTables.
pub(crate) fn is_description(path: &FilePath) -> bool {
    matches!(path.as_str(), "schema.cql" | "manifest.json")
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf, std::fs::Metadata)>> {
    let failure = |error: &std::io::Error| {
        Failure::file(format!("read the folder {}", folder.display()), error)
    };
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| failure(&error))? {
        let entry = entry.map_err(|error| failure(&error))?;
        // Not that of what a link points to: nothing outside of the folder is read.
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            // Another table was dropped meanwhile, or another snapshot cleared.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failure(&error)),
        };
        all.push((
            entry.file_name().to_string_lossy().into_owned(),
            entry.path(),
            meta,
        ));
    }
    all.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(all)
}

fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    Ok(entries(folder)?
        .into_iter()
        .filter(|(_, _, meta)| meta.is_dir())
        .map(|(name, path, _)| (name, path))
        .collect())
}

fn files_of(tag: &Path) -> Result<Vec<Found>> {
    let mut files = Vec::new();
    for (name, path, meta) in entries(tag)? {
        if meta.is_file() {
            files.push(found(&name, path, &meta)?);
        } else if meta.is_dir() && name.starts_with('.') {
            for (file, path, meta) in entries(&path)?
                .into_iter()
                .filter(|(_, _, meta)| meta.is_file())
            {
                files.push(found(&format!("{name}/{file}"), path, &meta)?);
            }
        } else {
            let what = format!("read the snapshot {}", tag.display());
            return Err(Failure::failed(
                what,
                format!("{name} is not a file"),
                "report it: the snapshot is not as Cassandra makes it",
            ));
        }
    }
    Ok(files)
}

fn found(path: &str, source: PathBuf, meta: &std::fs::Metadata) -> Result<Found> {
    let path = path.parse().map_err(|error| {
        Failure::failed(
            format!("read the snapshot file {}", source.display()),
            error,
            "report it: no version of Cassandra is known to write it",
        )
    })?;
    let nanoseconds = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    Ok(Found {
        path,
        source,
        size: meta.size(),
        identity: format!("{}-{nanoseconds}", meta.ino()),
    })
}

/// Reads a file once, from its beginning to its end.
pub(crate) struct Reader {
    file: Option<File>,
    path: PathBuf,
}

impl Reader {
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        let name = path.to_owned();
        let file = blocking(move || File::open(name)).await?;
        let file =
            file.map_err(|error| Failure::file(format!("read {}", path.display()), &error))?;
        Ok(Self {
            file: Some(file),
            path: path.to_owned(),
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
pub(crate) async fn digest(path: &Path, pace: &Pace) -> Result<(Digest, u64)> {
    let failure = |error: &std::io::Error| Failure::file(format!("read {}", path.display()), error);
    let name = path.to_owned();
    let mut file = blocking(move || File::open(name))
        .await?
        .map_err(|error| failure(&error))?;
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
        let length = read.map_err(|error| failure(&error))?;
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
