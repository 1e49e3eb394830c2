//! `explain`: why a cluster does not progress.

use clap::Args;
use kube::ResourceExt;
use serde_json::json;

use super::{
    arguments::{ListArgs, ViewArgs},
    validators::{SHORT_EXIT_CODES, help},
};
use crate::{
    client::{
        clusters::Clusters,
        connection::Connection,
        objects::{self, Pod},
        resource::PODS,
    },
    error::Result,
    model::{
        explain::{self, Operator},
        install::OPERATOR_SELECTOR,
    },
    runtime::block_on,
    terminal::Ui,
    time, view,
};

/// Diagnose a cluster that does not progress: the reasons, their duration, and the next steps
#[derive(Args, Debug)]
#[command(after_help = help(HELP, SHORT_EXIT_CODES))]
pub struct Explain {
    #[command(flatten)]
    args: ViewArgs,
}

impl Explain {
    /// Says what holds a cluster up.
    ///
    /// # Errors
    /// When the cluster cannot be read.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let ViewArgs {
            name,
            printed: ListArgs { output },
        } = &self.args;
        let (cluster, operator) = block_on(async {
            let clusters = Clusters::connect(flags)?;
            let cluster = clusters.get(name).await?;
            Ok((cluster, operator(&clusters, ui).await))
        })?;
        let now = time::now();
        let findings = explain::explain(&cluster, &operator, &flags.connection_args(), now);
        let data = json!({
            "cluster": cluster.name_any(),
            "namespace": cluster.namespace(),
            "reasons": findings,
        });
        let text = || view::explain::render(&cluster, &findings, now, ui.out);
        output.print(&data, text, ui)
    }
}

/// The pods of the operator; without the permission to list them the other findings are still printed.
async fn operator(clusters: &Clusters, ui: &Ui) -> Operator {
    match objects::list(clusters, &PODS, OPERATOR_SELECTOR).await {
        Ok(pods) => {
            let pods: Vec<Pod> = pods.items.iter().map(objects::part).collect();
            Operator::Pods {
                all: pods.len(),
                ready: pods.iter().filter(|pod| pod.is_ready()).count(),
            }
        }
        Err(error) => {
            ui.warn(&format!("whether the operator runs is not known: {error}"));
            Operator::Unknown
        }
    }
}

const HELP: &str = "Examples:
  kubectl casskop explain demo
  kubectl casskop explain demo -o json

The first reason is the one to look at. It ends with 0 also when something holds the cluster up.";
