//! Calls of the API server, and the connection to it.

pub mod annotations;
pub mod backoff;
pub mod clusters;
pub mod connect;
pub mod connection;
pub mod failure;
pub mod fleet_watch;
mod kubeconfig;
mod kubeconfig_file;
pub mod listed;
pub mod multi_casskops;
pub mod objects;
pub mod operators;
pub mod preflight;
mod proxy;
pub mod reader;
pub mod resource;
pub mod site_account;
pub mod site_objects;
pub mod site_secret;
pub mod submit;
pub mod target;
pub mod watch;
