//! The API server that a client calls, for messages.

/// The API server and namespace of a client.
#[derive(Clone, Debug)]
pub struct Target {
    /// Address of the API server.
    pub server: String,
    /// Context and file it comes from, as in `context prod of /home/me/.kube/config`.
    pub source: String,
    /// Namespace to work in.
    pub namespace: String,
    /// The program that gets credentials, and how to install it.
    pub credentials: Option<String>,
    /// The connection flags to give again, so that a printed command does the same.
    pub connection_args: String,
}
