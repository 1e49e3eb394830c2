//! `kubectl casskop`: requests operations on `CassandraCluster`s and shows their state.
//!
//! It writes annotations and reads the status: what it types is what a person could commit to Git. Only `report`,
//! `events`, `logs` and `explain` look at anything else, and only `multi` writes anything else.

mod annotations;
mod cli;
mod client;
mod clusters;
mod commands;
mod complete;
mod confirm;
mod control;
mod error;
mod events;
mod explain;
mod follow;
mod install;
mod managers;
mod manifest;
mod multi;
mod objects;
mod preflight;
mod report;
mod request;
mod text;
mod time;
mod topology;
mod ui;
mod wait;

use std::process::ExitCode;

use ui::Ui;

fn main() -> ExitCode {
    if let Some(words) = complete::asked(std::env::args_os()) {
        return complete::run(&words);
    }
    let matches = match cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return ui::usage(&error),
    };
    let ui = Ui::new(cli::color(&matches));
    match commands::run(&matches, &ui) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ui.fail(&error),
    }
}
