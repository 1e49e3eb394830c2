//! Text of the model: what a command prints for people. Pure.

pub mod backups;
pub mod dashboard;
pub mod events;
pub mod explain;
pub mod loss;
pub mod migrate;
pub mod multi;
pub mod operation;
pub mod operations;
pub mod options;
pub mod plan;
pub mod preflight;
pub mod ring;
pub mod schedules;
pub mod status;
pub mod table;
