//! The certificates of the Management API, and the settings of its agent.

use std::path::Path;

use casskop_core::pod_config::management_api::{METRICS, METRICS_SETTINGS};

use crate::bootstrap::{
    Error,
    certificates::{self, Form, Peers},
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
