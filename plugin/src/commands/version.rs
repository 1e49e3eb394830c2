//! `version`: which plugin this is.

use casskop_common::api::{GROUP, VERSION};

use crate::{error::Result, ui::Ui};

/// Prints the versions of the plugin and of the API it speaks.
///
/// # Errors
/// When nobody reads it.
pub fn run(ui: &Ui) -> Result<()> {
    ui.data(&format!(
        "kubectl-casskop {}, API {GROUP}/{VERSION}",
        env!("CARGO_PKG_VERSION")
    ))
}
