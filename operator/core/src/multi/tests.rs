//! Decisions about several sites, tried on simulated ones: single decisions, failures, and random histories.

mod failures;
mod histories;
mod input;
mod operations;
mod rings;
mod size;
mod two_operators;
mod world;
