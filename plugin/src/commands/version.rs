//! `version`: the versions of the plugin and of its API.

use casskop_common::api::{GROUP, VERSION};
use clap::Args;

use crate::{error::Result, terminal::Ui};

/// Show the version of this plugin
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Version {}

impl Version {
    /// Prints the versions of the plugin and of the API.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn run(ui: &Ui) -> Result<()> {
        ui.data(&format!(
            "kubectl-casskop {}, API {GROUP}/{VERSION}",
            env!("CARGO_PKG_VERSION")
        ))
    }
}

const HELP: &str = "Example:
  kubectl casskop version

Exit codes: 0 done, 2 wrong usage.";
