//! From the kubeconfig and the connection flags to a client.

pub mod explain;
mod kubeconfig;
mod proxy;
pub mod resource;

use std::{fmt::Write as _, time::Duration};

use kube::{
    Client, Config,
    config::{Cluster, Kubeconfig},
};

use crate::{
    cli::Connection,
    error::{CliError, Result},
};

/// Where requests go; for messages.
#[derive(Clone, Debug)]
pub struct Place {
    /// Address of the API server.
    pub server: String,
    /// Context and file it comes from, as in `context prod of /home/me/.kube/config`.
    pub source: String,
    /// Namespace to work in.
    pub namespace: String,
    /// The program that gets credentials, and how to install it.
    pub credentials: Option<String>,
    /// The connection flags to give again, so that a printed command does the same.
    pub again: String,
}

/// A client, and where it leads. Credential plugins run here.
///
/// # Errors
/// When there is no usable kubeconfig, or no credentials.
pub fn connect(flags: &Connection) -> Result<(Client, Place)> {
    let (config, place) = configure(flags)?;
    let client = Client::try_from(config).map_err(|error| explain::connecting(&error, &place))?;
    Ok((client, place))
}

/// The namespace that a command without `-n` means, as far as that is known without asking anyone.
pub fn namespace(flags: &Connection) -> Option<String> {
    flags.namespace.clone().or_else(|| {
        let kubeconfig = kubeconfig::read(flags).ok()??;
        let resolved = kubeconfig::resolve(&kubeconfig.0, flags, &kubeconfig.1).ok()?;
        resolved.contexts.into_iter().next()?.context?.namespace
    })
}

/// How the API server is reached that the flags lead to.
///
/// # Errors
/// When there is no usable kubeconfig.
pub fn cluster(flags: &Connection) -> Result<Cluster> {
    let (kubeconfig, file) = kubeconfig::read(flags)?.ok_or_else(|| kubeconfig::none(flags))?;
    let resolved = kubeconfig::resolve(&kubeconfig, flags, &file)?;
    let cluster = resolved.clusters.into_iter().next();
    Ok(cluster.and_then(|named| named.cluster).unwrap_or_default())
}

/// What a kubeconfig has entries of.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    /// A cluster and a user, under a name.
    Context,
    /// An API server.
    Cluster,
    /// Credentials.
    User,
}

/// The names of the entries of the kubeconfig; none where it cannot be read.
pub fn names(flags: &Connection, entry: Entry) -> Vec<String> {
    let Ok(Some((kubeconfig, _))) = kubeconfig::read(flags) else {
        return Vec::new();
    };
    match entry {
        Entry::Context => kubeconfig
            .contexts
            .into_iter()
            .map(|named| named.name)
            .collect(),
        Entry::Cluster => kubeconfig
            .clusters
            .into_iter()
            .map(|named| named.name)
            .collect(),
        Entry::User => kubeconfig
            .auth_infos
            .into_iter()
            .map(|named| named.name)
            .collect(),
    }
}

fn configure(flags: &Connection) -> Result<(Config, Place)> {
    let read = kubeconfig::read(flags)?;
    let in_cluster = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if read.is_none() && flags.server.is_none() && in_cluster {
        return in_pod(flags);
    }
    let (kubeconfig, file) = match read {
        Some(read) => read,
        None if flags.server.is_some() => (Kubeconfig::default(), "--server".to_owned()),
        None => return Err(kubeconfig::none(flags)),
    };
    let resolved = kubeconfig::resolve(&kubeconfig, flags, &file)?;
    let context = resolved.current_context.clone().unwrap_or_default();
    let cluster = resolved
        .clusters
        .first()
        .and_then(|named| named.cluster.clone())
        .unwrap_or_default();
    let exec = resolved
        .auth_infos
        .first()
        .and_then(|named| named.auth_info.as_ref()?.exec.clone());
    let mut config =
        Config::try_from(resolved).map_err(|error| kubeconfig::unusable(&error, &file))?;
    tune(&mut config, flags, &cluster)?;
    let source = if context.is_empty() {
        file
    } else {
        format!("context {context} of {file}")
    };
    let place = Place {
        server: config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned(),
        source,
        namespace: config.default_namespace.clone(),
        credentials: exec.map(|exec| {
            let hint = exec
                .install_hint
                .map(|hint| format!(": {}", hint.trim()))
                .unwrap_or_default();
            format!("{}{hint}", exec.command.unwrap_or_default())
        }),
        again: again(flags),
    };
    Ok((config, place))
}

/// With the service account of the pod that the plugin runs in, as `kubectl` does.
fn in_pod(flags: &Connection) -> Result<(Config, Place)> {
    let mut config = Config::incluster().map_err(|error| {
        CliError::failed(format!(
            "cannot use the service account of this pod: {error}"
        ))
    })?;
    if let Some(namespace) = &flags.namespace {
        config.default_namespace.clone_from(namespace);
    }
    config.auth_info.impersonate.clone_from(&flags.as_user);
    config.auth_info.impersonate_groups =
        (!flags.as_group.is_empty()).then(|| flags.as_group.clone());
    tune(&mut config, flags, &Cluster::default())?;
    let place = Place {
        server: config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned(),
        source: "the service account of this pod".into(),
        namespace: config.default_namespace.clone(),
        credentials: None,
        again: again(flags),
    };
    Ok((config, place))
}

/// Nothing hangs: connecting has its limit, too.
fn tune(config: &mut Config, flags: &Connection, cluster: &Cluster) -> Result<()> {
    config.connect_timeout = limit(flags).map(|limit| limit.min(Duration::from_secs(10)));
    let (scheme, host) = (config.cluster_url.scheme_str(), config.cluster_url.host());
    let (scheme, host) = (scheme.unwrap_or("https"), host.unwrap_or_default());
    let proxy = proxy::choose(
        cluster.proxy_url.as_deref(),
        scheme,
        host,
        &proxy::environment,
    );
    config.proxy_url = match proxy {
        None => None,
        Some(url) => {
            let no_url = |_| CliError::failed("the address of the proxy is no URL");
            Some(url.parse().map_err(no_url)?)
        }
    };
    Ok(())
}

/// The longest wait for one answer.
pub fn limit(flags: &Connection) -> Option<Duration> {
    (!flags.request_timeout.is_zero()).then_some(flags.request_timeout)
}

/// The flags that a person has to repeat; never a token.
pub fn again(flags: &Connection) -> String {
    let single = [
        ("-n", &flags.namespace),
        ("--context", &flags.context),
        ("--kubeconfig", &flags.kubeconfig),
        ("--cluster", &flags.kube_cluster),
        ("--user", &flags.kube_user),
        ("--as", &flags.as_user),
        ("--server", &flags.server),
        ("--client-certificate", &flags.client_certificate),
        ("--client-key", &flags.client_key),
        ("--certificate-authority", &flags.certificate_authority),
        ("--tls-server-name", &flags.tls_server_name),
    ];
    let given = single
        .into_iter()
        .filter_map(|(flag, value)| Some((flag, value.as_ref()?)));
    let groups = flags.as_group.iter().map(|group| ("--as-group", group));
    let mut again = String::new();
    for (flag, value) in given.chain(groups) {
        let value = shlex::try_quote(value).unwrap_or_default();
        // Writing into a string does not fail.
        let _ = write!(again, " {flag} {value}");
    }
    if flags.insecure_skip_tls_verify {
        again += " --insecure-skip-tls-verify";
    }
    again
}
