//! Requests: what every kind of operation has besides its own arguments.

use std::time::Duration;

use casskop_common::operations;
use clap::{Arg, ArgAction, Args, Command, ValueEnum};

use super::{
    PROGRAM,
    words::{EXIT_CODES, id, object_name},
};
use crate::time::parse_duration;

/// How the result is printed.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For Git and people.
    Yaml,
    /// For programs.
    Json,
    /// Only the name of the object.
    Name,
}

/// What every operation has besides its own arguments.
#[derive(Args, Clone, Debug)]
pub struct Operate {
    /// Name of the CassandraCluster
    // Its id must be that of no argument of a kind.
    #[arg(id = "the cluster", value_name = "CLUSTER", value_parser = object_name, help_heading = None::<&str>)]
    pub name: String,
    /// Id of the request (default: the time and a random end). The same id never runs twice: asking again with
    /// it follows the request instead
    #[arg(long, value_name = "ID", value_parser = id, help_heading = "Request")]
    pub id: Option<String>,
    /// Wait for the end, show the progress, and end with its exit code
    #[arg(long, overrides_with = "no_wait", help_heading = "Request")]
    pub wait: bool,
    /// Return when the request is written (default)
    #[arg(long, overrides_with = "wait", help_heading = "Request")]
    pub no_wait: bool,
    /// Longest wait, such as 30m or 2h; the operation itself goes on (default: none; with --dry-run 60s)
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Request")]
    pub timeout: Option<Duration>,
    /// Overwrite a request that the operator has not yet seen
    #[arg(long, help_heading = "Request")]
    pub replace: bool,
    /// How the result is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "text", hide_possible_values = true, long_help = OUTPUT_HELP, help = "text, yaml, json or name", help_heading = "Request")]
    pub output: Output,
}

const OUTPUT_HELP: &str = "text, yaml, json or name: the annotation (as a manifest for Git), or with --wait or \
    --dry-run the operation as the status has it";

/// Adds to a kind of operation what the plugin needs to request it.
pub fn operation(kind: Command) -> Command {
    let name = kind.get_name().to_owned();
    let about = kind.get_about().cloned().unwrap_or_default();
    let discards = operations::discards_data(&name);
    let mut kind = Operate::augment_args(kind).about(about);
    if discards {
        kind = kind.arg(yes());
    }
    kind.mut_arg("dry_run", |arg| arg.help_heading("Request"))
        .after_help(format!(
            "Examples:
{}
{EXIT_CODES}",
            if discards {
                discarding(&name)
            } else {
                usual(&name)
            }
        ))
}

fn usual(kind: &str) -> String {
    format!(
        "  {PROGRAM} {kind} demo --wait                     request it, wait for its end
  {PROGRAM} {kind} demo --dc dc1 --dry-run         let the operator plan and check it
  {PROGRAM} {kind} demo --dry-run=client -o yaml   print what to commit to Git
"
    )
}

fn discarding(kind: &str) -> String {
    format!(
        "  {PROGRAM} {kind} demo --pod demo-dc1-rack1-0 --dry-run   let the operator plan and check it
  {PROGRAM} {kind} demo --pod demo-dc1-rack1-0 --wait      confirm it, wait for its end
  {PROGRAM} {kind} demo --pod demo-dc1-rack1-0 --dry-run=client -o yaml

It discards data for good. What is lost is named, and is confirmed by typing the name of the pod or
cluster. Without a terminal and without --yes it is refused with exit code 1.
"
    )
}

/// Confirms what discards data.
fn yes() -> Arg {
    Arg::new("yes")
        .short('y')
        .long("yes")
        .action(ArgAction::SetTrue)
        .help("Do not ask for confirmation")
        .help_heading("Request")
}
