//! The connection flags of `kubectl`.

use std::{fmt::Write as _, time::Duration};

use clap::{Args, ValueHint};

use crate::{completer::Completer, time::parse_duration};

/// The API server to call, and the credentials; the same flags as those of `kubectl`.
#[derive(Args, Clone, Debug, Default)]
pub struct Connection {
    /// Namespace of the cluster (default: that of the context)
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAMESPACE",
        add = Completer::Namespace,
        help_heading = "Connection"
    )]
    pub namespace: Option<String>,
    /// Context of the kubeconfig to use
    #[arg(
        long,
        global = true,
        value_name = "CONTEXT",
        add = Completer::Context,
        help_heading = "Connection"
    )]
    pub context: Option<String>,
    /// Kubeconfig to read instead of $KUBECONFIG (a list is merged) or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Connection")]
    pub kubeconfig: Option<String>,
    /// Cluster of the kubeconfig to use
    #[arg(
        long = "cluster",
        global = true,
        value_name = "NAME",
        add = Completer::KubeCluster,
        hide_short_help = true,
        help_heading = "Connection"
    )]
    pub kube_cluster: Option<String>,
    /// User of the kubeconfig to use
    #[arg(
        long = "user",
        global = true,
        value_name = "NAME",
        add = Completer::KubeUser,
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
        value_hint = ValueHint::FilePath,
        hide_short_help = true,
        help_heading = "Connection"
    )]
    pub client_certificate: Option<String>,
    /// Key of the client certificate
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
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
        value_hint = ValueHint::FilePath,
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

impl Connection {
    /// The flags that a printed command repeats; never the token.
    pub fn connection_args(&self) -> String {
        let single = [
            ("-n", &self.namespace),
            ("--context", &self.context),
            ("--kubeconfig", &self.kubeconfig),
            ("--cluster", &self.kube_cluster),
            ("--user", &self.kube_user),
            ("--as", &self.as_user),
            ("--server", &self.server),
            ("--client-certificate", &self.client_certificate),
            ("--client-key", &self.client_key),
            ("--certificate-authority", &self.certificate_authority),
            ("--tls-server-name", &self.tls_server_name),
        ];
        let given = single
            .into_iter()
            .filter_map(|(flag, value)| Some((flag, value.as_ref()?)));
        let groups = self.as_group.iter().map(|group| ("--as-group", group));
        let mut text = String::new();
        for (flag, value) in given.chain(groups) {
            let value = shlex::try_quote(value).unwrap_or_default();
            // Writing into a string does not fail.
            let _ = write!(text, " {flag} {value}");
        }
        if self.insecure_skip_tls_verify {
            text += " --insecure-skip-tls-verify";
        }
        text
    }
}
