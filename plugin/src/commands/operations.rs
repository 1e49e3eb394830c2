//! `operations`: what is at work, and what was.

use clap::{ArgMatches, FromArgMatches};
use kube::ResourceExt;

use super::{live, show, usage};
use crate::{
    cli::{Connection, ListOutput, Operations},
    clusters::Clusters,
    error::Result,
    time,
    ui::{Ui, operations, status::View},
};

/// Lists the operations of a cluster.
///
/// # Errors
/// When the cluster cannot be read.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let flags = Connection::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let Operations { look, history } =
        Operations::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let cluster = live(async { Clusters::connect(&flags)?.get(&look.name).await })?;
    let view = View {
        now: time::now(),
        wide: false,
        style: ui.out,
    };
    let text = operations::list(&cluster, history, view);
    if text.is_empty() && look.output == ListOutput::Text {
        ui.say(&format!(
            "No operation was requested on cluster {}.",
            cluster.name_any()
        ));
        return Ok(());
    }
    show(
        look.output,
        &operations::data(&cluster, history),
        || text,
        ui,
    )
}
