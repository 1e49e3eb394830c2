//! `install generate`: the manifests of the operator that belongs to this plugin.

use clap::{ArgMatches, FromArgMatches};

use super::usage;
use crate::{
    cli::{self, Connection},
    error::{CliError, Result},
    install::{self, Install, Watch},
    ui::Ui,
};

/// Where the operator runs unless it is said.
const NAMESPACE: &str = "casskop";

/// Prints them.
///
/// # Errors
/// When an argument is no namespace, or nobody reads it.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let own = matches.subcommand_matches("generate").unwrap_or(matches);
    let flags = Connection::from_arg_matches(own).map_err(|error| usage(&error))?;
    let arguments = cli::Generate::from_arg_matches(own).map_err(|error| usage(&error))?;
    let namespace = flags.namespace.as_deref().unwrap_or(NAMESPACE);
    cli::namespace(namespace)
        .map_err(|why| CliError::usage(format!("--namespace '{namespace}': {why}")))?;
    let watch = match arguments.watch_namespace {
        _ if arguments.watch_all_namespaces => Watch::All,
        Some(other) if other != namespace => Watch::One(other),
        _ => Watch::Own,
    };
    ui.data(&install::manifests(&Install {
        namespace,
        image: &arguments.image,
        watch,
        home: arguments.multi.as_deref(),
    })?)
}
