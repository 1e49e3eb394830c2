//! `install`: the manifests that install the operator, and whether they fit a Kubernetes cluster.

mod check;
mod generate;

use clap::{Args, Subcommand};

use super::validators::{namespace, site};
use crate::{
    client::connection::Connection,
    completer::Completer,
    error::{CliError, Result},
    model::install::{self, Watch},
    terminal::Ui,
    text::PROGRAM,
};

/// Image of the operator that belongs to this plugin.
const IMAGE: &str = concat!("casskop/casskop-operator:", env!("CARGO_PKG_VERSION"));
/// Namespace of the operator without `--namespace`.
const NAMESPACE: &str = "casskop";

/// Print the manifests of the operator, and check beforehand whether they fit a Kubernetes cluster
#[derive(Subcommand, Debug)]
#[command(
    override_usage = format!("{PROGRAM} install COMMAND [OPTIONS]"),
    disable_help_subcommand = true
)]
pub enum Install {
    Generate(generate::Generate),
    Check(check::Check),
}

impl Install {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// Those of the subcommand.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        match self {
            Self::Generate(command) => command.run(flags, ui),
            Self::Check(command) => command.run(flags, ui),
        }
    }
}

/// The reach of an operator; its own namespace is the `--namespace` that all commands have.
#[derive(Args, Debug)]
struct Reach {
    /// Namespace of the clusters that the operator manages (default: its own)
    #[arg(long, value_name = "NAMESPACE", value_parser = namespace, add = Completer::Namespace)]
    watch_namespace: Option<String>,
    /// The operator manages the clusters of all namespaces
    #[arg(long, conflicts_with = "watch_namespace")]
    watch_all_namespaces: bool,
    /// Also the operator of rings over several Kubernetes clusters; SITE is its name for this cluster, their home
    #[arg(long, value_name = "SITE", value_parser = site, add = Completer::Site)]
    multi: Option<String>,
}

impl Reach {
    /// The installation with this image.
    ///
    /// # Errors
    /// When `--namespace` is no namespace.
    fn install<'a>(
        &'a self,
        flags: &'a Connection,
        image: &'a str,
    ) -> Result<install::Install<'a>> {
        let own = flags.namespace.as_deref().unwrap_or(NAMESPACE);
        namespace(own).map_err(|why| CliError::usage(format!("--namespace '{own}': {why}")))?;
        let watch = match &self.watch_namespace {
            _ if self.watch_all_namespaces => Watch::All,
            Some(other) if other != own => Watch::One(other.clone()),
            _ => Watch::Own,
        };
        Ok(install::Install {
            namespace: own,
            image,
            watch,
            home: self.multi.as_deref(),
        })
    }
}
