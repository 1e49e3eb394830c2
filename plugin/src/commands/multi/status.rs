//! `multi status`: rings over several Kubernetes clusters, as their status has them.

use casskop_common::api::{GROUP, MultiCasskop};
use clap::{ArgMatches, FromArgMatches};
use kube::ResourceExt;
use serde_json::json;

use crate::{
    cli::{Connection, MultiStatus, StatusOutput},
    clusters::Clusters,
    commands::{live, usage},
    error::Result,
    manifest,
    multi::rings,
    time,
    ui::{Ui, multi, status::View},
};

/// Shows one ring or all.
///
/// # Errors
/// When they cannot be read.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let flags = Connection::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let arguments = MultiStatus::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let view = View {
        now: time::now(),
        wide: arguments.output == StatusOutput::Wide,
        style: ui.out,
    };
    live(async {
        let home = Clusters::connect(&flags)?;
        let Some(name) = &arguments.name else {
            return all(&home, arguments.output, view, ui).await;
        };
        let ring = rings::get(&home, name).await?;
        ui.data(&match arguments.output {
            StatusOutput::Yaml => manifest::yaml(&tidy(ring))?,
            StatusOutput::Json => manifest::json(&tidy(ring))?,
            StatusOutput::Name => object_name(&ring),
            StatusOutput::Text | StatusOutput::Wide => multi::render(&ring, view),
        })
    })
}

async fn all(home: &Clusters, output: StatusOutput, view: View, ui: &Ui) -> Result<()> {
    let mut found = rings::list(home).await?;
    found.sort_by_key(ResourceExt::name_any);
    let items = |found: Vec<MultiCasskop>| {
        let items: Vec<MultiCasskop> = found.into_iter().map(tidy).collect();
        json!({ "apiVersion": "v1", "kind": "List", "items": items })
    };
    let text = match output {
        StatusOutput::Yaml => manifest::yaml(&items(found))?,
        StatusOutput::Json => manifest::json(&items(found))?,
        StatusOutput::Name => found.iter().map(|ring| object_name(ring) + "\n").collect(),
        _ if found.is_empty() => {
            let namespace = &home.place.namespace;
            ui.say(&format!(
                "There is no MultiCasskop in namespace {namespace}."
            ));
            return Ok(());
        }
        _ => multi::table(&found, view),
    };
    ui.data(&text)
}

fn object_name(ring: &MultiCasskop) -> String {
    format!("multicasskop.{GROUP}/{}", ring.name_any())
}

/// Without what only machines keep there.
fn tidy(mut ring: MultiCasskop) -> MultiCasskop {
    ring.metadata.managed_fields = None;
    ring
}
