//! `cassandra.yaml`: the file of the image, overridden by the operator's settings, overridden by the user's.

use std::path::Path;

use casskop_common::api::LoginStep;
use casskop_core::pod_config::{
    Encryption, RackConfig, cassandra_yaml, logins,
    restore::{self, Turn},
    seeds::Seeds,
    tokens,
};
use serde_json::Value;

use crate::bootstrap::{Error, files};

/// Name of the file.
const FILE: &str = "cassandra.yaml";

/// Merges the settings into `<directory>/cassandra.yaml`.
pub(super) fn write(
    directory: &Path,
    rack: &RackConfig,
    (seeds, restored, joined): (&Seeds, &Turn, bool),
    pod_ip: &str,
    (encryption, step): (Encryption, LoginStep),
) -> Result<(), Error> {
    let path = directory.join(FILE);
    let mut yaml = read(&path)?;
    cassandra_yaml::overlay(&mut yaml, rack, &seeds.list, pod_ip);
    encryption.apply(&mut yaml);
    logins::apply(step, &mut yaml, pod_ip);
    restore::apply(&mut yaml, restored, joined)?;
    if let Some(place) = seeds.forms {
        tokens::choose(&mut yaml, place);
    }
    store(&path, &yaml)
}

/// Lets the native transport start with Cassandra from now on.
pub(super) fn start_open(directory: &Path) -> Result<(), Error> {
    let path = directory.join(FILE);
    let mut yaml = read(&path)?;
    yaml[restore::STARTS_OPEN] = true.into();
    store(&path, &yaml)
}

fn store(path: &Path, yaml: &Value) -> Result<(), Error> {
    let text = serde_saphyr::to_string(yaml).map_err(|error| invalid(path, error.to_string()))?;
    files::write(path, &text)
}

/// Where the native transport of the node of this pod listens.
pub(super) fn native_address(directory: &Path) -> Result<(String, u16), Error> {
    let path = directory.join(FILE);
    let address = cassandra_yaml::native_address(&read(&path)?);
    address.ok_or_else(|| invalid(&path, "it has no address of the native transport".into()))
}

fn read(path: &Path) -> Result<Value, Error> {
    let yaml = serde_saphyr::from_str(&files::read(path)?);
    yaml.map_err(|error| invalid(path, error.to_string()))
}

fn invalid(path: &Path, message: String) -> Error {
    Error::Invalid {
        path: path.display().to_string(),
        message,
    }
}
