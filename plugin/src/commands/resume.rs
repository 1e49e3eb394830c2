//! `resume`: a paused operation continues.

use clap::Args;

use super::control::{ControlArgs, help};
use crate::{client::connection::Connection, error::Result, model::control::Control, terminal::Ui};

/// Resume a paused operation
#[derive(Args, Debug)]
#[command(after_help = help(
    "resume",
    "Removes the annotation <kind>.pause."
))]
pub struct Resume {
    #[command(flatten)]
    args: ControlArgs,
}

impl Resume {
    /// Writes the annotation.
    ///
    /// # Errors
    /// When there is no such request, it cannot be resumed, or the annotation is not written.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        self.args.run(Control::Resume, flags, ui)
    }
}
