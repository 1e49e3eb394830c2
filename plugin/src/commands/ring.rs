//! `ring`: one line for each node.

use clap::Args;

use super::{
    arguments::ViewArgs,
    validators::{SHORT_EXIT_CODES, help},
};
use crate::{
    client::{clusters::Clusters, connection::Connection},
    error::Result,
    runtime::block_on,
    terminal::Ui,
    time,
    view::ring,
};

/// Show the ring: one line per node, as nodetool status does
#[derive(Args, Debug)]
#[command(after_help = help(HELP, SHORT_EXIT_CODES))]
pub struct Ring {
    #[command(flatten)]
    args: ViewArgs,
}

impl Ring {
    /// Shows the ring from the status.
    ///
    /// # Errors
    /// When the cluster cannot be read.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let name = &self.args.name;
        let cluster = block_on(async { Clusters::connect(flags)?.get(name).await })?;
        let text = || ring::render(&cluster, time::now(), ui.out);
        self.args
            .printed
            .output
            .print(&ring::data(&cluster), text, ui)
    }
}

const HELP: &str = "Examples:
  kubectl casskop ring demo
  kubectl casskop ring demo -o json

All of it comes from the status; no node is asked. A node owes a cleanup after others have joined
its data center. States are those of nodetool: U up, D down; N normal, J joining, L leaving,
M moving; -- not reported yet.";
