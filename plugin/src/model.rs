//! Decisions of the plugin as pure functions: no client, no clock, no output.

pub mod control;
pub mod events;
pub mod explain;
pub mod fleet;
pub mod install;
pub mod managers;
pub mod manifest;
pub mod migrate;
pub mod preflight;
pub mod report;
pub mod request;
pub mod site;
pub mod targets;
pub mod topology;
pub mod wait;
