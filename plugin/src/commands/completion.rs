//! `completion`: what `kubectl` asks for completions.

use crate::{complete::HELPER, error::Result, ui::Ui};

/// Prints the helper, which asks this program.
///
/// # Errors
/// When nobody reads it.
pub fn run(ui: &Ui) -> Result<()> {
    ui.data("#!/bin/sh\nexec kubectl-casskop __complete \"$@\"")?;
    if ui.live_out {
        ui.say(&format!(
            "kubectl looks for this under the name {HELPER} on the PATH; see kubectl casskop completion --help"
        ));
    }
    Ok(())
}
