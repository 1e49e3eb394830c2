//! `migrate`: manifests of other operators.

mod check;

use clap::Subcommand;

use crate::{error::Result, terminal::Ui, text::PROGRAM};

/// Check manifests of other operators, and print them for this one
#[derive(Subcommand, Debug)]
#[command(
    override_usage = format!("{PROGRAM} migrate COMMAND [OPTIONS]"),
    disable_help_subcommand = true
)]
pub enum Migrate {
    Check(check::Check),
}

impl Migrate {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// Those of the subcommand.
    pub fn run(self, ui: &Ui) -> Result<()> {
        match self {
            Self::Check(command) => command.run(ui),
        }
    }
}
