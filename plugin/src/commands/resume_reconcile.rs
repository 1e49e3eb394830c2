//! `resume-reconcile`: the operator acts on a cluster again.

use clap::Args;

use super::reconcile::{ReconcileArgs, help};
use crate::{client::connection::Connection, error::Result, terminal::Ui};

/// Resume the reconciliation of a cluster
#[derive(Args, Debug)]
#[command(after_help = help(
    "resume-reconcile",
    "Removes the annotation operations.db.orange.com/reconcile."
))]
pub struct ResumeReconcile {
    #[command(flatten)]
    args: ReconcileArgs,
}

impl ResumeReconcile {
    /// Removes the annotation.
    ///
    /// # Errors
    /// When the annotation is not written.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        self.args.run(false, flags, ui)
    }
}
