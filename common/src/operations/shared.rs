//! Arguments that every kind of operation has.

use clap::{Args, ValueEnum};

use super::value;

/// Which nodes, and whether for real.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Shared {
    /// The nodes to work on.
    #[command(flatten)]
    pub target: Target,
    /// Plan only: `server` asks the operator for targets, order and checks; `client` only prints the annotation
    #[arg(long, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "server")]
    pub dry_run: Option<DryRun>,
}

/// The nodes of an operation: those that match every given flag; without any flag all nodes.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Targets (default: every node)")]
pub struct Target {
    /// Only nodes of this data center; repeatable
    #[arg(long, value_name = "DC", value_parser = value::object_name)]
    pub dc: Vec<String>,
    /// Only nodes of this rack, as RACK or DC.RACK; repeatable
    #[arg(long, value_name = "RACK", value_parser = value::object_name)]
    pub rack: Vec<String>,
    /// Only this pod; repeatable
    #[arg(long, value_name = "POD", value_parser = value::object_name)]
    pub pod: Vec<String>,
}

/// Where a dry run ends.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// In the plugin: nothing is sent.
    Client,
    /// In the operator: the plan is written to the status and nothing is called.
    Server,
}
