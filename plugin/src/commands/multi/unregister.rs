//! `multi unregister`: takes away a site that nobody uses.

use casskop_common::api::MultiCasskop;
use clap::{ArgMatches, FromArgMatches};
use kube::ResourceExt;

use super::{connect, site_flags};
use crate::{
    cli::{Connection, Unregister},
    client::resource::SECRETS,
    clusters::Clusters,
    commands::{live, usage},
    error::{CliError, Result},
    multi::{
        account::{self, ACCOUNT, TOKEN},
        calls, entry, rings,
        sites::{self, Sites},
    },
    text,
    ui::Ui,
};

/// Unregisters a site.
///
/// # Errors
/// When a `MultiCasskop` names the site, it is not registered, or one of the clusters refuses.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let flags = Connection::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let arguments = Unregister::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let name = &arguments.site;
    live(async {
        let home = Clusters::connect(&flags)?;
        unused(&rings::list(&home).await?, name, &home.place.again)?;
        let sites = Sites::read(&home).await?;
        let namespace = &home.place.namespace;
        let Some(kubeconfig) = sites.kubeconfig(name) else {
            let known = text::list(sites.names());
            return Err(CliError::failed(format!(
                "no site {name} is registered in namespace {namespace}"
            ))
            .hint(format!("registered sites: {known}")));
        };
        // The account first: what fails after that is done by the same command once more.
        let left = match &arguments.site_context {
            Some(context) => {
                let there = site_flags(&flags, context, arguments.site_namespace.as_ref(), &home);
                let site = connect(&there, &home)?;
                shut_out(&site, name, &entry::registered(&kubeconfig).token).await?;
                String::new()
            }
            None => left_over(&entry::registered(&kubeconfig).server),
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

fn left_over(server: &str) -> String {
    format!(
        "the account {ACCOUNT} stays on {server}; take it away there: kubectl delete rolebinding/{ACCOUNT} role/{ACCOUNT} secret/{TOKEN} serviceaccount/{ACCOUNT}"
    )
}

/// Refuses as long as a ring has something there, or may have.
fn unused(rings: &[MultiCasskop], site: &str, again: &str) -> Result<()> {
    for ring in rings {
        let name = ring.name_any();
        if ring.spec.override_.contains_key(site) {
            return Err(CliError::failed(format!(
                "multicasskop {name} has site {site} in spec.override"
            ))
            .hint("take the site out of it first: its nodes leave the ring then, see docs/operations.md")
            .hint(format!("see the ring: kubectl casskop multi status {name}{again}")));
        }
        let told = ring.status.iter().flat_map(|status| &status.sites);
        if let Some(told) = told.into_iter().find(|told| told.name == site) {
            let why = match text::plain(&told.message) {
                message if message.is_empty() => String::new(),
                message => format!(": {message}"),
            };
            return Err(CliError::failed(format!(
                "multicasskop {name} has not yet left site {site}{why}"
            ))
            .hint("the operator needs the way there until nothing of the ring is left")
            .hint(format!(
                "see the ring: kubectl casskop multi status {name}{again}"
            )));
        }
    }
    Ok(())
}

/// Takes the account away, once it is sure that it is that of this site.
async fn shut_out(site: &Clusters, name: &str, token: &str) -> Result<()> {
    let secret = calls::get(site, &SECRETS, TOKEN).await?;
    let there = secret.and_then(|secret| sites::bytes(&secret, "token"));
    if there.is_some_and(|there| there != token.as_bytes()) {
        return Err(CliError::failed(format!(
            "{} has an account {ACCOUNT} in namespace {}, but it is not that of site {name}",
            site.place.source, site.place.namespace
        ))
        .hint(
            "nothing was changed; name the context and namespace that the site was registered with",
        ));
    }
    let mut objects = account::objects(&site.place.namespace);
    objects.reverse();
    // The Secret comes last: as long as it is there, the next try knows whose account it is.
    objects.sort_by_key(|object| object.name == TOKEN);
    for object in objects {
        calls::delete(site, &object).await?;
    }
    Ok(())
}
