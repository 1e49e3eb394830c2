//! Small files of a pod: reads and writes with errors that name the file.

use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use crate::bootstrap::Error;
use casskop_core::pod_config::{PROBE, RackConfig};

pub(super) fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(failed("read", path))
}

/// Writes a file that the group of the pod may change as well: the scripts of the user may run with another user id.
pub(super) fn write(path: &Path, content: &str) -> Result<(), Error> {
    replace(path, content, 0o664)
}

/// Writes a file that only its owner and the group of the pod can read.
pub(super) fn write_secret(path: &Path, content: &str) -> Result<(), Error> {
    replace(path, content, 0o440)
}

/// Writes a file that is changed later, maybe by another user of the group of the pod, and that others cannot read.
pub(super) fn write_renewable(path: &Path, content: &str) -> Result<(), Error> {
    replace(path, content, 0o660)
}

/// Writes an existing file in place. A reader that is woken by the change never finds it empty: the server of the Management
/// API would end its watch of the file.
pub(super) fn overwrite(path: &Path, content: &str) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).open(path)?;
        io::Write::write_all(&mut file, content.as_bytes())?;
        file.set_len(content.len() as u64)
    };
    write().map_err(failed("renew", path))
}

/// Writes a file of a folder, and returns when both are on the disk.
pub(super) fn persist(folder: &Path, path: &Path, content: &str) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        let mut file = fs::File::create(path)?;
        io::Write::write_all(&mut file, content.as_bytes())?;
        file.sync_all()?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(failed("write", path))
}

/// The time since the last change of a file; none if the clock was set back since then.
pub(super) fn age(path: &Path) -> Result<Duration, Error> {
    let changed = fs::metadata(path).and_then(|metadata| metadata.modified());
    let changed = changed.map_err(failed("read", path))?;
    Ok(changed.elapsed().unwrap_or_default())
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn replace(path: &Path, content: &str, mode: u32) -> Result<(), Error> {
    // A file of the image, or one left by an earlier run of this init container, may be read-only, or belong to another
    // user id.
    remove(path).map_err(failed("replace", path))?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed("write", path))?;
    // The mode of a new file is subject to the umask.
    file.set_permissions(fs::Permissions::from_mode(mode))
        .and_then(|()| io::Write::write_all(&mut file, content.as_bytes()))
        .map_err(failed("write", path))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The containers of a pod may run with different user ids, of one group.
    #[test]
    fn the_group_may_change_the_configuration_and_read_the_secret() {
        let folder = std::env::temp_dir().join(format!("casskop-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (plain, secret) = (folder.join("plain"), folder.join("secret"));
        fs::write(&plain, "of the image").unwrap();
        fs::set_permissions(&plain, fs::Permissions::from_mode(0o444)).unwrap();
        for text in ["first", "second"] {
            write(&plain, text).unwrap();
            write_secret(&secret, text).unwrap();
            assert_eq!((mode(&plain), mode(&secret)), (0o664, 0o440));
            assert_eq!(read(&plain).unwrap(), text);
            assert_eq!(read(&secret).unwrap(), text);
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
