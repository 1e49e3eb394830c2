//! The real binary against a small API server: whole outputs, exit codes, and the requests that were made.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod complete;
#[cfg(unix)]
mod confirm;
mod connection;
mod contract;
mod control;
mod discard;
mod events;
mod explain;
mod fake;
mod help;
mod install;
mod logs;
mod multi;
mod operate;
mod permissions;
mod plan;
mod reference;
mod report;
mod run;
#[cfg(unix)]
mod screen;
mod see;
mod status;
#[cfg(unix)]
mod terminal;
mod wait;
