//! `install`: the manifests that install the operator.

use clap::{Args, Subcommand};

use super::validators::{image, namespace, site};
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

/// Print the manifests of the operator, for kubectl apply or for Git
#[derive(Subcommand, Debug)]
#[command(
    override_usage = format!("{PROGRAM} install generate [OPTIONS]"),
    disable_help_subcommand = true
)]
pub enum Install {
    /// Print the manifests of the operator and its CRD as YAML
    #[command(after_help = HELP)]
    Generate(Generate),
}

impl Install {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// Those of the subcommand.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let Self::Generate(command) = self;
        command.run(flags, ui)
    }
}

/// Arguments of `install generate`; the operator's namespace is the `--namespace` that all commands have.
#[derive(Args, Debug)]
pub struct Generate {
    /// Image of the operator
    #[arg(long, value_name = "IMAGE", default_value = IMAGE, value_parser = image)]
    image: String,
    /// Namespace of the clusters that the operator manages (default: its own)
    #[arg(long, value_name = "NAMESPACE", value_parser = namespace, add = Completer::Namespace)]
    watch_namespace: Option<String>,
    /// The operator manages the clusters of all namespaces
    #[arg(long, conflicts_with = "watch_namespace")]
    watch_all_namespaces: bool,
    /// Also print the operator of rings over several Kubernetes clusters; SITE is its name for this cluster, their home
    #[arg(long, value_name = "SITE", value_parser = site, add = Completer::Site)]
    multi: Option<String>,
}

impl Generate {
    /// Prints the manifests.
    ///
    /// # Errors
    /// When an argument is no namespace, or stdout cannot be written.
    fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let own = flags.namespace.as_deref().unwrap_or(NAMESPACE);
        namespace(own).map_err(|why| CliError::usage(format!("--namespace '{own}': {why}")))?;
        let watch = match self.watch_namespace {
            _ if self.watch_all_namespaces => Watch::All,
            Some(other) if other != own => Watch::One(other),
            _ => Watch::Own,
        };
        ui.data(&install::manifests(&install::Install {
            namespace: own,
            image: &self.image,
            watch,
            home: self.multi.as_deref(),
        })?)
    }
}

const HELP: &str = "The operator's namespace is --namespace (default: casskop, whatever the context says); it is printed, too.
Nothing is asked of a server: the manifests are part of this plugin and fit its version.

Examples:
  kubectl casskop install generate | kubectl apply --server-side -f -
  kubectl casskop install generate -n cassandra --image mirror/casskop-operator:0.1.0
  kubectl casskop install generate --watch-namespace shop > casskop.yaml
  kubectl casskop install generate --multi north | kubectl apply --server-side -f -

Exit codes: 0 done, 1 failed, 2 wrong usage.";
