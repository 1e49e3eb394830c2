//! Arguments that every kind of operation has.

use clap::{Args, ValueEnum};

use super::value::{self, ClusterValue};

/// Targets, waves and dry run of an operation.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Shared {
    /// Nodes of the operation.
    #[command(flatten)]
    pub target: Target,
    /// Nodes of each wave.
    #[command(flatten)]
    pub waves: Waves,
    /// Plan only: `server` requests targets, order and checks from the operator; `client` only prints the annotation
    #[arg(long, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "server")]
    pub dry_run: Option<DryRun>,
}

/// The nodes of an operation: nodes that match every given flag; without any flag, all nodes.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Targets (default: every node)")]
pub struct Target {
    /// Only nodes of this data center; repeatable
    #[arg(long, value_name = "DC", value_parser = value::object_name, add = ClusterValue::DataCenter)]
    pub dc: Vec<String>,
    /// Only nodes of this rack, as RACK or DC.RACK; repeatable
    #[arg(long, value_name = "RACK", value_parser = value::object_name, add = ClusterValue::Rack)]
    pub rack: Vec<String>,
    /// Only this pod; repeatable
    #[arg(long, value_name = "POD", value_parser = value::object_name, add = ClusterValue::Pod)]
    pub pod: Vec<String>,
}

/// Size of the waves.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Waves (default: one node after the other)")]
pub struct Waves {
    /// Work on one node at a time, or on the nodes of a rack together, rack by rack
    #[arg(long, value_name = "HOW", default_value = "node")]
    pub parallel: Parallel,
    /// With --parallel rack: maximum number of nodes of a rack at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), requires = "parallel")]
    pub max_nodes: Option<u16>,
}

/// Nodes of one wave.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parallel {
    /// One node.
    #[default]
    Node,
    /// The nodes of a rack: it holds one replica of a range at most, where there are as many racks as replicas.
    Rack,
}

/// Place where a dry run ends.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// In the plugin: nothing is sent.
    Client,
    /// In the operator: the plan is written to the status and nothing is called.
    Server,
}
