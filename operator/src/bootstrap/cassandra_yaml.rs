//! `cassandra.yaml`: the file of the image, overridden by the operator's settings, overridden by the user's.

use std::path::Path;

use casskop_core::pod_config::{Encryption, RackConfig, cassandra_yaml, seeds::Seeds, tokens};
use serde_json::Value;

use crate::bootstrap::{Error, files};

/// Merges the settings into `<directory>/cassandra.yaml`.
pub(super) fn write(
    directory: &Path,
    rack: &RackConfig,
    seeds: &Seeds,
    pod_ip: &str,
    encryption: Encryption,
) -> Result<(), Error> {
    let path = directory.join("cassandra.yaml");
    let invalid = |message: String| Error::Invalid {
        path: path.display().to_string(),
        message,
    };
    let mut yaml: Value =
        serde_saphyr::from_str(&files::read(&path)?).map_err(|error| invalid(error.to_string()))?;
    cassandra_yaml::overlay(&mut yaml, rack, &seeds.list, pod_ip, encryption);
    if let Some(place) = seeds.forms {
        tokens::choose(&mut yaml, place);
    }
    let text = serde_saphyr::to_string(&yaml).map_err(|error| invalid(error.to_string()))?;
    files::write(&path, &text)
}
