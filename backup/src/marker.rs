//! The marker beside the files of a restored node: its start waits for it, so that it is written last.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use casskop_backup_protocol::{FetchJob, NodeManifest, RestoreMarker};

use crate::error::{Failure, Result};
use crate::files::{LOST_AND_FOUND, failure, sync};

/// The marker of a node.
pub(crate) fn of(manifest: &NodeManifest, job: &FetchJob) -> RestoreMarker {
    let node = &manifest.node;
    RestoreMarker {
        cluster: manifest.cluster.clone(),
        backup: manifest.backup.clone(),
        place: job.place.clone(),
        host_id: node.host_id.clone(),
        tokens: node.tokens.clone(),
        num_tokens: u32::try_from(node.tokens.len()).unwrap_or(u32::MAX),
        cassandra_version: node.cassandra_version.clone(),
    }
}

/// Whether the marker of a job is there already.
///
/// # Errors
/// It is that of another restore, or cannot be read.
pub(crate) fn is_there(path: &Path, job: &FetchJob) -> Result<bool> {
    let content = match fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failure("read", path)(error)),
    };
    let why = match serde_json::from_slice::<RestoreMarker>(&content) {
        Ok(there) if is_of(&there, job) => {
            check_tokens(&there, job)?;
            return Ok(true);
        }
        Ok(there) => format!(
            "its volume has backup {} of cluster {}, node {}",
            there.backup, there.cluster.name, there.host_id
        ),
        Err(error) => format!("{} cannot be read: {error}", path.display()),
    };
    Err(refused(job, why))
}

/// Decided without the backup, which may be deleted once its files are here.
fn is_of(there: &RestoreMarker, job: &FetchJob) -> bool {
    let wanted = (&job.cluster, &job.backup, &job.place);
    let host_id = job.host_id.as_ref();
    (&there.cluster, &there.backup, &there.place) == wanted
        && host_id.is_none_or(|host_id| *host_id == there.host_id)
}

/// Makes sure that the new node has as many tokens as the node of the backup.
///
/// # Errors
/// It has others.
pub(crate) fn check_tokens(marker: &RestoreMarker, job: &FetchJob) -> Result<()> {
    let (has, wants) = (marker.num_tokens, job.num_tokens);
    if wants.is_none_or(|wants| wants == has) {
        return Ok(());
    }
    Err(Failure::failed(
        format!("fetch node {} of backup {}", marker.host_id, job.backup),
        format!(
            "it has {has} tokens, and num_tokens of the new node is {}",
            wants.unwrap_or_default()
        ),
        &format!("set config.cassandra-yaml.num_tokens of its rack to {has}"),
    ))
}

fn refused(job: &FetchJob, why: String) -> Failure {
    Failure::failed(
        format!("fetch a node of backup {}", job.backup),
        why,
        "delete the new cluster with its volumes, and create it again: no file is replaced",
    )
}

/// Makes the folder of the data in volumes that have nothing else.
///
/// # Errors
/// A volume has something else: a node may have run on it.
pub(crate) fn make_room(marker: &Path, into: &Path, volumes: &[String]) -> Result<()> {
    let root = marker.parent().unwrap_or(Path::new("/"));
    let others = volumes.iter().map(Path::new);
    let all: Vec<&Path> = [root].into_iter().chain(others).collect();
    // The folder of the data itself is looked at later.
    for &volume in all.iter().filter(|volume| **volume != into) {
        let inside = into.strip_prefix(volume).ok();
        let first = inside.and_then(|inside| inside.components().next());
        for entry in fs::read_dir(volume).map_err(failure("read", volume))? {
            let name = entry.map_err(failure("read", volume))?.file_name();
            let is_ours = first.is_some_and(|first| first.as_os_str() == name)
                || (volume == root && name == RestoreMarker::BEGUN)
                || (volume == root && Some(name.as_os_str()) == part(marker).file_name());
            // Another volume is mounted on an empty folder.
            if !is_ours && is_of_a_node(&name) && !is_empty(&volume.join(&name)) {
                return Err(Failure::failed(
                    format!("fetch into {}", into.display()),
                    format!(
                        "{} holds {}: a node may have run here",
                        volume.display(),
                        name.to_string_lossy()
                    ),
                    "delete the new cluster with its volumes, and create it again with empty ones",
                ));
            }
        }
    }
    // From now on no node starts with what is there, unless the marker is there too.
    let begun = root.join(RestoreMarker::BEGUN);
    File::create(&begun).map_err(failure("write", &begun))?;
    sync(root)?;
    fs::create_dir_all(into).map_err(failure("make the folder", into))?;
    for folder in into.ancestors().skip(1) {
        if !all.iter().any(|volume| folder.starts_with(volume)) {
            break;
        }
        sync(folder)?;
    }
    Ok(())
}

/// Whether an entry of a volume may be that of a node: storage systems have hidden folders of their own.
fn is_of_a_node(name: &OsStr) -> bool {
    let text = name.to_string_lossy();
    name != LOST_AND_FOUND && (!text.starts_with('.') || text.starts_with(".casskop-"))
}

/// Whether a folder has nothing of a node.
fn is_empty(folder: &Path) -> bool {
    let entries = fs::read_dir(folder);
    entries.is_ok_and(|mut entries| {
        entries.all(|entry| entry.is_ok_and(|entry| !is_of_a_node(&entry.file_name())))
    })
}

fn part(marker: &Path) -> PathBuf {
    marker.with_extension("json.part")
}

/// Writes the marker, whole or not at all.
///
/// # Errors
/// It is not known to be on the disk.
pub(crate) fn write(path: &Path, marker: &RestoreMarker, job: &FetchJob) -> Result<()> {
    let content = serde_json::to_vec(marker).map_err(|error| refused(job, error.to_string()))?;
    let part = part(path);
    File::create(&part)
        .and_then(|mut file| {
            file.write_all(&content)?;
            file.sync_all()
        })
        .map_err(failure("write", &part))?;
    fs::rename(&part, path).map_err(failure("write", path))?;
    path.parent().map_or(Ok(()), sync)
}
