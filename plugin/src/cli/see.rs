//! The commands that only look.

use std::time::Duration;

use clap::{Args, Command, ValueEnum};

use super::words::{SHORT_EXIT_CODES, object_name};
use crate::time::parse_duration;

/// How the state is printed.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusOutput {
    /// For people.
    #[default]
    Text,
    /// With host ids, addresses and every node of an operation.
    Wide,
    /// The object, for programs.
    Json,
    /// The object.
    Yaml,
    /// Only the name of the object.
    Name,
}

/// Arguments of `status`.
#[derive(Args, Clone, Debug)]
pub struct Status {
    /// Name of the CassandraCluster; left out: a table of all
    #[arg(value_name = "CLUSTER", value_parser = object_name)]
    pub name: Option<String>,
    /// The clusters of all namespaces
    #[arg(short = 'A', long, conflicts_with = "name")]
    pub all_namespaces: bool,
    /// Show every change, until Ctrl-C or until the cluster is gone
    #[arg(short, long, requires = "name")]
    pub watch: bool,
    /// text, wide, json, yaml or name
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    pub output: StatusOutput,
}

/// How a list is printed.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListOutput {
    /// For people.
    #[default]
    Text,
    /// For programs; documented.
    Json,
    /// The same.
    Yaml,
}

/// A cluster, and how what is known about it is printed.
#[derive(Args, Clone, Debug)]
pub struct Look {
    /// Name of the CassandraCluster
    #[arg(value_name = "CLUSTER", value_parser = object_name)]
    pub name: String,
    /// text, json or yaml
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    pub output: ListOutput,
}

/// Arguments of `operations`.
#[derive(Args, Clone, Debug)]
pub struct Operations {
    /// The cluster.
    #[command(flatten)]
    pub look: Look,
    /// Also those that a newer one of their kind has replaced (the newest 20)
    #[arg(long)]
    pub history: bool,
}

/// Arguments of `events`.
#[derive(Args, Clone, Debug)]
pub struct Events {
    /// The cluster.
    #[command(flatten)]
    pub look: Look,
    /// Go on with those to come, until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
}

/// Arguments of `logs`.
#[derive(Args, Clone, Debug)]
pub struct Logs {
    /// Name of the CassandraCluster
    #[arg(value_name = "CLUSTER", value_parser = object_name)]
    pub name: String,
    /// Only this pod; repeatable (default: every node)
    #[arg(long, value_name = "POD", value_parser = object_name)]
    pub pod: Vec<String>,
    /// The operator's log instead
    #[arg(long, conflicts_with = "pod")]
    pub operator: bool,
    /// Go on with what is to come, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last N lines of each (default: all of one pod, 20 of each of several)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub tail: Option<i64>,
    /// Only what is younger, such as 5m or 2h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub since: Option<Duration>,
}

/// The commands of this group, in the order of the help.
pub fn commands() -> Vec<Command> {
    let help = |text: &str| format!("{text}\n{SHORT_EXIT_CODES}");
    vec![
        Status::augment_args(Command::new("status"))
            .about("Show a cluster: nodes by rack, conditions, operations and their progress")
            .after_help(STATUS_HELP),
        Look::augment_args(Command::new("ring"))
            .about("Show the ring: one line a node, as nodetool status does")
            .after_help(help(RING_HELP)),
        Operations::augment_args(Command::new("operations"))
            .about("List the operations: those at work, then those that have ended")
            .after_help(help(OPERATIONS_HELP)),
        Look::augment_args(Command::new("explain"))
            .about("Say why a cluster does not progress, since when, and what would change it")
            .after_help(help(EXPLAIN_HELP)),
        Events::augment_args(Command::new("events"))
            .about("List the events of a cluster and of its objects, oldest first")
            .after_help(help(EVENTS_HELP)),
        Logs::augment_args(Command::new("logs"))
            .about("Print the logs of the nodes, or of the operator")
            .after_help(help(LOGS_HELP)),
    ]
}

const RING_HELP: &str = "Examples:
  kubectl casskop ring demo
  kubectl casskop ring demo -o json

All of it comes from the status; no node is asked. A node owes a cleanup after others have joined
its data center. States are those of nodetool: U up, D down; N normal, J joining, L leaving,
M moving; -- not reported yet.";

const OPERATIONS_HELP: &str = "Examples:
  kubectl casskop operations demo               those at work and the newest of each kind
  kubectl casskop operations demo --history     also those before them
  kubectl casskop operations demo -o json

Who asked is the spec, autoPilot, or the field manager that wrote the annotation: casskop-plugin,
kubectl-annotate, or that of a GitOps tool.";

const EXPLAIN_HELP: &str = "Examples:
  kubectl casskop explain demo
  kubectl casskop explain demo -o json

The first reason is the one to look at. It ends with 0 also when something holds the cluster up.";

const EVENTS_HELP: &str = "Examples:
  kubectl casskop events demo
  kubectl casskop events demo --watch
  kubectl casskop events demo -o yaml";

const LOGS_HELP: &str = "Examples:
  kubectl casskop logs demo                                   the last lines of every node
  kubectl casskop logs demo --pod demo-dc1-rack1-0 -f         one node, as it goes on
  kubectl casskop logs demo --operator --since 10m

The lines of several pods begin with the name of theirs.";

const STATUS_HELP: &str = "Examples:
  kubectl casskop status demo             nodes, conditions, operations
  kubectl casskop status demo --watch     the same, repainted on every change
  kubectl casskop status -A               all clusters of all namespaces

States are those of nodetool: U up, D down; N normal, J joining, L leaving, M moving.
Exit codes: 0 done, 1 failed, 2 wrong usage.";
