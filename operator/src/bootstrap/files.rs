//! Small files of a pod: reads and writes with errors that name the file.

use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use crate::bootstrap::Error;
use casskop_core::pod_config::{PROBE, RackConfig};

pub(super) fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(failed("read", path))
}

pub(super) fn write(path: &Path, content: &str) -> Result<(), Error> {
    fs::write(path, content).map_err(failed("write", path))
}

/// Writes a file that only its owner can read.
pub(super) fn write_secret(path: &Path, content: &str) -> Result<(), Error> {
    // A file left by an earlier run of this init container is read-only.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("replace", path)(error));
        }
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(path)
        .map_err(failed("write", path))?;
    io::Write::write_all(&mut file, content.as_bytes()).map_err(failed("write", path))
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::File {
        action,
        path,
        source,
    }
}

/// `GossipingPropertyFileSnitch` reads data center and rack from here.
pub(super) fn write_rack_properties(directory: &Path, rack: &RackConfig) -> Result<(), Error> {
    let path = directory.join("cassandra-rackdc.properties");
    write(&path, &format!("dc={}\nrack={}\n", rack.dc, rack.rack))
}

/// Copies this binary beside the configuration, so that the Cassandra image needs no tool of the operator.
pub(super) fn install_probe(directory: &Path) -> Result<(), Error> {
    let target = directory.join(PROBE);
    let copy = || -> io::Result<()> {
        fs::copy(std::env::current_exe()?, &target)?;
        fs::set_permissions(&target, fs::Permissions::from_mode(0o555))
    };
    if target.exists() {
        fs::remove_file(&target).map_err(failed("replace", &target))?;
    }
    copy().map_err(failed("install the probe as", &target))
}
