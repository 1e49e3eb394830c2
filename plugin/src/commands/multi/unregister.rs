//! `multi unregister`: removes a site that no resource uses.

use casskop_common::api::MultiCasskop;
use clap::Args;
use kube::ResourceExt;

use super::{connect_site, site_flags};
use crate::{
    client::{
        clusters::Clusters,
        connection::Connection,
        multi_casskops,
        resource::SECRETS,
        site_account::{self, ACCOUNT, TOKEN},
        site_objects,
        site_secret::{self, Sites},
    },
    commands::validators::{SHORT_EXIT_CODES, help, namespace, site},
    completer::Completer,
    error::{CliError, Result},
    model::site,
    runtime::block_on,
    terminal::Ui,
    text,
};

/// Arguments of `multi unregister`.
#[derive(Args, Debug)]
#[command(about = "Take a site that no MultiCasskop uses away", after_help = help(HELP, SHORT_EXIT_CODES))]
pub struct Unregister {
    /// Name of the site
    #[arg(value_name = "SITE", value_parser = site, add = Completer::Site)]
    site: String,
    /// Context of the kubeconfig that leads to the site: takes the account there away, too
    #[arg(long, value_name = "CONTEXT", add = Completer::Context)]
    site_context: Option<String>,
    /// Namespace there (default: the same as at home)
    #[arg(long, value_name = "NAMESPACE", requires = "site_context", value_parser = namespace, add = Completer::Namespace)]
    site_namespace: Option<String>,
}

impl Unregister {
    /// Unregisters a site.
    ///
    /// # Errors
    /// When a `MultiCasskop` names the site, it is not registered, or one of the clusters refuses.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let name = &self.site;
        block_on(async {
            let home = Clusters::connect(flags)?;
            let rings = multi_casskops::list(&home).await?;
            refuse_used(&rings.items, name, &home.target.connection_args)?;
            // A MultiCasskop that cannot be read may name the site.
            rings.complete()?;
            let sites = Sites::read(&home).await?;
            let namespace = &home.target.namespace;
            let Some(kubeconfig) = sites.kubeconfig(name) else {
                let known = text::list(sites.names());
                return Err(CliError::failed(format!(
                    "no site {name} is registered in namespace {namespace}"
                ))
                .hint(format!("registered sites: {known}")));
            };
            // The account first: the same command repeats the rest after a failure.
            let left = match &self.site_context {
                Some(context) => {
                    let there = site_flags(flags, context, self.site_namespace.as_ref(), &home);
                    let site = connect_site(&there, &home)?;
                    delete_account(&site, name, &site::registered(&kubeconfig).token).await?;
                    String::new()
                }
                None => remaining_account(&site::registered(&kubeconfig).server),
            };
            sites.remove(name).await?;
            ui.data(&format!(
                "site {name} unregistered from namespace {namespace}"
            ))?;
            if !left.is_empty() {
                ui.say(&left);
            }
            Ok(())
        })
    }
}

fn remaining_account(server: &str) -> String {
    format!(
        "the account {ACCOUNT} stays on {server}; take it away there: kubectl delete rolebinding/{ACCOUNT} role/{ACCOUNT} secret/{TOKEN} serviceaccount/{ACCOUNT}"
    )
}

/// Refuses while a ring has objects in the site, or may have.
fn refuse_used(rings: &[MultiCasskop], site: &str, connection_args: &str) -> Result<()> {
    for ring in rings {
        let name = ring.name_any();
        if ring.spec.override_.contains_key(site) {
            return Err(CliError::failed(format!(
                "multicasskop {name} has site {site} in spec.override"
            ))
            .hint("remove the site from it first, so that its nodes leave the ring: see docs/operations.md")
            .hint(format!("show the ring: kubectl casskop multi status {name}{connection_args}")));
        }
        let reported = ring.status.iter().flat_map(|status| &status.sites);
        if let Some(reported) = reported.into_iter().find(|reported| reported.name == site) {
            let why = match text::plain(&reported.message) {
                message if message.is_empty() => String::new(),
                message => format!(": {message}"),
            };
            return Err(CliError::failed(format!(
                "multicasskop {name} has not yet left site {site}{why}"
            ))
            .hint("the operator needs the way there until nothing of the ring is left")
            .hint(format!(
                "show the ring: kubectl casskop multi status {name}{connection_args}"
            )));
        }
    }
    Ok(())
}

/// Deletes the account, after a check that it belongs to this site.
async fn delete_account(site: &Clusters, name: &str, token: &str) -> Result<()> {
    let secret = site_objects::get(site, &SECRETS, TOKEN).await?;
    let there = secret.and_then(|secret| site_secret::bytes(&secret, "token"));
    if there.is_some_and(|there| there != token.as_bytes()) {
        return Err(CliError::failed(format!(
            "{} has an account {ACCOUNT} in namespace {}, but it is not that of site {name}",
            site.target.source, site.target.namespace
        ))
        .hint(
            "nothing was changed; name the context and namespace that the site was registered with",
        ));
    }
    let mut objects = site_account::objects(&site.target.namespace);
    objects.reverse();
    // The Secret comes last: it identifies the account at the next attempt.
    objects.sort_by_key(|object| object.name == TOKEN);
    for object in objects {
        site_objects::delete(site, &object).await?;
    }
    Ok(())
}

const HELP: &str = "It is refused as long as a MultiCasskop of the namespace names the site.

Examples:
  kubectl casskop multi unregister south
  kubectl casskop multi unregister south --site-context admin@south
";
