//! `multi register`: lets the operator of the home cluster into another one.

use std::{
    fs,
    time::{Duration, Instant},
};

use clap::Args;
use kube::{ResourceExt, config::Cluster};
use serde_json::{Value, json};

use super::{connect_site, site_flags};
use crate::{
    client::{
        clusters::Clusters,
        connect,
        connection::Connection,
        resource::SECRETS,
        site_account::{self, ACCOUNT, TOKEN, TOKEN_OF},
        site_objects,
        site_secret::{self, SITES, Sites},
    },
    commands::validators::{SHORT_EXIT_CODES, help, namespace, site, url},
    completer::Completer,
    error::{CliError, Result},
    model::{
        manifest,
        site::{self, Entry, REDACTED},
    },
    runtime::block_on,
    terminal::Ui,
};

/// Longest wait for the token of the site.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two polls for the token.
const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// The contents of the token's Secret.
struct Credentials {
    token: String,
    authority: Option<Vec<u8>>,
}

/// Register another cluster as a site, and give the operator of the home cluster access to it
#[derive(Args, Debug)]
#[command(after_help = help(HELP, SHORT_EXIT_CODES))]
pub struct Register {
    /// Name of the site (default: that of its context)
    #[arg(value_name = "SITE", value_parser = site, add = Completer::Site)]
    site: Option<String>,
    /// Context of the kubeconfig that leads to the site
    #[arg(long, value_name = "CONTEXT", add = Completer::Context)]
    site_context: String,
    /// Namespace there (default: the same as at home)
    #[arg(long, value_name = "NAMESPACE", value_parser = namespace, add = Completer::Namespace)]
    site_namespace: Option<String>,
    /// Address at which pods of the home cluster reach its API server (default: that of the context)
    #[arg(long, value_name = "URL", value_parser = url)]
    site_server: Option<String>,
    /// Replace the API server that is registered under the name
    #[arg(long)]
    replace: bool,
    /// Contact no server and write nothing: only print the objects, without the token
    #[arg(long)]
    dry_run: bool,
}

impl Register {
    /// Registers a site, or renews it.
    ///
    /// # Errors
    /// When one of the two clusters does not take it; what was written then does no harm, and is renewed by the next try.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let name = match &self.site {
            Some(name) => name.clone(),
            None => site(&self.site_context).map_err(|why| {
                CliError::usage(format!(
                    "the name of context {} cannot be that of a site: {why}",
                    self.site_context
                ))
                .hint("give the site another name: kubectl casskop multi register SITE …")
            })?,
        };
        block_on(async {
            let home = Clusters::connect(flags)?;
            let context = &self.site_context;
            let there = site_flags(flags, context, self.site_namespace.as_ref(), &home);
            let site = connect_site(&there, &home)?;
            let cluster = connect::cluster(&there)?;
            let entry = Entry {
                site: name,
                server: self
                    .site_server
                    .clone()
                    .unwrap_or_else(|| site.target.server.clone()),
                authority: authority(&cluster)?,
                insecure: cluster.insecure_skip_tls_verify.unwrap_or_default(),
                tls_server_name: cluster.tls_server_name.clone(),
                namespace: site.target.namespace.clone(),
            };
            if entry.is_loopback() {
                ui.warn(&format!(
                    "{} is a local address: pods of the home cluster do not reach site {} there; name another address with --site-server",
                    entry.server, entry.site
                ));
            }
            if self.dry_run {
                return ui.data(&printed(&home, &site, &entry)?);
            }
            register(&home, &site, entry, &self, ui).await
        })
    }
}

async fn register(
    home: &Clusters,
    site: &Clusters,
    mut entry: Entry,
    arguments: &Register,
    ui: &Ui,
) -> Result<()> {
    let sites = Sites::read(home).await?;
    if !arguments.replace {
        refuse_other_server(&sites, &entry)?;
    }
    let Credentials { token, authority } = create_account(site).await?;
    // The cluster's own authority is right for an address that the kubeconfig does not have.
    if entry.authority.is_none() && arguments.site_server.is_some() {
        entry.authority = authority;
    }
    let kubeconfig = manifest::yaml(&entry.kubeconfig(&token))?;
    sites.put(&entry.site, &kubeconfig).await?;
    let namespace = &home.target.namespace;
    ui.data(&format!(
        "site {} registered in namespace {namespace}: {}, as service account {ACCOUNT} of namespace {}",
        entry.site, entry.server, entry.namespace
    ))?;
    ui.say(&format!(
        "add the site to spec.override of a MultiCasskop; check it: kubectl casskop multi status{}",
        home.target.connection_args
    ));
    Ok(())
}

