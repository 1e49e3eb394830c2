//! The data plane of backups, without Kubernetes: what the Jobs of a backup run.
//!
//! ```text
//! cli ──▶ node, complete, verify, purge, fetch ──▶ catalogue ──▶ manifests, marks, announcement, objects ──▶ bucket
//!          snapshot     decisions: retention, pace, place               upload, download ──▶ files      open ──▶ http
//! ```
//!
//! A backup is made by one `node` for each node, and one `complete`, which writes the cluster manifest last: without it the
//! backup does not exist. The content of each file is an object with the name of its SHA-256, so that nothing is sent twice
//! and everything can be checked. Each command can be killed at any time and run again.

mod announcement;
mod bucket;
mod catalogue;
mod cli;
mod clock;
mod complete;
mod credentials;
mod download;
mod error;
mod fetch;
mod files;
mod http;
mod manifests;
mod marker;
mod marks;
mod node;
mod objects;
mod open;
mod pace;
mod place;
mod purge;
mod retention;
mod snapshot;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod upload;
mod verify;

pub use bucket::Bucket;
pub use catalogue::{delete, list, show};
pub use cli::run;
pub use complete::complete;
pub use credentials::Credentials;
pub use error::{Failure, Result};
pub use fetch::fetch;
pub use node::node;
pub use open::open;
pub use pace::Tokens;
pub use purge::purge;
pub use retention::{Fate, Held, expired, fate};
pub use verify::verify;
