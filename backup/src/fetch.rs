//! `fetch`: brings the files of one node of a backup into an empty folder.
//!
//! A file gets its name after its content was checked and is on the disk; before that it is below `.casskop-restore`. The
//! folder also says which backup it is of, so that the same job continues and no other one adds to it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use casskop_backup_protocol::{
    Cluster, FetchJob, FileEntry, MAX_NODE_MANIFEST, Name, NodeManifest, Summary,
};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;
use crate::catalogue::show;
use crate::download::download;
use crate::error::{Failure, Result};
use crate::files::{self, blocking, digest_of};
use crate::node;

/// Folder for what is not finished.
const WORK: &str = ".casskop-restore";
/// Numbers the files there.
static NUMBER: AtomicU64 = AtomicU64::new(0);
/// What a new file system has of its own.
const LOST_AND_FOUND: &str = "lost+found";

/// Says which backup the folder is filled from.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Origin {
    cluster: Cluster,
    backup: Name,
    host_id: Name,
    keyspaces: Vec<Name>,
}

/// One file to be brought.
struct Target<'a> {
    folder: PathBuf,
    path: PathBuf,
    entry: &'a FileEntry,
}

/// Fetches the files of a node. Run again, it continues.
///
/// # Errors
/// The folder holds anything else, the disk is full, or the backup is damaged. No file has its name then unless it is
/// complete.
pub async fn fetch(bucket: &Bucket, job: &FetchJob) -> Result<Summary> {
    let mut summary = Summary {
        backup: Some(job.backup.clone()),
        ..Summary::default()
    };
    let manifest = manifest(bucket, job).await?;
    let into = PathBuf::from(&job.into);
    let origin = Origin {
        cluster: job.cluster.clone(),
        backup: job.backup.clone(),
        host_id: job.host_id.clone(),
        keyspaces: job.keyspaces.clone(),
    };
    let folder = into.clone();
    blocking(move || prepare(&folder, &origin)).await??;

    let mut targets = Vec::new();
    for table in manifest
        .tables
        .iter()
        .filter(|table| job.keyspaces.is_empty() || job.keyspaces.contains(&table.keyspace))
    {
        let folder = into
            .join(table.keyspace.as_str())
            .join(table.directory.as_str());
        make_folder(&into, &folder)?;
        for entry in &table.files {
            let path = folder.join(entry.path.as_str());
            let folder = path.parent().unwrap_or(&folder).to_owned();
            targets.push(Target {
                folder,
                path,
                entry,
            });
        }
    }
    if targets.is_empty() {
        let what = format!("fetch node {} of backup {}", job.host_id, job.backup);
        return Err(Failure::failed(
            what,
            "it has no file in these keyspaces",
            "check the keyspaces of the job",
        ));
    }
    let mut transfers = stream::iter(&targets)
        .map(|target| bring(bucket, &into, target))
        .buffer_unordered(bucket.transfers);
    while let Some(brought) = transfers.try_next().await? {
        summary.files += 1;
        match brought {
            Brought::New(bytes) => {
                summary.sent_objects += 1;
                summary.sent_bytes += bytes;
                summary.bytes += bytes;
            }
            Brought::There(bytes) => {
                summary.skipped_objects += 1;
                summary.skipped_bytes += bytes;
                summary.bytes += bytes;
            }
        }
    }
    Ok(summary)
}

async fn manifest(bucket: &Bucket, job: &FetchJob) -> Result<NodeManifest> {
    let cluster = show(bucket, &job.backup).await?;
    let what = || format!("fetch node {} of backup {}", job.host_id, job.backup);
    let Some(entry) = cluster
        .nodes
        .iter()
        .find(|entry| entry.node.host_id == job.host_id)
    else {
        return Err(Failure::failed(
            what(),
            "the backup has no such node",
            "choose a host id that `show` has",
        ));
    };
    let path = bucket.node(&job.backup, &job.host_id);
    let damaged =
        |why: &str| Failure::damaged(what(), format!("{path} {why}"), "restore another backup");
    let content = bucket
        .read(&path, MAX_NODE_MANIFEST)
        .await?
        .ok_or_else(|| damaged("is missing"))?;
    if digest_of(&content) != entry.manifest {
        return Err(damaged("is not the one that was completed"));
    }
    node::parse(bucket, &job.backup, &job.host_id, &content)
}

fn failure(what: &str, path: &Path) -> impl Fn(std::io::Error) -> Failure {
    let what = format!("{what} {}", path.display());
    move |error| Failure::file(&what, &error)
}

