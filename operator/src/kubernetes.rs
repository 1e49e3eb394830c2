//! The API server: reads, writes and deletes objects. Each write is guarded by the version that it was computed from.

pub mod apply;
pub mod authority;
mod certificates;
pub mod change;
pub mod credentials;
pub mod events;
pub mod finalizer;
pub mod gate;
pub mod jobs;
pub mod lease;
pub mod lists;
mod managed_fields;
pub mod objects;
pub mod status_store;
pub mod superuser;
pub mod users;
pub mod warnings;

use kube::{Client, runtime::events::Reporter};

use lists::Versions;
use warnings::Warnings;

/// The connection to the API server.
pub struct Kube {
    /// The client.
    pub client: Client,
    /// Resource versions that new lists must not be older than.
    pub versions: Versions,
    /// The warnings of the namespaces.
    pub warnings: Warnings,
    /// The reporter of events.
    pub reporter: Reporter,
}
