//! `kubectl casskop`: requests operations on `CassandraCluster`s and shows their state.
//!
//! Requests are annotations, and the state is read from the status: every request can be committed to Git as well. Only
//! `report`, `events`, `logs`, `explain` and `dashboard` read other objects, and only `multi` writes other objects.

mod client;
mod commands;
mod complete;
mod completer;
mod dashboard;
mod error;
mod model;
mod runtime;
mod terminal;
mod text;
mod time;
mod view;

use std::process::ExitCode;

use terminal::Ui;

fn main() -> ExitCode {
    if let Some(words) = complete::requested(std::env::args_os()) {
        return complete::run(&words);
    }
    let matches = match commands::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return terminal::usage(&error),
    };
    let ui = Ui::new(commands::color(&matches));
    match commands::run(&matches, &ui) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ui.fail(&error),
    }
}
