//! Decisions about several sites, tried on simulated ones: single decisions, failures, and random histories.

mod failures;
mod histories;
mod home_namespace;
mod input;
mod internode_tls;
mod older_site;
mod operations;
mod rings;
mod second_resource;
mod size;
mod two_operators;
