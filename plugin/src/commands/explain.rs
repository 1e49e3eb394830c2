//! `explain`: why a cluster does not progress.

use clap::{ArgMatches, FromArgMatches};
use kube::ResourceExt;
use serde_json::json;

use super::{live, show, usage};
use crate::{
    cli::{Connection, Look},
    client::{self, resource::PODS},
    clusters::Clusters,
    error::Result,
    explain::{self, Operator},
    objects::{self, OPERATOR_SELECTOR, Pod},
    time,
    ui::{self, Ui},
};

/// Says what holds a cluster up.
///
/// # Errors
/// When the cluster cannot be read.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let flags = Connection::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let arguments = Look::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let (cluster, operator) = live(async {
        let clusters = Clusters::connect(&flags)?;
        let cluster = clusters.get(&arguments.name).await?;
        Ok((cluster, operator(&clusters, ui).await))
    })?;
    let now = time::now();
    let reasons = explain::explain(&cluster, &operator, &client::again(&flags), now);
    let data = json!({
        "cluster": cluster.name_any(),
        "namespace": cluster.namespace(),
        "reasons": reasons,
    });
    let text = || ui::explain::render(&cluster, &reasons, now, ui.out);
    show(arguments.output, &data, text, ui)
}

/// Whether the operator runs; without the right to look the rest is told nevertheless.
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
