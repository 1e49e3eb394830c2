//! `operations`: the operations of a cluster.

use clap::Args;
use kube::ResourceExt;

use super::{
    arguments::{ListArgs, ListOutput, ViewArgs},
    validators::{SHORT_EXIT_CODES, help},
};
use crate::{
    client::{clusters::Clusters, connection::Connection},
    error::Result,
    runtime::block_on,
    terminal::Ui,
    time,
    view::{operations, options::View},
};

/// List the operations: running ones, then finished ones
#[derive(Args, Debug)]
#[command(after_help = help(HELP, SHORT_EXIT_CODES))]
pub struct Operations {
    #[command(flatten)]
    args: ViewArgs,
    /// Include operations that a newer one of their kind has replaced (the newest 20)
    #[arg(long)]
    history: bool,
}

impl Operations {
    /// Lists the operations of a cluster.
    ///
    /// # Errors
    /// When the cluster cannot be read.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let ViewArgs {
            name,
            printed: ListArgs { output },
        } = &self.args;
        let cluster = block_on(async { Clusters::connect(flags)?.get(name).await })?;
        let view = View {
            now: time::now(),
            wide: false,
            style: ui.out,
        };
        let text = operations::list(&cluster, self.history, view);
        if text.is_empty() && *output == ListOutput::Text {
            ui.say(&format!(
                "No operation was requested on cluster {}.",
                cluster.name_any()
            ));
            return Ok(());
        }
        output.print(&operations::data(&cluster, self.history), || text, ui)
    }
}

const HELP: &str = "Examples:
  kubectl casskop operations demo               those at work and the newest of each kind
  kubectl casskop operations demo --history     also those before them
  kubectl casskop operations demo -o json

Who asked is the spec, autoPilot, or the field manager that wrote the annotation: casskop-plugin,
kubectl-annotate, or that of a GitOps tool.";
