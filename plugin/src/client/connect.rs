//! A client from the kubeconfig and the connection flags.

use std::{io::IsTerminal, time::Duration};

use kube::{
    Client, Config,
    config::{Cluster, ExecConfig, ExecInteractiveMode, Kubeconfig},
};

use super::{connection::Connection, failure, kubeconfig, proxy, target::Target};
use crate::error::{CliError, Result};

/// A client and its target. Credential plugins run here.
///
/// # Errors
/// When there is no usable kubeconfig, or no credentials.
pub fn connect(flags: &Connection) -> Result<(Client, Target)> {
    let (config, target) = configure(flags)?;
    let client = Client::try_from(config).map_err(|error| failure::connecting(&error, &target))?;
    Ok((client, target))
}

/// The namespace of a command without `-n`, from the kubeconfig alone.
pub fn namespace(flags: &Connection) -> Option<String> {
    flags.namespace.clone().or_else(|| {
        let kubeconfig = kubeconfig::read(flags).ok()??;
        let resolved = kubeconfig::resolve(&kubeconfig.0, flags, &kubeconfig.1).ok()?;
        resolved.contexts.into_iter().next()?.context?.namespace
    })
}

/// The same flags with the context and the kubeconfig that they select now: a command with them has the same API server in
/// another shell, in another directory, and after `kubectl config use-context`.
///
/// # Errors
/// When there is no usable kubeconfig.
pub fn pinned(flags: &Connection) -> Result<Connection> {
    let mut pinned = flags.clone();
    for file in [
        &mut pinned.kubeconfig,
        &mut pinned.client_certificate,
        &mut pinned.client_key,
        &mut pinned.certificate_authority,
    ] {
        *file = file.as_deref().map(kubeconfig::absolute);
    }
    let Some((merged, file)) = kubeconfig::read(&pinned)? else {
        return Ok(pinned);
    };
    let resolved = kubeconfig::resolve(&merged, &pinned, &file)?;
    pinned.context = resolved
        .current_context
        .clone()
        .filter(|context| !context.is_empty());
    if pinned.kubeconfig.is_some() || kubeconfig::is_default() {
        return Ok(pinned);
    }
    let same = |path: &String| {
        let flags = Connection {
            kubeconfig: Some(path.clone()),
            ..pinned.clone()
        };
        let alone = kubeconfig::read(&flags).ok().flatten();
        let alone = alone.and_then(|(one, _)| kubeconfig::resolve(&one, &flags, path).ok());
        alone.is_some_and(|alone| kubeconfig::is_same(&alone, &resolved))
    };
    pinned.kubeconfig = kubeconfig::files().into_iter().find(same);
    // No flag has a list of files: then the address of the API server keeps other clusters away.
    if pinned.kubeconfig.is_none() {
        let cluster = resolved.clusters.into_iter().next();
        pinned.server = cluster.and_then(|named| named.cluster?.server);
    }
    Ok(pinned)
}

/// The cluster entry of the kubeconfig that the flags select.
///
/// # Errors
/// When there is no usable kubeconfig.
pub fn cluster(flags: &Connection) -> Result<Cluster> {
    let (kubeconfig, file) = kubeconfig::read(flags)?.ok_or_else(|| kubeconfig::none(flags))?;
    let resolved = kubeconfig::resolve(&kubeconfig, flags, &file)?;
    let cluster = resolved.clusters.into_iter().next();
    Ok(cluster.and_then(|named| named.cluster).unwrap_or_default())
}

/// The kinds of entries in a kubeconfig.
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

fn configure(flags: &Connection) -> Result<(Config, Target)> {
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
    let mut resolved = kubeconfig::resolve(&kubeconfig, flags, &file)?;
    let users = resolved.auth_infos.iter_mut();
    for exec in users.filter_map(|user| user.auth_info.as_mut()?.exec.as_mut()) {
        exec.interactive_mode = Some(interactive_mode(exec, std::io::stdin().is_terminal())?);
    }
    let context = resolved.current_context.clone().unwrap_or_default();
    let cluster = resolved
        .clusters
        .first()
        .and_then(|named| named.cluster.clone())
        .unwrap_or_default();
    let user = resolved.auth_infos.first();
    let user = user.and_then(|named| named.auth_info.as_ref());
    let exec = user.and_then(|user| user.exec.clone());
    let auth_provider = user.and_then(|user| Some(user.auth_provider.as_ref()?.name.clone()));
    let mut config =
        Config::try_from(resolved).map_err(|error| kubeconfig::unusable(&error, &file))?;
    tune(&mut config, flags, &cluster)?;
    let source = if context.is_empty() {
        file
    } else {
        format!("context {context} of {file}")
    };
    let target = Target {
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
        auth_provider,
        connection_args: flags.connection_args(),
    };
    Ok((config, target))
}

/// Uses the service account of the pod that the plugin runs in, as `kubectl` does.
fn in_pod(flags: &Connection) -> Result<(Config, Target)> {
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
    let target = Target {
        server: config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned(),
        source: "the service account of this pod".into(),
        namespace: config.default_namespace.clone(),
        credentials: None,
        auth_provider: None,
        connection_args: flags.connection_args(),
    };
    Ok((config, target))
}

/// Whether a credential plugin gets the standard input, as `kubectl` decides it: only a terminal is passed on.
fn interactive_mode(exec: &ExecConfig, is_terminal: bool) -> Result<ExecInteractiveMode> {
    let mode = exec.interactive_mode.clone();
    match mode.unwrap_or(ExecInteractiveMode::IfAvailable) {
        ExecInteractiveMode::Always if !is_terminal => {
            let command = exec.command.as_deref().unwrap_or_default();
            Err(CliError::failed(format!(
                "the credential plugin {command} asks on the terminal (interactiveMode: Always), and the standard input is none"
            ))
            .hint("run the command on a terminal, or use credentials that need none"))
        }
        ExecInteractiveMode::IfAvailable if !is_terminal => Ok(ExecInteractiveMode::Never),
        mode => Ok(mode),
    }
}

/// Limits the time of connecting, and chooses the proxy.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_is_passed_to_a_credential_plugin() {
        use ExecInteractiveMode::{Always, IfAvailable, Never};
        let decided = |mode, is_terminal| {
            let exec = ExecConfig {
                command: Some("login".into()),
                interactive_mode: mode,
                ..ExecConfig::default()
            };
            interactive_mode(&exec, is_terminal).ok()
        };
        for (mode, on_terminal, elsewhere) in [
            (None, Some(IfAvailable), Some(Never)),
            (Some(IfAvailable), Some(IfAvailable), Some(Never)),
            (Some(Always), Some(Always), None),
            (Some(Never), Some(Never), Some(Never)),
        ] {
            assert_eq!(decided(mode.clone(), true), on_terminal);
            assert_eq!(decided(mode, false), elsewhere);
        }
    }
}