/// Makes sure that the folder is empty, or filled by this job before.
fn prepare(into: &Path, origin: &Origin) -> Result<()> {
    let work = into.join(WORK);
    let says = work.join("origin.json");
    let refused = |why: String| {
        Failure::failed(
            format!("fetch into {}", into.display()),
            why,
            "fetch into an empty folder",
        )
    };
    match fs::read(&says) {
        Ok(content) => match serde_json::from_slice::<Origin>(&content) {
            Ok(there) if there == *origin => {}
            Ok(there) => {
                let why = format!(
                    "it is filled from backup {} of cluster {}, node {}",
                    there.backup, there.cluster.name, there.host_id
                );
                return Err(refused(why));
            }
            Err(error) => {
                return Err(refused(format!(
                    "{} cannot be read: {error}",
                    says.display()
                )));
            }
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            for entry in fs::read_dir(into).map_err(failure("read", into))? {
                let name = entry.map_err(failure("read", into))?.file_name();
                if name != LOST_AND_FOUND && name != WORK {
                    return Err(refused(format!("it holds {}", name.to_string_lossy())));
                }
            }
            make_folder(into, &work)?;
            let content = serde_json::to_vec(origin).map_err(|error| refused(error.to_string()))?;
            let new = work.join("origin.new");
            let mut file = File::create(&new).map_err(failure("write", &new))?;
            file.write_all(&content)
                .and_then(|()| file.sync_all())
                .map_err(failure("write", &new))?;
            fs::rename(&new, &says).map_err(failure("write", &says))?;
            sync(&work)?;
        }
        Err(error) => return Err(failure("read", &says)(error)),
    }
    // What a job that was killed has left.
    for entry in fs::read_dir(&work).map_err(failure("read", &work))? {
        let path = entry.map_err(failure("read", &work))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "part")
        {
            fs::remove_file(&path).map_err(failure("remove", &path))?;
        }
    }
    Ok(())
}

/// Makes a folder below `root`. No link is followed: nothing is written outside of it.
fn make_folder(root: &Path, folder: &Path) -> Result<()> {
    let mut path = root.to_owned();
    for segment in folder.strip_prefix(root).unwrap_or(Path::new("")) {
        path.push(segment);
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let real = fs::symlink_metadata(&path)
                    .map_err(failure("read", &path))?
                    .is_dir();
                if !real {
                    let what = format!("make the folder {}", path.display());
                    return Err(Failure::failed(
                        what,
                        "something else has the name",
                        "fetch into an empty folder",
                    ));
                }
            }
            Err(error) => return Err(failure("make the folder", &path)(error)),
        }
    }
    Ok(())
}

fn sync(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failure("write", folder))
}

enum Brought {
    New(u64),
    There(u64),
}

async fn bring(bucket: &Bucket, into: &Path, target: &Target<'_>) -> Result<Brought> {
    let (entry, path) = (target.entry, &target.path);
    make_folder(into, &target.folder)?;
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() && meta.len() == entry.size => {
            let (digest, _) = files::digest(path, &bucket.pace).await?;
            if digest == entry.digest {
                return Ok(Brought::There(entry.size));
            }
            return Err(foreign(path));
        }
        Ok(_) => return Err(foreign(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failure("read", path)(error)),
    }
    // A name of its own: a thread of a transfer that was given up may still be busy with its file.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let part = into
        .join(WORK)
        .join(format!("{}-{number}.part", std::process::id()));
    let result = write(bucket, target, &part).await;
    if result.is_err() {
        let _ = fs::remove_file(&part);
    }
    result
}

async fn write(bucket: &Bucket, target: &Target<'_>, part: &Path) -> Result<Brought> {
    let entry = target.entry;
    let opened = OpenOptions::new().write(true).create_new(true).open(part);
    let mut file = Some(opened.map_err(failure("write", part))?);
    download(bucket, &entry.digest, entry.size, async |piece| {
        let Some(mut open) = file.take() else {
            return Ok(());
        };
        let (open, written) = blocking(move || {
            let written = open.write_all(&piece);
            (open, written)
        })
        .await?;
        file = Some(open);
        written.map_err(failure("write", part))
    })
    .await?;
    let (part, folder, path) = (part.to_owned(), target.folder.clone(), target.path.clone());
    blocking(move || {
        if let Some(file) = &file {
            file.sync_all().map_err(failure("write", &part))?;
        }
        fs::rename(&part, &path).map_err(failure("write", &path))?;
        sync(&folder)
    })
    .await??;
    Ok(Brought::New(entry.size))
}

fn foreign(path: &Path) -> Failure {
    let what = format!("write {}", path.display());
    Failure::failed(
        what,
        "another file has the name",
        "fetch into an empty folder: no file is replaced",
    )
}
