//! The real binary against a small API server: whole outputs, exit codes, and the requests that were made.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod backups;
mod chart;
mod complete;
#[cfg(unix)]
mod confirmation;
mod connection;
mod contract;
mod control;
mod dashboard;
mod data_loss;
mod docs;
mod dry_run;
mod events;
mod explain;
mod fake;
mod fixtures;
mod help;
mod install;
mod logs;
mod migrate;
mod multi;
mod operate;
mod operations;
mod permissions;
mod preflight;
mod proxy;
mod reference;
#[cfg(unix)]
mod repainting;
mod report;
mod ring;
mod run;
mod status;
#[cfg(unix)]
mod terminal;
mod wait;
