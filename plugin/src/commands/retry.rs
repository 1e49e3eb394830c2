//! `retry`: the failed nodes of an operation run again.

use clap::Args;

use super::control::{ControlArgs, help};
use crate::{client::connection::Connection, error::Result, model::control::Control, terminal::Ui};

/// Retry the failed nodes of an operation
#[derive(Args, Debug)]
#[command(after_help = help(
    "retry",
    "Sets the annotation <kind>.retry to the id of the request."
))]
pub struct Retry {
    #[command(flatten)]
    args: ControlArgs,
}

impl Retry {
    /// Writes the annotation.
    ///
    /// # Errors
    /// When there is no such request, it cannot be retried, or the annotation is not written.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        self.args.run(Control::Retry, flags, ui)
    }
}
