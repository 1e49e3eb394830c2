//! The wait of a pod whose files come from a backup. A Job writes them, and a marker at last; the operator tells in the
//! configuration of the rack that all nodes have theirs. Both are read again and again: the kubelet brings a change of the
//! configuration within a minute or two. What is decided is in `casskop_core::pod_config::restore`.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use casskop_backup_protocol::RestoreMarker;
use casskop_core::pod_config::{
    RackConfig,
    cassandra_yaml::data_directories,
    restore::{Turn, Volume, turn},
};

use crate::bootstrap::{Args, Error, files, read_json, seeds};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Time between two lines that report the wait.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Waits until the pod may start; the configuration of its rack as it is then. A pod whose ring is not restored does not wait.
///
/// # Errors
/// The volume has other files, or a file cannot be read.
#[expect(
    clippy::print_stderr,
    reason = "the log of the init container is where people look"
)]
pub(super) fn wait(args: &Args) -> Result<(RackConfig, Turn), Error> {
    let mut said: Option<(&str, Instant)> = None;
    loop {
        let rack: RackConfig = read_json(&args.rack)?;
        let volume = Volume {
            marker: marker(args)?,
            begun: args.data.join(RestoreMarker::BEGUN).exists(),
            data: seeds::own_data(&args.data, &data_directories(&rack)),
        };
        let begun = volume.begun;
        let turn = turn(&args.pod_name, &rack, volume)?;
        let Turn::Waits(what) = turn else {
            return Ok((rack, turn));
        };
        // An operator that does not know the restore may write the configuration anew: the pod does not start empty then.
        if !begun {
            files::persist(&args.data, &args.data.join(RestoreMarker::BEGUN), "")?;
        }
        if said.is_none_or(|(told, at)| told != what || at.elapsed() >= SAY_EVERY) {
            let backup = rack.restore.iter().map(|restore| &restore.backup);
            let backup: String = backup.cloned().collect();
            eprintln!("backup {backup} is restored: waiting for {what}");
            said = Some((what, Instant::now()));
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// File with the number of nodes of a restored ring, for the readiness probe.
const SHAPE: &str = "restored-nodes";

/// Leaves the number of nodes beside the configuration of a node that keeps clients out until it sees all of them.
pub(super) fn leave_shape(
    directory: &Path,
    rack: &RackConfig,
    turn: &Turn,
    joined: bool,
) -> Result<(), Error> {
    match (turn, &rack.restore) {
        (Turn::Begins(_), Some(restore)) if !joined => {
            let nodes: i32 = restore.nodes.values().sum();
            files::write(&directory.join(SHAPE), &nodes.to_string())
        }
        _ => forget_shape(directory),
    }
}

/// The nodes of the restored ring that the node of this pod has to see before clients may connect; nothing if they may at once.
///
/// # Errors
/// The file with the number cannot be read.
pub fn awaited_nodes(directory: &Path) -> Result<Option<usize>, Error> {
    let path = directory.join(SHAPE);
    match fs::read_to_string(&path) {
        Ok(text) => text.parse().map(Some).map_err(|error| Error::Invalid {
            path: path.display().to_string(),
            message: format!("it is no number of nodes: {error}"),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(files::failed("read", &path)(error)),
    }
}

pub(super) fn forget_shape(directory: &Path) -> Result<(), Error> {
    let path = directory.join(SHAPE);
    files::remove(&path).map_err(files::failed("remove", &path))
}

fn marker(args: &Args) -> Result<Option<RestoreMarker>, Error> {
    let path = args.data.join(RestoreMarker::FILE);
    match fs::symlink_metadata(&path) {
        Ok(_) => read_json(&path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(files::failed("read", &path)(error)),
    }
}
