//! `status`: what a cluster is doing.

use std::{io, time::Duration};

use casskop_common::api::CassandraCluster;
use clap::Args;
use kube::ResourceExt;
use serde_json::json;

use super::{arguments::StatusOutput, validators::object_name};
use crate::{
    client::{
        clusters::Clusters,
        connection::Connection,
        watch::{Change, ClusterWatch},
    },
    completer::Completer,
    error::{CliError, Kind, Result},
    model::manifest,
    runtime::block_on,
    terminal::{
        Ui,
        region::{self, Region},
    },
    time,
    view::{options::View, status::render, table},
};

/// Time between two repaints.
const TICK: Duration = Duration::from_secs(1);

/// Show a cluster: nodes by rack, conditions, operations and their progress
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Status {
    /// Name of the CassandraCluster; left out: a table of all
    #[arg(value_name = "CLUSTER", value_parser = object_name, add = Completer::Cluster)]
    name: Option<String>,
    /// The clusters of all namespaces
    #[arg(short = 'A', long, conflicts_with = "name")]
    all_namespaces: bool,
    /// Show every change, until Ctrl-C or until the cluster is gone
    #[arg(short, long, requires = "name")]
    watch: bool,
    /// text, wide, json, yaml or name
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    output: StatusOutput,
}

impl Status {
    /// Shows one cluster or all.
    ///
    /// # Errors
    /// When the clusters cannot be read.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        if self.watch && !matches!(self.output, StatusOutput::Text | StatusOutput::Wide) {
            return Err(
                CliError::usage("--watch is for people: it goes with -o text or wide")
                    .hint("programs watch with kubectl get --watch -o json"),
            );
        }
        block_on(async {
            let clusters = Clusters::connect(flags)?;
            match &self.name {
                None => all(&clusters, &self, ui).await,
                Some(name) => one(&clusters, name, &self, ui).await,
            }
        })
    }
}

async fn all(clusters: &Clusters, arguments: &Status, ui: &Ui) -> Result<()> {
    let listed = clusters.list(arguments.all_namespaces).await?;
    let mut found = listed.items.clone();
    found.sort_by_key(|cluster| (cluster.namespace(), cluster.name_any()));
    let text = match arguments.output {
        StatusOutput::Yaml => manifest::yaml(&items(&found))?,
        StatusOutput::Json => manifest::json(&items(&found))?,
        StatusOutput::Name => found
            .iter()
            .map(|cluster| manifest::object_name(&cluster.name_any()) + "\n")
            .collect(),
        _ if listed.is_empty() => {
            ui.say(&nothing(clusters, arguments));
            return Ok(());
        }
        _ if found.is_empty() => String::new(),
        _ => table::render(&found, arguments.all_namespaces, time::now(), ui.out),
    };
    ui.data(&text)?;
    listed.complete()
}

fn items(clusters: &[CassandraCluster]) -> serde_json::Value {
    let items: Vec<CassandraCluster> = clusters
        .iter()
        .cloned()
        .map(without_managed_fields)
        .collect();
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

fn nothing(clusters: &Clusters, arguments: &Status) -> String {
    if arguments.all_namespaces {
        return "There is no CassandraCluster in any namespace.".into();
    }
    format!(
        "There is no CassandraCluster in namespace {}; see all namespaces with -A.",
        clusters.target.namespace
    )
}

async fn one(clusters: &Clusters, name: &str, arguments: &Status, ui: &Ui) -> Result<()> {
    let cluster = clusters.get(name).await?;
    let wide = arguments.output == StatusOutput::Wide;
    let view = || View {
        now: time::now(),
        wide,
        style: ui.out,
    };
    match arguments.output {
        StatusOutput::Yaml => ui.data(&manifest::yaml(&without_managed_fields(cluster))?),
        StatusOutput::Json => ui.data(&manifest::json(&without_managed_fields(cluster))?),
        StatusOutput::Name => ui.data(&manifest::object_name(name)),
        _ if !arguments.watch => ui.data(&render(&cluster, view()).whole()),
        _ if ui.live_out => repaint(clusters, cluster, view, ui).await,
        _ => blocks(clusters, cluster, view, ui).await,
    }
}

/// The object without managed fields.
fn without_managed_fields(mut cluster: CassandraCluster) -> CassandraCluster {
    cluster.metadata.managed_fields = None;
    cluster
}

/// On a terminal: one region, repainted on every change and as time goes by.
async fn repaint(
    clusters: &Clusters,
    mut cluster: CassandraCluster,
    view: impl Fn() -> View,
    ui: &Ui,
) -> Result<()> {
    let mut watch = ClusterWatch::after(clusters, &cluster);
    let mut region = Region::new(io::stdout());
    let mut disconnected: Option<String> = None;
    let closed = |_| CliError::new(Kind::BrokenPipe, "the terminal is gone");
    loop {
        let next = watch.next();
        tokio::pin!(next);
        let change = loop {
            let picture = render(&cluster, view());
            let disconnected = disconnected.iter().map(|why| connection_lost(why) + "\n\n");
            let header = disconnected.chain([picture.header]).collect::<String>();
            let text = region::fit(&header, &picture.nodes, &picture.operations);
            region.paint(&text).map_err(closed)?;
            tokio::select! {
                change = &mut next => break change?,
                () = tokio::time::sleep(TICK) => {}
            }
        };
        disconnected = None;
        match change {
            Change::Updated(updated) => cluster = *updated,
            Change::Disconnected(why) => disconnected = Some(why),
            Change::Deleted => {
                ui.say(&deleted(&cluster));
                return Ok(());
            }
        }
    }
}

/// Into a file or pipe: a block for every change.
async fn blocks(
    clusters: &Clusters,
    cluster: CassandraCluster,
    view: impl Fn() -> View,
    ui: &Ui,
) -> Result<()> {
    let mut watch = ClusterWatch::after(clusters, &cluster);
    let mut shown = render(&cluster, view()).whole();
    ui.data(&shown)?;
    let mut lost = false;
    loop {
        match watch.next().await? {
            Change::Updated(updated) => {
                lost = false;
                let text = render(&updated, view()).whole();
                if text != shown {
                    ui.data(&format!("---\n{text}"))?;
                    shown = text;
                }
            }
            Change::Disconnected(why) if !lost => {
                lost = true;
                ui.warn(&connection_lost(&why));
            }
            Change::Disconnected(_) => {}
            Change::Deleted => {
                ui.say(&deleted(&cluster));
                return Ok(());
            }
        }
    }
}

fn connection_lost(why: &str) -> String {
    format!("the connection to the API server was lost ({why}); retrying")
}

fn deleted(cluster: &CassandraCluster) -> String {
    format!("cassandracluster {} was deleted", cluster.name_any())
}

const HELP: &str = "Examples:
  kubectl casskop status demo             nodes, conditions, operations
  kubectl casskop status demo --watch     the same, repainted on every change
  kubectl casskop status -A               all clusters of all namespaces

States are those of nodetool: U up, D down; N normal, J joining, L leaving, M moving.
Exit codes: 0 done, 1 failed, 2 wrong usage.";
