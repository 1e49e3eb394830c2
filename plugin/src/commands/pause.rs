//! `pause`: an operation starts no further node.

use clap::Args;

use super::control::{ControlArgs, help};
use crate::{client::connection::Connection, error::Result, model::control::Control, terminal::Ui};

/// Pause an operation: no further node starts
#[derive(Args, Debug)]
#[command(after_help = help(
    "pause",
    "Nodes at work finish. Sets the annotation <kind>.pause to the id of the request."
))]
pub struct Pause {
    #[command(flatten)]
    args: ControlArgs,
}

impl Pause {
    /// Writes the annotation.
    ///
    /// # Errors
    /// When there is no such request, it cannot be paused, or the annotation is not written.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        self.args.run(Control::Pause, flags, ui)
    }
}
