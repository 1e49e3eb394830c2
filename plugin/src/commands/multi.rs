//! `multi`: rings over several Kubernetes clusters.

mod register;
mod status;
mod unregister;

use clap::ArgMatches;

use crate::{
    cli::Connection,
    clusters::Clusters,
    error::{CliError, Result},
    ui::Ui,
};

/// Runs the subcommand.
///
/// # Errors
/// Those of the subcommand.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    match matches.subcommand() {
        Some(("register", own)) => register::run(own, ui),
        Some(("unregister", own)) => unregister::run(own, ui),
        Some(("status", own)) => status::run(own, ui),
        _ => Err(CliError::usage("multi goes with a subcommand")),
    }
}

/// The flags that lead to a site: another context of the same kubeconfig, as whoever that says.
fn site_flags(
    flags: &Connection,
    context: &str,
    namespace: Option<&String>,
    home: &Clusters,
) -> Connection {
    Connection {
        namespace: Some(namespace.unwrap_or(&home.place.namespace).clone()),
        context: Some(context.to_owned()),
        kubeconfig: flags.kubeconfig.clone(),
        request_timeout: flags.request_timeout,
        ..Connection::default()
    }
}

/// Connects to a site, which is another cluster than home: that needs no account.
fn connect(flags: &Connection, home: &Clusters) -> Result<Clusters> {
    let site = Clusters::connect(flags)?;
    if site.place.server == home.place.server {
        return Err(CliError::failed(format!(
            "{} leads to the home cluster itself, {}",
            site.place.source, home.place.server
        ))
        .hint("the operator knows its own cluster by --home; choose the home cluster with --context and the other one with --site-context"));
    }
    Ok(site)
}
