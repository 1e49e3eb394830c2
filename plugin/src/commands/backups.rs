//! `backups`: the complete backups of a cluster.

use clap::Args;
use kube::ResourceExt;

use super::{
    arguments::Output,
    validators::{SHORT_EXIT_CODES, help, object_name},
};
use crate::{
    client::{clusters::Clusters, connection::Connection},
    completer::Completer,
    error::Result,
    model::manifest,
    runtime::block_on,
    terminal::Ui,
    time,
    view::backups,
};

/// List the complete backups, newest first
#[derive(Args, Debug)]
#[command(after_help = help(HELP, SHORT_EXIT_CODES))]
pub struct Backups {
    /// Name of the CassandraCluster
    #[arg(value_name = "CLUSTER", value_parser = object_name, add = Completer::Cluster)]
    name: String,
    /// text, json, yaml or name: the ids
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    output: Output,
}

impl Backups {
    /// Lists the backups of a cluster.
    ///
    /// # Errors
    /// When the cluster cannot be read.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let cluster = block_on(async { Clusters::connect(flags)?.get(&self.name).await })?;
        let is_empty = cluster
            .status
            .as_ref()
            .is_none_or(|status| status.backups.is_empty());
        if is_empty && matches!(self.output, Output::Text | Output::Name) {
            let next = backups::first(&cluster, &flags.connection_args());
            ui.say(&format!(
                "No complete backup of cluster {} is known: {next}",
                cluster.name_any()
            ));
            return Ok(());
        }
        ui.data(&match self.output {
            Output::Text => backups::list(&cluster, time::now(), ui.out),
            Output::Name => backups::ids(&cluster),
            Output::Json => manifest::json(&backups::data(&cluster))?,
            Output::Yaml => manifest::yaml(&backups::data(&cluster))?,
        })
    }
}

const HELP: &str = "Examples:
  kubectl casskop backups demo
  kubectl casskop backups demo -o json

The status of the cluster has the newest 50 of each store. The store has all of them.";
