//! `fetch`: brings the files of one node of a backup into an empty folder.
//!
//! A file gets its name after its content was checked and is on the disk; before that it is below `.casskop-restore`. The
//! folder also says which backup it is of, so that the same job continues and no other one adds to it, and has a lock, so that
//! one job at a time works there. The schema of each table is below it too: Cassandra would read `schema.cql` in a table's folder
//! as nothing, and the restore needs it.
//!
//! The files of a node of a new ring get a marker, after everything else: the node starts only with it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use casskop_backup_protocol::{
    Cluster, ClusterManifest, FetchJob, FileEntry, Name, NodeManifest, NodeSummary, Summary,
};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::announcement::random;
use crate::bucket::Bucket;
use crate::catalogue::show;
use crate::download::download;
use crate::error::{Failure, Result};
use crate::files::{self, LOST_AND_FOUND, Source, blocking, failure, sync};
use crate::manifests::read_node;
use crate::marker;
use crate::place;

/// Folder for what is not finished, and for the schemas.
const WORK: &str = ".casskop-restore";

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
    let marker = job.marker.as_ref().map(PathBuf::from);
    if let Some(marker) = &marker
        && marker::is_there(marker, job)?
    {
        // A node may run on these files by now: none is added.
        return Ok(summary);
    }
    let manifest = manifest(bucket, job).await?;
    let done = marker::of(&manifest, job);
    marker::check_tokens(&done, job)?;
    let into = PathBuf::from(&job.into);
    let origin = Origin {
        cluster: job.cluster.clone(),
        backup: job.backup.clone(),
        host_id: manifest.node.host_id.clone(),
        keyspaces: job.keyspaces.clone(),
    };
    if let Some(marker) = &marker {
        marker::make_room(marker, &into, &job.volumes)?;
    }
    let folder = into.clone();
    // Until the end of the job.
    let _lock = blocking(move || prepare(&folder, &origin)).await??;
    if let Some(marker) = &marker
        && marker::is_there(marker, job)?
    {
        // Another job has ended meanwhile.
        return Ok(summary);
    }

    let targets = targets(&into, &manifest, job)?;
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
    if let Some(marker) = &marker {
        marker::write(marker, &done, job)?;
    }
    Ok(summary)
}

/// All files of the wanted tables, whose folders are made.
fn targets<'a>(into: &Path, manifest: &'a NodeManifest, job: &FetchJob) -> Result<Vec<Target<'a>>> {
    let mut targets = Vec::new();
    for table in manifest
        .tables
        .iter()
        .filter(|table| job.keyspaces.is_empty() || job.keyspaces.contains(&table.keyspace))
        // The identity of a node is its own.
        .filter(|table| job.place.is_none() || table.keyspace.as_str() != place::LOCAL)
    {
        let of_table = |root: PathBuf| {
            root.join(table.keyspace.as_str())
                .join(table.directory.as_str())
        };
        let folder = of_table(into.to_owned());
        // Also that of a table without a row.
        make_folder(into, &folder)?;
        let schema = of_table(into.join(WORK).join("schema"));
        let files = table.files.iter().map(|entry| (&folder, entry));
        for (folder, entry) in files.chain(table.schema.iter().map(|entry| (&schema, entry))) {
            let path = folder.join(entry.path.as_str());
            let folder = path.parent().unwrap_or(folder).to_owned();
            targets.push(Target {
                folder,
                path,
                entry,
            });
        }
    }
    Ok(targets)
}

async fn manifest(bucket: &Bucket, job: &FetchJob) -> Result<NodeManifest> {
    let cluster = show(bucket, &job.backup).await?;
    let entry = match (&job.host_id, &job.place) {
        (Some(host_id), None) => by_host_id(&cluster, host_id, job)?,
        (None, Some(place)) => place::find(&cluster, place)?,
        _ => {
            return Err(Failure::failed(
                format!("fetch from backup {}", job.backup),
                "the job has both hostId and place, or neither",
                "write one of them",
            ));
        }
    };
    let host_id = &entry.node.host_id;
    let what = || format!("fetch node {host_id} of backup {}", job.backup);
    let path = bucket.node(&job.backup, host_id, &entry.manifest);
    let manifest = read_node(bucket, &job.backup, host_id, &entry.manifest)
        .await?
        .ok_or_else(|| {
            let why = format!("{path} is missing");
            Failure::damaged(what(), why, "restore another backup")
        })?;
    let has = |keyspace: &&Name| {
        manifest
            .tables
            .iter()
            .any(|table| table.keyspace == **keyspace)
    };
    if let Some(missing) = job.keyspaces.iter().find(|keyspace| !has(keyspace)) {
        return Err(Failure::failed(
            what(),
            format!("it has no table of keyspace {missing}"),
            "check the keyspaces of the job",
        ));
    }
    if job.place.is_some() {
        place::check_schema(&manifest)?;
        place::check_release(&manifest, job.cassandra.as_deref())?;
    }
    Ok(manifest)
}

