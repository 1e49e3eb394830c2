//! The commands about requests that stand already, and about all action on a cluster.

use std::time::Duration;

use clap::{Args, Command};

use super::{
    Output, PROGRAM,
    words::{EXIT_CODES, SHORT_EXIT_CODES, id, kind, object_name},
};
use crate::time::parse_duration;

/// Which request.
#[derive(Args, Clone, Debug)]
pub struct Subject {
    /// Name of the CassandraCluster
    #[arg(value_name = "CLUSTER", value_parser = object_name)]
    pub name: String,
    /// Kind of the operation, such as cleanup; may be left out where only one comes into question
    #[arg(value_name = "KIND", value_parser = kind)]
    pub kind: Option<String>,
    /// Id of the request (default: the one that stands)
    #[arg(long, value_name = "ID", value_parser = id)]
    pub id: Option<String>,
}

/// How an annotation is written.
#[derive(Args, Clone, Debug)]
pub struct Edit {
    /// Write nothing, only print the annotation, for Git
    #[arg(long, value_name = "client", num_args = 0..=1, require_equals = true, default_missing_value = "client", value_parser = ["client"], hide_possible_values = true)]
    pub dry_run: Option<String>,
    /// text, yaml, json or name: the annotation, as a manifest for Git
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    pub output: Output,
}

/// Arguments of `pause`, `resume`, `cancel` and `retry`.
#[derive(Args, Clone, Debug)]
pub struct Control {
    /// The request.
    #[command(flatten)]
    pub subject: Subject,
    /// How it is written.
    #[command(flatten)]
    pub edit: Edit,
}

/// Arguments of `waive`.
#[derive(Args, Clone, Debug)]
pub struct Waive {
    /// Name of the CassandraCluster
    #[arg(value_name = "CLUSTER", value_parser = object_name)]
    pub name: String,
    /// The checks that do not hold it back, such as nodes-up; before them the kind of the operation, which may be
    /// left out where only one waits for checks
    #[arg(value_name = "CHECK", required = true)]
    pub words: Vec<String>,
    /// How it is written.
    #[command(flatten)]
    pub edit: Edit,
}

/// Arguments of `wait`.
#[derive(Args, Clone, Debug)]
pub struct Wait {
    /// The request.
    #[command(flatten)]
    pub subject: Subject,
    /// Longest wait, such as 30m or 2h; the operation itself goes on (default: none)
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// text, yaml, json or name: the operation as the status has it
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    pub output: Output,
}

/// Arguments of `pause-reconcile` and `resume-reconcile`.
#[derive(Args, Clone, Debug)]
pub struct Reconcile {
    /// Name of the CassandraCluster
    #[arg(value_name = "CLUSTER", value_parser = object_name)]
    pub name: String,
    /// How it is written.
    #[command(flatten)]
    pub edit: Edit,
}

/// The commands about requests, in the order of the help.
pub fn commands() -> Vec<Command> {
    let control = |name, about, effect| {
        Control::augment_args(Command::new(name))
            .about(about)
            .after_help(format!(
                "Examples:
  {PROGRAM} {name} demo                                      the one that comes into question
  {PROGRAM} {name} demo cleanup                              the cleanup
  {PROGRAM} {name} demo cleanup --dry-run=client -o yaml     print what to commit to Git

{effect}
{SHORT_EXIT_CODES}"
            ))
    };
    vec![
        control(
            "pause",
            "Let no further node of an operation start",
            "Nodes at work finish. Sets the annotation <kind>.pause to the id of the request.",
        ),
        control(
            "resume",
            "Go on with a paused operation",
            "Removes the annotation <kind>.pause.",
        ),
        control(
            "cancel",
            "End an operation early, after the step at work",
            "Sets the annotation <kind>.cancel to the id of the request.",
        ),
        control(
            "retry",
            "Try the failed nodes of an operation again",
            "Sets the annotation <kind>.retry to the id of the request.",
        ),
        Waive::augment_args(Command::new("waive"))
            .about("Let named checks no longer hold an operation back")
            .override_usage(format!(
                "{PROGRAM} waive [OPTIONS] <CLUSTER> [KIND] <CHECK>..."
            ))
            .after_help(WAIVE_HELP),
        Wait::augment_args(Command::new("wait"))
            .about("Wait for the end of a request, show its progress, end with its exit code")
            .after_help(format!("{WAIT_HELP}\n{EXIT_CODES}")),
    ]
}

/// The commands about all action on a cluster.
pub fn reconcile_commands() -> Vec<Command> {
    let command = |name, about, effect| {
        Reconcile::augment_args(Command::new(name))
            .about(about)
            .after_help(format!(
                "Examples:
  {PROGRAM} {name} demo
  {PROGRAM} {name} demo --dry-run=client -o yaml     print what to commit to Git

{effect}
{SHORT_EXIT_CODES}"
            ))
    };
    vec![
        command(
            "pause-reconcile",
            "Let the operator only look at a cluster and do nothing",
            "Sets the annotation operations.db.orange.com/reconcile to 'paused'. Steps at work finish.",
        ),
        command(
            "resume-reconcile",
            "Let the operator act on a cluster again",
            "Removes the annotation operations.db.orange.com/reconcile.",
        ),
    ]
}

const WAIVE_HELP: &str = "Examples:
  kubectl casskop waive demo nodes-up                     the one that waits for its checks
  kubectl casskop waive demo cleanup nodes-up             the cleanup
  kubectl casskop waive demo cleanup nodes-up ring-settled --dry-run=client -o yaml

See what a check saw with kubectl casskop explain demo. Only checks that failed can be waived, and
only for the request that stands. Sets the annotation <kind>.waive to its id and the checks.
Exit codes: 0 done, 1 failed or refused, 2 wrong usage.";

const WAIT_HELP: &str = "Examples:
  kubectl casskop wait demo                               the one that is not finished
  kubectl casskop wait demo cleanup --timeout 2h          the newest cleanup
  kubectl casskop wait demo cleanup --id 2026-11-22a      this one, also when it has ended

Ctrl-C and --timeout end the waiting, never the operation.";
