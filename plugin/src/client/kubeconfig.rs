//! The kubeconfig: read, merged, and reduced to the selected entries.

use std::{ffi::OsString, path::PathBuf};

use kube::config::{
    AuthInfo, Cluster, Context, Kubeconfig, KubeconfigError, NamedAuthInfo, NamedCluster,
    NamedContext,
};

use super::{connection::Connection, kubeconfig_file};
use crate::{
    error::{CliError, Result},
    text,
};

/// Name of the one context, cluster and user of a reduced kubeconfig that had no name before.
const UNNAMED: &str = "";

/// The merged kubeconfig and where it comes from; none when there is no file.
///
/// # Errors
/// When a file cannot be read.
pub fn read(flags: &Connection) -> Result<Option<(Kubeconfig, String)>> {
    if let Some(path) = &flags.kubeconfig {
        let kubeconfig =
            kubeconfig_file::read(path.as_ref()).map_err(|error| unusable(&error, path))?;
        return Ok(Some((kubeconfig, path.clone())));
    }
    merge(&paths())
}

/// The files of the environment.
fn paths() -> Vec<PathBuf> {
    match listed() {
        Some(list) => std::env::split_paths(&list).collect(),
        None => std::env::home_dir()
            .map(|home| vec![home.join(".kube").join("config")])
            .unwrap_or_default(),
    }
}

fn listed() -> Option<OsString> {
    std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty())
}

/// Whether commands without flags read the file that they read everywhere.
pub fn is_default() -> bool {
    listed().is_none()
}

/// The files of the environment that exist, with their whole paths.
pub fn files() -> Vec<String> {
    let paths = paths().into_iter().filter(|path| path.is_file());
    let names = paths.filter_map(|path| path.to_str().map(absolute));
    names.collect()
}

/// The whole path of a file.
pub fn absolute(file: &str) -> String {
    let path = std::path::absolute(file).ok();
    let path = path.and_then(|path| path.into_os_string().into_string().ok());
    path.unwrap_or_else(|| file.to_owned())
}

/// Whether two reduced kubeconfigs lead to the same API server, with the same credentials.
pub fn is_same(one: &Kubeconfig, other: &Kubeconfig) -> bool {
    let values = [one, other].map(|config| serde_json::to_value(config).ok());
    values[0].is_some() && values[0] == values[1]
}

/// Merges like `kubectl`: missing files are skipped, and the first file that sets a value wins.
fn merge(paths: &[PathBuf]) -> Result<Option<(Kubeconfig, String)>> {
    let present: Vec<&PathBuf> = paths.iter().filter(|path| path.is_file()).collect();
    let mut merged = Kubeconfig::default();
    for path in &present {
        let name = path.display().to_string();
        merged = kubeconfig_file::read(path)
            .and_then(|next| merged.merge(next))
            .map_err(|error| unusable(&error, &name))?;
    }
    let names: Vec<String> = present
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    Ok((!present.is_empty()).then(|| (merged, names.join(", "))))
}

/// Reduces a kubeconfig to one context, cluster and user, with what the flags override.
///
/// # Errors
/// When an entry is missing; the message names the existing ones.
pub fn resolve(kubeconfig: &Kubeconfig, flags: &Connection, file: &str) -> Result<Kubeconfig> {
    let name = flags
        .context
        .clone()
        .or_else(|| kubeconfig.current_context.clone());
    let name = name.filter(|name| !name.is_empty());
    let mut context = match &name {
        Some(name) => {
            let names = kubeconfig.contexts.iter().map(|named| named.name.as_str());
            let found = kubeconfig.contexts.iter().find(|named| &named.name == name);
            found
                .and_then(|named| named.context.clone())
                .ok_or_else(|| missing("context", name, names, file))?
        }
        None if flags.kube_cluster.is_some() || flags.server.is_some() => Context::default(),
        None => return Err(no_context(kubeconfig, file)),
    };
    if let Some(cluster) = &flags.kube_cluster {
        context.cluster.clone_from(cluster);
    }
    context.user = flags.kube_user.clone().or(context.user);
    context.namespace = flags
        .namespace
        .clone()
        .or(context.namespace)
        .filter(|name| !name.is_empty());
    let cluster = cluster(kubeconfig, &context, flags, file)?;
    let user = user(kubeconfig, &context, flags, file)?;
    let name = name.unwrap_or_else(|| UNNAMED.to_owned());
    (context.cluster, context.user) = (UNNAMED.to_owned(), Some(UNNAMED.to_owned()));
    Ok(Kubeconfig {
        current_context: Some(name.clone()),
        contexts: vec![NamedContext {
            name,
            context: Some(context),
            ..NamedContext::default()
        }],
        clusters: vec![NamedCluster {
            name: UNNAMED.into(),
            cluster: Some(cluster),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: UNNAMED.into(),
            auth_info: Some(user),
            ..NamedAuthInfo::default()
        }],
        ..Kubeconfig::default()
    })
}

