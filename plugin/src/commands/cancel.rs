//! `cancel`: an operation ends after the current step.

use clap::Args;

use super::control::{ControlArgs, help};
use crate::{client::connection::Connection, error::Result, model::control::Control, terminal::Ui};

/// Cancel an operation after the current step
#[derive(Args, Debug)]
#[command(after_help = help(
    "cancel",
    "Sets the annotation <kind>.cancel to the id of the request."
))]
pub struct Cancel {
    #[command(flatten)]
    args: ControlArgs,
}

impl Cancel {
    /// Writes the annotation.
    ///
    /// # Errors
    /// When there is no such request, it cannot be cancelled, or the annotation is not written.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        self.args.run(Control::Cancel, flags, ui)
    }
}
