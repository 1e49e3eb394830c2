//! `install generate`: the manifests that install the operator.

use clap::Args;

use super::{IMAGE, Reach};
use crate::{
    client::connection::Connection, commands::validators::image, error::Result, model::install,
    terminal::Ui,
};

/// Print the manifests of the operator and its CRD as YAML
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Generate {
    /// Image of the operator
    #[arg(long, value_name = "IMAGE", default_value = IMAGE, value_parser = image)]
    image: String,
    #[command(flatten)]
    reach: Reach,
}

impl Generate {
    /// Prints the manifests.
    ///
    /// # Errors
    /// When an argument is no namespace, or stdout cannot be written.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let install = self.reach.install(flags, &self.image)?;
        ui.data(&install::manifests(&install)?)
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
