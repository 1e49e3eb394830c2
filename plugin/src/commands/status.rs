//! `status`: what a cluster is doing.

use std::{io, time::Duration};

use casskop_common::api::CassandraCluster;
use clap::{ArgMatches, FromArgMatches};
use kube::ResourceExt;
use serde_json::json;

use super::{live, usage};
use crate::{
    cli::{Connection, Status, StatusOutput},
    clusters::Clusters,
    error::{CliError, Kind, Result},
    follow::{Change, Follower},
    manifest, time,
    ui::{
        Ui,
        region::{self, Region},
        status::{View, render},
        table,
    },
};

/// How often ages are repainted.
const TICK: Duration = Duration::from_secs(1);

/// Shows one cluster or all.
///
/// # Errors
/// When they cannot be read.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let flags = Connection::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let arguments = Status::from_arg_matches(matches).map_err(|error| usage(&error))?;
    if arguments.watch && !matches!(arguments.output, StatusOutput::Text | StatusOutput::Wide) {
        return Err(
            CliError::usage("--watch is for people: it goes with -o text or wide")
                .hint("programs watch with kubectl get --watch -o json"),
        );
    }
    live(async {
        let clusters = Clusters::connect(&flags)?;
        match &arguments.name {
            None => all(&clusters, &arguments, ui).await,
            Some(name) => one(&clusters, name, &arguments, ui).await,
        }
    })
}

async fn all(clusters: &Clusters, arguments: &Status, ui: &Ui) -> Result<()> {
    let mut found = clusters.list(arguments.all_namespaces).await?;
    found.sort_by_key(|cluster| (cluster.namespace(), cluster.name_any()));
    let text = match arguments.output {
        StatusOutput::Yaml => manifest::yaml(&items(&found))?,
        StatusOutput::Json => manifest::json(&items(&found))?,
        StatusOutput::Name => found
            .iter()
            .map(|cluster| manifest::object_name(&cluster.name_any()) + "\n")
            .collect(),
        _ if found.is_empty() => {
            ui.say(&nothing(clusters, arguments));
            return Ok(());
        }
        _ => table::render(&found, arguments.all_namespaces, time::now(), ui.out),
    };
    ui.data(&text)
}

fn items(clusters: &[CassandraCluster]) -> serde_json::Value {
    let items: Vec<CassandraCluster> = clusters.iter().cloned().map(tidy).collect();
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

fn nothing(clusters: &Clusters, arguments: &Status) -> String {
    if arguments.all_namespaces {
        return "There is no CassandraCluster in any namespace.".into();
    }
    format!(
        "There is no CassandraCluster in namespace {}; see all namespaces with -A.",
        clusters.place.namespace
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
        StatusOutput::Yaml => ui.data(&manifest::yaml(&tidy(cluster))?),
        StatusOutput::Json => ui.data(&manifest::json(&tidy(cluster))?),
        StatusOutput::Name => ui.data(&manifest::object_name(name)),
        _ if !arguments.watch => ui.data(&render(&cluster, view()).whole()),
        _ if ui.live_out => repaint(clusters, cluster, view, ui).await,
        _ => blocks(clusters, cluster, view, ui).await,
    }
}

/// Without what only machines keep there.
fn tidy(mut cluster: CassandraCluster) -> CassandraCluster {
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
    let mut follower = Follower::after(clusters, &cluster);
    let mut region = Region::new(io::stdout());
    let mut trouble: Option<String> = None;
    let gone = |_| CliError::new(Kind::BrokenPipe, "the terminal is gone");
    loop {
        let next = follower.next();
        tokio::pin!(next);
        let change = loop {
            let picture = render(&cluster, view());
            let trouble = trouble.iter().map(|why| connection_lost(why) + "\n\n");
            let header = trouble.chain([picture.header]).collect::<String>();
            let text = region::fit(&header, &picture.nodes, &picture.operations);
            region.paint(&text).map_err(gone)?;
            tokio::select! {
                change = &mut next => break change?,
                () = tokio::time::sleep(TICK) => {}
            }
        };
        trouble = None;
        match change {
            Change::Seen(seen) => cluster = *seen,
            Change::Trouble(why) => trouble = Some(why),
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
    let mut follower = Follower::after(clusters, &cluster);
    let mut shown = render(&cluster, view()).whole();
    ui.data(&shown)?;
    let mut lost = false;
    loop {
        match follower.next().await? {
            Change::Seen(seen) => {
                lost = false;
                let text = render(&seen, view()).whole();
                if text != shown {
                    ui.data(&format!("---\n{text}"))?;
                    shown = text;
                }
            }
            Change::Trouble(why) if !lost => {
                lost = true;
                ui.warn(&connection_lost(&why));
            }
            Change::Trouble(_) => {}
            Change::Deleted => {
                ui.say(&deleted(&cluster));
                return Ok(());
            }
        }
    }
}

fn connection_lost(why: &str) -> String {
    format!("the connection to the API server was lost ({why}); trying again")
}

fn deleted(cluster: &CassandraCluster) -> String {
    format!("cassandracluster {} was deleted", cluster.name_any())
}
