//! The API server that a client calls, for messages.

/// The API server and namespace of a client.
#[derive(Clone, Debug)]
pub struct Target {
    /// Address of the API server.
    pub server: String,
    /// Context and file of the address, as in `context prod of /home/me/.kube/config`.
    pub source: String,
    /// Namespace to work in.
    pub namespace: String,
    /// The credential program, and the hint on its installation.
    pub credentials: Option<String>,
    /// The auth provider of the user, such as `oidc`. `kubectl` renews its token in the kubeconfig; the plugin does not.
    pub auth_provider: Option<String>,
    /// The connection flags of printed commands.
    pub connection_args: String,
}