fn by_host_id<'a>(
    cluster: &'a ClusterManifest,
    host_id: &Name,
    job: &FetchJob,
) -> Result<&'a NodeSummary> {
    let mut nodes = cluster.nodes.iter();
    let found = nodes.find(|entry| entry.node.host_id == *host_id);
    found.ok_or_else(|| {
        Failure::failed(
            format!("fetch node {host_id} of backup {}", job.backup),
            "the backup has no such node",
            "choose a host id that `show` has",
        )
    })
}

/// Makes sure that the folder is empty, or filled by this job before; its lock.
fn prepare(into: &Path, origin: &Origin) -> Result<File> {
    let work = into.join(WORK);
    // Before anything is written.
    if !work.join("origin.json").exists() {
        empty(into)?;
    }
    make_folder(into, &work)?;
    let lock = lock(into, &work)?;
    belongs(into, &work, origin)?;
    // The remains of a job that was killed: no other one is here.
    for entry in fs::read_dir(&work).map_err(failure("read", &work))? {
        let path = entry.map_err(failure("read", &work))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "part")
        {
            match fs::remove_file(&path) {
                // A thread of a job that has just ended may still finish its own file.
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(failure("remove", &path)(error));
                }
                _ => {}
            }
        }
    }
    Ok(lock)
}

/// Of the kernel: it ends with the job, however that ends.
fn lock(into: &Path, work: &Path) -> Result<File> {
    let path = work.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failure("write", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::retry(
            format!("fetch into {}", into.display()),
            "another job fetches into it",
            "run the same job again after the end of the other one",
        )),
        Err(TryLockError::Error(error)) => Err(failure("lock", &path)(error)),
    }
}

fn refused(into: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::failed(
        format!("fetch into {}", into.display()),
        why,
        "fetch into an empty folder",
    )
}

fn empty(into: &Path) -> Result<()> {
    for entry in fs::read_dir(into).map_err(failure("read", into))? {
        let name = entry.map_err(failure("read", into))?.file_name();
        if name != LOST_AND_FOUND && name != WORK {
            return Err(refused(
                into,
                format!("it holds {}", name.to_string_lossy()),
            ));
        }
    }
    Ok(())
}

/// Says whose the folder is, or finds that it is of this job.
fn belongs(into: &Path, work: &Path, origin: &Origin) -> Result<()> {
    let says = work.join("origin.json");
    let content = match fs::read(&says) {
        Ok(content) => content,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            empty(into)?;
            let content = serde_json::to_vec(origin).map_err(|error| refused(into, error))?;
            let new = work.join(format!("{}.part", random()?));
            let mut file = File::create_new(&new).map_err(failure("write", &new))?;
            file.write_all(&content)
                .and_then(|()| file.sync_all())
                .map_err(failure("write", &new))?;
            return publish(&new, &says);
        }
        Err(error) => return Err(failure("read", &says)(error)),
    };
    match serde_json::from_slice::<Origin>(&content) {
        Ok(there) if there == *origin => Ok(()),
        Ok(there) => {
            let why = format!(
                "it is filled from backup {} of cluster {}, node {}",
                there.backup, there.cluster.name, there.host_id
            );
            Err(refused(into, why))
        }
        Err(error) => Err(refused(
            into,
            format!("{} cannot be read: {error}", says.display()),
        )),
    }
}

/// Gives a finished file its name. Unlike a renaming, this replaces nothing.
fn publish(part: &Path, path: &Path) -> Result<()> {
    match fs::hard_link(part, path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(foreign(path)),
        Err(error) => return Err(failure("write", path)(error)),
    }
    fs::remove_file(part).map_err(failure("remove", part))?;
    path.parent().map_or(Ok(()), sync)
}

/// Makes a folder below `root`. No link is followed: nothing is written outside of it.
fn make_folder(root: &Path, folder: &Path) -> Result<()> {
    let mut path = root.to_owned();
    for segment in folder.strip_prefix(root).unwrap_or(Path::new("")) {
        path.push(segment);
        match fs::create_dir(&path) {
            // It would be gone after a loss of power, with the files that are said to be there.
            Ok(()) => path.parent().map_or(Ok(()), sync)?,
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

enum Brought {
    New(u64),
    There(u64),
}

async fn bring(bucket: &Bucket, into: &Path, target: &Target<'_>) -> Result<Brought> {
    let (entry, path) = (target.entry, &target.path);
    make_folder(into, &target.folder)?;
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() && meta.len() == entry.size => {
            let source = Source::new(path.clone(), &meta);
            let (digest, _) = files::digest(&source, &bucket.pace).await?;
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
    let part = into.join(WORK).join(format!("{}.part", random()?));
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
    let (part, path) = (part.to_owned(), target.path.clone());
    blocking(move || {
        if let Some(file) = &file {
            file.sync_all().map_err(failure("write", &part))?;
        }
        publish(&part, &path)
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
