//! `ring`: one line a node.

use clap::{ArgMatches, FromArgMatches};

use super::{live, show, usage};
use crate::{
    cli::{Connection, Look},
    clusters::Clusters,
    error::Result,
    time,
    ui::{Ui, ring},
};

/// Shows the ring from the status.
///
/// # Errors
/// When the cluster cannot be read.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let flags = Connection::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let arguments = Look::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let cluster = live(async { Clusters::connect(&flags)?.get(&arguments.name).await })?;
    let text = || ring::render(&cluster, time::now(), ui.out);
    show(arguments.output, &ring::data(&cluster), text, ui)
}