fn cluster(
    kubeconfig: &Kubeconfig,
    context: &Context,
    flags: &Connection,
    file: &str,
) -> Result<Cluster> {
    let names = kubeconfig.clusters.iter().map(|named| named.name.as_str());
    let found = kubeconfig
        .clusters
        .iter()
        .find(|named| named.name == context.cluster);
    let mut cluster = match found.and_then(|named| named.cluster.clone()) {
        Some(cluster) => cluster,
        None if flags.server.is_some() && flags.kube_cluster.is_none() => Cluster::default(),
        None => return Err(missing("cluster", &context.cluster, names, file)),
    };
    if let Some(server) = &flags.server {
        cluster.server = Some(server.clone());
    }
    let server = cluster.server.as_deref().unwrap_or_default();
    if server.is_empty() {
        return Err(CliError::failed(format!(
            "the cluster '{}' in {file} has no server",
            context.cluster
        ))
        .hint("give one with --server"));
    }
    // The client panics at a server without a scheme.
    if !server.contains("://") {
        return Err(CliError::failed(format!(
            "the server '{server}' of cluster '{}' in {file} is no URL",
            context.cluster
        ))
        .hint(format!("give it as https://{server}")));
    }
    if let Some(authority) = &flags.certificate_authority {
        cluster.certificate_authority = Some(authority.clone());
        cluster.certificate_authority_data = None;
    }
    if flags.tls_server_name.is_some() {
        cluster.tls_server_name.clone_from(&flags.tls_server_name);
    }
    if flags.insecure_skip_tls_verify {
        cluster.insecure_skip_tls_verify = Some(true);
    }
    Ok(cluster)
}

fn user(
    kubeconfig: &Kubeconfig,
    context: &Context,
    flags: &Connection,
    file: &str,
) -> Result<AuthInfo> {
    let names = kubeconfig
        .auth_infos
        .iter()
        .map(|named| named.name.as_str());
    let wanted = context.user.as_deref().unwrap_or_default();
    let found = kubeconfig
        .auth_infos
        .iter()
        .find(|named| named.name == wanted);
    let mut user = match found.and_then(|named| named.auth_info.clone()) {
        Some(user) => user,
        None if flags.kube_user.is_some() => return Err(missing("user", wanted, names, file)),
        None => AuthInfo::default(),
    };
    if let Some(token) = &flags.token {
        user = AuthInfo {
            token: Some(token.clone().into()),
            ..AuthInfo::default()
        };
    }
    if let Some(certificate) = &flags.client_certificate {
        user.client_certificate = Some(certificate.clone());
        user.client_certificate_data = None;
    }
    if let Some(key) = &flags.client_key {
        user.client_key = Some(key.clone());
        user.client_key_data = None;
    }
    if let Some(name) = &flags.as_user {
        user.impersonate = Some(name.clone());
    }
    if !flags.as_group.is_empty() {
        user.impersonate_groups = Some(flags.as_group.clone());
    }
    Ok(user)
}

fn missing<'a>(
    what: &str,
    name: &str,
    names: impl Iterator<Item = &'a str> + Clone,
    file: &str,
) -> CliError {
    let error = CliError::failed(format!("no {what} is called '{name}' in {file}"))
        .hint(format!("its {what}s: {}", text::list(names.clone())));
    match text::nearest(name, names) {
        Some(nearest) => error.hint(format!("did you mean {nearest}?")),
        None => error,
    }
}

fn no_context(kubeconfig: &Kubeconfig, file: &str) -> CliError {
    let names = kubeconfig.contexts.iter().map(|named| named.name.as_str());
    CliError::failed(format!("{file} has no current context")).hint(format!(
        "its contexts: {}; use --context, or kubectl config use-context",
        text::list(names)
    ))
}

/// There is no kubeconfig at all.
pub fn none(flags: &Connection) -> CliError {
    let reason = match std::env::var("KUBECONFIG") {
        Ok(list) if !list.is_empty() && flags.kubeconfig.is_none() => {
            format!("$KUBECONFIG names {list}, which does not exist")
        }
        _ => "neither $KUBECONFIG nor ~/.kube/config names a cluster".into(),
    };
    CliError::failed(format!("no kubeconfig: {reason}"))
        .hint("give --kubeconfig FILE, or --server URL and --token TOKEN")
}

/// An unusable file; its content is never printed: it contains secrets.
pub fn unusable(error: &KubeconfigError, file: &str) -> CliError {
    let why = match error {
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!(
                "it is no kubeconfig (line {}, column {})",
                at.line(),
                at.column()
            ),
            None => "it is no kubeconfig".into(),
        },
        other => other.to_string(),
    };
    CliError::failed(format!("cannot use the kubeconfig {file}: {why}"))
        .hint("check it with kubectl: kubectl config view")
}
