//! `multi register`: lets the operator of the home cluster into another one.

use std::{
    fs,
    time::{Duration, Instant},
};

use clap::{ArgMatches, FromArgMatches};
use kube::{ResourceExt, config::Cluster};
use serde_json::{Value, json};

use super::{connect, site_flags};
use crate::{
    cli::{self, Connection, Register},
    client::{self, resource::SECRETS},
    clusters::Clusters,
    commands::{live, usage},
    error::{CliError, Result},
    manifest,
    multi::{
        account::{self, ACCOUNT, TOKEN, TOKEN_OF},
        calls,
        entry::{self, Entry, REDACTED},
        sites::{self, SITES, Sites},
    },
    ui::Ui,
};

/// Longest wait until the site has made the token.
const TOKEN_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked whether it has.
const AGAIN: Duration = Duration::from_millis(300);

/// What the token's Secret has.
struct Credentials {
    token: String,
    authority: Option<Vec<u8>>,
}

/// Registers a site, or renews it.
///
/// # Errors
/// When one of the two clusters does not take it; what was written then does no harm, and is renewed by the next try.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let flags = Connection::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let arguments = Register::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let name = match &arguments.site {
        Some(name) => name.clone(),
        None => cli::site(&arguments.site_context).map_err(|why| {
            CliError::usage(format!(
                "the name of context {} cannot be that of a site: {why}",
                arguments.site_context
            ))
            .hint("give the site another name: kubectl casskop multi register SITE …")
        })?,
    };
    live(async {
        let home = Clusters::connect(&flags)?;
        let context = &arguments.site_context;
        let there = site_flags(&flags, context, arguments.site_namespace.as_ref(), &home);
        let site = connect(&there, &home)?;
        let cluster = client::cluster(&there)?;
        let entry = Entry {
            site: name,
            server: arguments
                .site_server
                .clone()
                .unwrap_or_else(|| site.place.server.clone()),
            authority: authority(&cluster)?,
            insecure: cluster.insecure_skip_tls_verify.unwrap_or_default(),
            tls_server_name: cluster.tls_server_name.clone(),
            namespace: site.place.namespace.clone(),
        };
        if entry.is_loopback() {
            ui.warn(&format!(
                "{} is an address of whoever uses it: pods of the home cluster do not reach site {} there; name another one with --site-server",
                entry.server, entry.site
            ));
        }
        if arguments.dry_run {
            return ui.data(&printed(&home, &site, &entry)?);
        }
        register(&home, &site, entry, &arguments, ui).await
    })
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
        same_server(&sites, &entry)?;
    }
    let Credentials { token, authority } = let_in(site).await?;
    // The cluster's own authority is right for an address that the kubeconfig does not have.
    if entry.authority.is_none() && arguments.site_server.is_some() {
        entry.authority = authority;
    }
    let kubeconfig = manifest::yaml(&entry.kubeconfig(&token))?;
    sites.put(&entry.site, &kubeconfig).await?;
    let namespace = &home.place.namespace;
    ui.data(&format!(
        "site {} registered in namespace {namespace}: {}, as service account {ACCOUNT} of namespace {}",
        entry.site, entry.server, entry.namespace
    ))?;
    ui.say(&format!(
        "use it: name it in spec.override of a MultiCasskop; see it: kubectl casskop multi status{}",
        home.place.again
    ));
    Ok(())
}

/// A name that leads to a cluster already must not lead to another one by mistake: a ring may have its nodes there.
fn same_server(sites: &Sites<'_>, entry: &Entry) -> Result<()> {
    let Some(kubeconfig) = sites.kubeconfig(&entry.site) else {
        return Ok(());
    };
    let before = entry::registered(&kubeconfig).server;
    if before.is_empty() || before == entry.server {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "site {} is registered already, with the API server {before}, not {}",
        entry.site, entry.server
    ))
    .hint("another cluster is another site: give it another name")
    .hint("if it is the same cluster at a new address: the same again with --replace"))
}

/// Makes the account in the site and waits for its token.
async fn let_in(site: &Clusters) -> Result<Credentials> {
    let mut account = None;
    for object in account::objects(&site.place.namespace) {
        let applied = calls::apply(site, &object).await?;
        account = account.or(applied.uid());
    }
    let until = Instant::now() + TOKEN_WITHIN;
    loop {
        if let Some(found) = credentials(site, account.as_deref()).await? {
            return Ok(found);
        }
        if Instant::now() >= until {
            return Err(CliError::failed(format!(
                "{} has not put a token into secret {TOKEN} of namespace {} within {}s",
                site.place.source,
                site.place.namespace,
                TOKEN_WITHIN.as_secs()
            ))
            .hint(
                "its kube-controller-manager does that: see whether it runs, then register again",
            ));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The token, once it is that of the account of now.
async fn credentials(site: &Clusters, account: Option<&str>) -> Result<Option<Credentials>> {
    let Some(secret) = calls::get(site, &SECRETS, TOKEN).await? else {
        return Ok(None);
    };
    if secret.annotations().get(TOKEN_OF).map(String::as_str) != account {
        return Ok(None);
    }
    let token = sites::bytes(&secret, "token").and_then(|token| String::from_utf8(token).ok());
    Ok(token.map(|token| Credentials {
        token,
        authority: sites::bytes(&secret, "ca.crt"),
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

/// What would be written, for reading.
fn printed(home: &Clusters, site: &Clusters, entry: &Entry) -> Result<String> {
    let mut documents = Vec::new();
    for object in account::objects(&site.place.namespace) {
        let yaml = manifest::yaml(&object.manifest)?;
        documents.push(format!("---\n# in the site, {}\n{yaml}", site.place.source));
    }
    let mut secret = sites::manifest(&home.place.namespace);
    let kubeconfig = manifest::yaml(&entry.kubeconfig(REDACTED))?;
    secret["stringData"] = json!({ entry.site.as_str(): kubeconfig });
    let yaml = manifest::yaml(&secret)?;
    documents.push(format!(
        "---\n# at home, {}; other keys of {SITES} stay as they are\n{yaml}",
        home.place.source
    ));
    Ok(documents.concat())
}
