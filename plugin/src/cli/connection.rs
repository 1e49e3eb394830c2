//! The connection flags, as `kubectl` has them.

use std::time::Duration;

use clap::Args;

use crate::time::parse_duration;

/// Which cluster to talk to and as whom; as `kubectl` has it.
#[derive(Args, Clone, Debug, Default)]
pub struct Connection {
    /// Namespace of the cluster (default: that of the context)
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAMESPACE",
        help_heading = "Connection"
    )]
    pub namespace: Option<String>,
    /// Context of the kubeconfig to use
    #[arg(
        long,
        global = true,
        value_name = "CONTEXT",
        help_heading = "Connection"
    )]
    pub context: Option<String>,
    /// Kubeconfig to read instead of $KUBECONFIG (a list is merged) or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    pub kubeconfig: Option<String>,
    /// Cluster of the kubeconfig to use
    #[arg(
        long = "cluster",
        global = true,
        value_name = "NAME",
        hide_short_help = true,
        help_heading = "Connection"
    )]
    pub kube_cluster: Option<String>,
    /// User of the kubeconfig to use
    #[arg(
        long = "user",
        global = true,
        value_name = "NAME",
        hide_short_help = true,
        help_heading = "Connection"
    )]
    pub kube_user: Option<String>,
    /// User to act as
    #[arg(
        long = "as",
        global = true,
        value_name = "USER",
        hide_short_help = true,
        help_heading = "Connection"
    )]
    pub as_user: Option<String>,
    /// Group to act as; repeatable
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        hide_short_help = true,
        help_heading = "Connection"
    )]
    pub as_group: Vec<String>,
    /// Bearer token to use instead of the kubeconfig's credentials
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        hide_short_help = true,
        help_heading = "Connection"
    )]
    pub token: Option<String>,
    /// Client certificate to use instead of the kubeconfig's credentials
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        hide_short_help = true,
        help_heading = "Connection"
    )]
    pub client_certificate: Option<String>,
    /// Key of the client certificate
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        hide_short_help = true,
        help_heading = "Connection"
    )]
    pub client_key: Option<String>,
    /// Address of the API server
    #[arg(
        short,
        long,
        global = true,
        value_name = "URL",
        hide_short_help = true,
        help_heading = "Connection"
    )]
    pub server: Option<String>,
    /// File with the certificate authorities of the API server
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        hide_short_help = true,
        help_heading = "Connection"
    )]
    pub certificate_authority: Option<String>,
    /// Name that the certificate of the API server has to have (default: that in its address)
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        hide_short_help = true,
        help_heading = "Connection"
    )]
    pub tls_server_name: Option<String>,
    /// Do not verify the certificate of the API server
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Connection"
    )]
    pub insecure_skip_tls_verify: bool,
    /// Longest wait for one answer of the API server; 0 waits for ever
    #[arg(long, global = true, value_name = "DURATION", default_value = "20s", value_parser = parse_duration, hide_short_help = true, help_heading = "Connection")]
    pub request_timeout: Duration,
}
