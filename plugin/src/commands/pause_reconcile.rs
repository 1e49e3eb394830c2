//! `pause-reconcile`: the operator takes no action on a cluster.

use clap::Args;

use super::reconcile::{ReconcileArgs, help};
use crate::{client::connection::Connection, error::Result, terminal::Ui};

/// Pause the reconciliation of a cluster: the operator only observes it
#[derive(Args, Debug)]
#[command(after_help = help(
    "pause-reconcile",
    "Sets the annotation operations.db.orange.com/reconcile to 'paused'. Steps at work finish."
))]
pub struct PauseReconcile {
    #[command(flatten)]
    args: ReconcileArgs,
}

impl PauseReconcile {
    /// Writes the annotation.
    ///
    /// # Errors
    /// When the annotation is not written.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        self.args.run(true, flags, ui)
    }
}
