//! The certificates of the Management API, and the settings of its agent.

use std::{fs, path::Path};

use casskop_core::pod_config::management_api::{METRICS, METRICS_SETTINGS, metrics_option_beside};

use crate::bootstrap::{
    Error,
    certificates::{self, Form, Peers},
    files,
};

/// Installs certificates and settings for the ring of this name into a folder.
pub(super) fn install(folder: &Path, secret: &Path, name: String) -> Result<(), Error> {
    let settings = [(METRICS, METRICS_SETTINGS)];
    certificates::install(
        folder,
        secret,
        name,
        (Form::Separate, Peers::Each),
        &settings,
    )
    .map(drop)
}

/// Keeps the metrics of the agent from others where the image loads it and the node is reached in another way. Returns the JVM option
/// for that; nothing where there is no agent.
pub(super) fn close_metrics(directory: &Path) -> Result<Option<String>, Error> {
    let script = directory.join("cassandra-env.sh");
    if !script.exists() {
        return Ok(None);
    }
    // A script of the user may have another encoding.
    let text = fs::read(&script).map_err(files::failed("read", &script))?;
    let option = metrics_option_beside(&String::from_utf8_lossy(&text));
    if option.is_some() {
        files::write(&directory.join(METRICS), METRICS_SETTINGS)?;
    }
    Ok(option)
}
