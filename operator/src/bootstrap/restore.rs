//! The wait of a pod whose files come from a backup. A Job writes them, and a marker at last; the operator tells in the
//! configuration of the rack that all nodes have theirs. Both are read again and again: the kubelet brings a change of the
//! configuration within a minute or two. What is decided is in `casskop_core::pod_config::restore`.

use std::{
    fs, io, thread,
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

fn marker(args: &Args) -> Result<Option<RestoreMarker>, Error> {
    let path = args.data.join(RestoreMarker::FILE);
    match fs::symlink_metadata(&path) {
        Ok(_) => read_json(&path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(files::failed("read", &path)(error)),
    }
}
