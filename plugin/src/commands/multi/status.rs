//! `multi status`: rings over several Kubernetes clusters, as their status has them.

use casskop_common::api::{GROUP, MultiCasskop};
use clap::Args;
use kube::ResourceExt;
use serde_json::json;

use crate::{
    client::{clusters::Clusters, connection::Connection, multi_casskops},
    commands::{
        arguments::StatusOutput,
        validators::{SHORT_EXIT_CODES, help, object_name},
    },
    completer::Completer,
    error::Result,
    model::manifest,
    runtime::block_on,
    terminal::Ui,
    time,
    view::{multi, options::View},
};

/// Show a ring by site: data centers, nodes, reachability, operations
#[derive(Args, Debug)]
#[command(after_help = help(HELP, SHORT_EXIT_CODES))]
pub struct Status {
    /// Name of the resource; left out: a table of all
    #[arg(value_name = "RING", value_parser = object_name, add = Completer::MultiCasskop)]
    name: Option<String>,
    /// text, json, yaml or name
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
    /// Shows one ring or all.
    ///
    /// # Errors
    /// When the clusters cannot be read.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let view = View {
            now: time::now(),
            wide: self.output == StatusOutput::Wide,
            style: ui.out,
        };
        block_on(async {
            let home = Clusters::connect(flags)?;
            let Some(name) = &self.name else {
                return all(&home, self.output, view, ui).await;
            };
            let ring = multi_casskops::get(&home, name).await?;
            ui.data(&match self.output {
                StatusOutput::Yaml => manifest::yaml(&without_managed_fields(ring))?,
                StatusOutput::Json => manifest::json(&without_managed_fields(ring))?,
                StatusOutput::Name => resource_name(&ring),
                StatusOutput::Text | StatusOutput::Wide => multi::render(&ring, view),
            })
        })
    }
}

async fn all(home: &Clusters, output: StatusOutput, view: View, ui: &Ui) -> Result<()> {
    let listed = multi_casskops::list(home).await?;
    let mut found = listed.items.clone();
    found.sort_by_key(ResourceExt::name_any);
    let items = |found: Vec<MultiCasskop>| {
        let items: Vec<MultiCasskop> = found.into_iter().map(without_managed_fields).collect();
        json!({ "apiVersion": "v1", "kind": "List", "items": items })
    };
    let text = match output {
        StatusOutput::Yaml => manifest::yaml(&items(found))?,
        StatusOutput::Json => manifest::json(&items(found))?,
        StatusOutput::Name => found
            .iter()
            .map(|ring| resource_name(ring) + "\n")
            .collect(),
        _ if listed.is_empty() => {
            let namespace = &home.target.namespace;
            ui.say(&format!(
                "There is no MultiCasskop in namespace {namespace}."
            ));
            return Ok(());
        }
        _ if found.is_empty() => String::new(),
        _ => multi::table(&found, view),
    };
    ui.data(&text)?;
    listed.complete()
}

fn resource_name(ring: &MultiCasskop) -> String {
    format!("multicasskop.{GROUP}/{}", ring.name_any())
}

/// The object without managed fields.
fn without_managed_fields(mut ring: MultiCasskop) -> MultiCasskop {
    ring.metadata.managed_fields = None;
    ring
}

const HELP: &str = "Examples:
  kubectl casskop multi status            a table of all rings over several clusters
  kubectl casskop multi status orders     one ring, site by site
  kubectl casskop multi status orders -o json

All of it comes from the status of the MultiCasskop in the home cluster; no site is asked. Of a site that
cannot be reached it is what was last seen.";
