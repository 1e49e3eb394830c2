//! The nodes of a ring, in Cassandra's own words. How the words travel is the transport's business
//! ([`jolokia`]); nothing else in the operator knows about it.

pub mod jolokia;
mod transport;

pub use transport::Transport;

use std::sync::Arc;

/// Name and password of the Jolokia agents of a cluster. Neither is ever printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Name of the user.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Those before: a node knows the one it was started with.
    pub older: Vec<Credentials>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// Where a node listens, and how to be let in.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Address of the pod.
    pub ip: String,
    /// Port of the agent.
    pub port: u16,
    /// Shared by the nodes of a cluster.
    pub credentials: Arc<Credentials>,
}
