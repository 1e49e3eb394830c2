//! `multi`: rings over several Kubernetes clusters, and the sites that they may use.

mod register;
mod status;
mod unregister;

use clap::Subcommand;

use crate::{
    client::{clusters::Clusters, connection::Connection},
    error::{CliError, Result},
    terminal::Ui,
    text::PROGRAM,
};

/// Show a ring over several Kubernetes clusters, and register its clusters
#[derive(Subcommand, Debug)]
#[command(
    override_usage = format!("{PROGRAM} multi COMMAND [OPTIONS]"),
    disable_help_subcommand = true
)]
pub enum Multi {
    Status(status::Status),
    Register(register::Register),
    Unregister(unregister::Unregister),
}

impl Multi {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// Those of the subcommand.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        match self {
            Self::Status(command) => command.run(flags, ui),
            Self::Register(command) => command.run(flags, ui),
            Self::Unregister(command) => command.run(flags, ui),
        }
    }
}

/// The flags of a site: another context of the same kubeconfig, with its user.
fn site_flags(
    flags: &Connection,
    context: &str,
    namespace: Option<&String>,
    home: &Clusters,
) -> Connection {
    Connection {
        namespace: Some(namespace.unwrap_or(&home.target.namespace).clone()),
        context: Some(context.to_owned()),
        kubeconfig: flags.kubeconfig.clone(),
        request_timeout: flags.request_timeout,
        ..Connection::default()
    }
}

/// Connects to a site; the home cluster itself is refused.
fn connect_site(flags: &Connection, home: &Clusters) -> Result<Clusters> {
    let site = Clusters::connect(flags)?;
    if site.target.server == home.target.server {
        return Err(CliError::failed(format!(
            "{} leads to the home cluster itself, {}",
            site.target.source, home.target.server
        ))
        .hint("the operator knows its own cluster by --home; choose the home cluster with --context and the other one with --site-context"));
    }
    Ok(site)
}
