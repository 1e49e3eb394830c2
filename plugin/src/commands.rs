//! The commands, one file each.

mod install;
mod operate;
mod report;
mod status;
mod version;

use std::future::Future;

use clap::ArgMatches;

use crate::{
    error::{CliError, Result},
    ui::Ui,
};

/// Runs what was asked for. Every subcommand that is not one of ours is a kind of operation.
///
/// # Errors
/// Whatever kept the command from its end.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    match matches.subcommand() {
        Some(("version", _)) => version::run(ui),
        Some(("install", own)) => install::run(own, ui),
        Some(("report", own)) => report::run(own, ui),
        Some(("status", own)) => status::run(own, ui),
        _ => operate::run(matches, ui),
    }
}

/// Runs the part of a command that talks to the API server.
fn live<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("cannot start: {error}")))?;
    let result = runtime.block_on(work);
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    result
}

/// An error of the parser: wrong usage.
fn usage(error: &clap::Error) -> CliError {
    CliError::usage(error.to_string().trim_start_matches("error: ").trim_end())
}
