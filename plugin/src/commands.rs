//! The commands, one file each.

mod completion;
mod control;
mod events;
mod explain;
mod install;
mod logs;
mod multi;
mod operate;
mod operations;
mod reconcile;
mod report;
mod ring;
mod status;
mod version;
mod wait;

use std::future::Future;

use clap::ArgMatches;
use serde::Serialize;

use crate::{
    cli::ListOutput,
    error::{CliError, Result},
    manifest,
    ui::Ui,
};

/// Runs what was asked for. Every subcommand that is not one of ours is a kind of operation.
///
/// # Errors
/// Whatever kept the command from its end.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    match matches.subcommand() {
        Some(("version", _)) => version::run(ui),
        Some(("completion", _)) => completion::run(ui),
        Some(("install", own)) => install::run(own, ui),
        Some(("report", own)) => report::run(own, ui),
        Some(("status", own)) => status::run(own, ui),
        Some(("ring", own)) => ring::run(own, ui),
        Some(("operations", own)) => operations::run(own, ui),
        Some(("explain", own)) => explain::run(own, ui),
        Some(("events", own)) => events::run(own, ui),
        Some(("logs", own)) => logs::run(own, ui),
        Some((verb @ ("pause" | "resume" | "cancel" | "retry" | "waive"), own)) => {
            control::run(verb, own, ui)
        }
        Some(("multi", own)) => multi::run(own, ui),
        Some(("wait", own)) => wait::run(own, ui),
        Some(("pause-reconcile", own)) => reconcile::run(true, own, ui),
        Some(("resume-reconcile", own)) => reconcile::run(false, own, ui),
        _ => operate::run(matches, ui),
    }
}

/// Runs the part of a command that talks to the API server.
///
/// # Errors
/// Those of the work.
pub fn live<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
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

/// What was found, as the user wants it.
fn show<T: Serialize>(
    output: ListOutput,
    data: &T,
    text: impl FnOnce() -> String,
    ui: &Ui,
) -> Result<()> {
    ui.data(&match output {
        ListOutput::Text => text(),
        ListOutput::Json => manifest::json(data)?,
        ListOutput::Yaml => manifest::yaml(data)?,
    })
}
