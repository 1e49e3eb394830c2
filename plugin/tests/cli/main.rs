//! The real binary against a small API server: whole outputs, exit codes, and the requests that were made.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod complete;
mod connection;
mod control;
mod discard;
mod events;
mod explain;
mod fake;
mod help;
mod install;
mod logs;
mod operate;
mod permissions;
mod reference;
mod report;
mod run;
mod see;
mod status;
mod wait;
