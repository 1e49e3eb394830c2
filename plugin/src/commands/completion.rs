//! `completion`: the helper program that `kubectl` calls for completions.

use clap::Args;

use crate::{error::Result, terminal::Ui};

/// The name under which `kubectl` looks for the helper.
pub const HELPER: &str = "kubectl_complete-casskop";

/// Print the helper program that kubectl runs to complete a command line
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Completion {}

impl Completion {
    /// Prints the helper, a script that calls this program.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn run(ui: &Ui) -> Result<()> {
        ui.data("#!/bin/sh\nexec kubectl-casskop __complete \"$@\"")?;
        if ui.live_out {
            ui.say(&format!(
                "kubectl runs this helper under the name {HELPER} on the PATH; see kubectl casskop completion --help"
            ));
        }
        Ok(())
    }
}

const HELP: &str = "Example:
  kubectl casskop completion > ~/bin/kubectl_complete-casskop
  chmod +x ~/bin/kubectl_complete-casskop

Any folder of the PATH will do. kubectl's own completion (kubectl completion --help) then completes
commands, flags, clusters, data centers, racks, pods and more of what follows kubectl casskop.
On Windows copy kubectl-casskop.exe to kubectl_complete-casskop.exe instead.
Exit codes: 0 done, 2 wrong usage.";