/// Refuses a registered name with another server: a ring may have nodes in the first one.
fn refuse_other_server(sites: &Sites<'_>, entry: &Entry) -> Result<()> {
    let Some(kubeconfig) = sites.kubeconfig(&entry.site) else {
        return Ok(());
    };
    let before = site::registered(&kubeconfig).server;
    if before.is_empty() || before == entry.server {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "site {} is registered already, with the API server {before}, not {}",
        entry.site, entry.server
    ))
    .hint("another cluster is another site: give it another name")
    .hint("if it is the same cluster at a new address: run the command again with --replace"))
}

/// Creates the account in the site and waits for its token.
async fn create_account(site: &Clusters) -> Result<Credentials> {
    let mut account = None;
    for object in site_account::objects(&site.target.namespace) {
        let applied = site_objects::apply(site, &object).await?;
        account = account.or(applied.uid());
    }
    let until = Instant::now() + TOKEN_TIMEOUT;
    loop {
        if let Some(found) = credentials(site, account.as_deref()).await? {
            return Ok(found);
        }
        if Instant::now() >= until {
            return Err(CliError::failed(format!(
                "{} has not put a token into secret {TOKEN} of namespace {} within {}s",
                site.target.source,
                site.target.namespace,
                TOKEN_TIMEOUT.as_secs()
            ))
            .hint(
                "its kube-controller-manager does that: check that it runs, then register the site again",
            ));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The token, once it belongs to the current account.
async fn credentials(site: &Clusters, account: Option<&str>) -> Result<Option<Credentials>> {
    let Some(secret) = site_objects::get(site, &SECRETS, TOKEN).await? else {
        return Ok(None);
    };
    if secret.annotations().get(TOKEN_OF).map(String::as_str) != account {
        return Ok(None);
    }
    let token =
        site_secret::bytes(&secret, "token").and_then(|token| String::from_utf8(token).ok());
    Ok(token.map(|token| Credentials {
        token,
        authority: site_secret::bytes(&secret, "ca.crt"),
    }))
}

/// The authorities that the kubeconfig has for a cluster, as PEM.
fn authority(cluster: &Cluster) -> Result<Option<Vec<u8>>> {
    if let Some(data) = &cluster.certificate_authority_data {
        let decoded = serde_json::from_value(Value::from(data.as_str()));
        let k8s_openapi::ByteString(pem) = decoded.map_err(|_| {
            CliError::failed("certificate-authority-data of the site's context is no base64")
        })?;
        return Ok(Some(pem));
    }
    let file = cluster.certificate_authority.as_ref();
    let read = file.map(|file| {
        fs::read(file).map_err(|error| CliError::failed(format!("cannot read {file}: {error}")))
    });
    read.transpose()
}

/// The manifests that would be written, without the token.
fn printed(home: &Clusters, site: &Clusters, entry: &Entry) -> Result<String> {
    let mut documents = Vec::new();
    for object in site_account::objects(&site.target.namespace) {
        let yaml = manifest::yaml(&object.manifest)?;
        documents.push(format!(
            "---\n# in the site, {}\n{yaml}",
            site.target.source
        ));
    }
    let mut secret = site_secret::manifest(&home.target.namespace);
    let kubeconfig = manifest::yaml(&entry.kubeconfig(REDACTED))?;
    secret["stringData"] = json!({ entry.site.as_str(): kubeconfig });
    let yaml = manifest::yaml(&secret)?;
    documents.push(format!(
        "---\n# at home, {}; other keys of {SITES} stay as they are\n{yaml}",
        home.target.source
    ));
    Ok(documents.concat())
}

const HELP: &str = "The connection options choose the home cluster, where the MultiCasskop and its operator are.
In the site: a ServiceAccount, Role and RoleBinding casskop-multi with the few rights that the operator needs, and
a Secret with its token. At home: a kubeconfig with that token, as a key of the Secret casskop-multi-sites. The
operator finds it within about a minute; it needs no restart. Registering again renews it.

Examples:
  kubectl casskop multi register --site-context south
  kubectl casskop multi register south -n shop --site-context admin@south --site-server https://10.0.2.1:6443
  kubectl casskop multi register --site-context south --dry-run
";
