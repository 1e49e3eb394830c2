//! `repair`: synchronizes the replicas of each range.

use clap::{Args, ValueEnum, builder::ArgPredicate};

use super::Tables;

/// Conditions under which `--all-ranges` is the default; the first condition, `--primary-range`, excludes it.
const WHERE_NODES_ARE_CHOSEN: [(&str, ArgPredicate, &str); 4] = [
    ("primary_range", ArgPredicate::IsPresent, "false"),
    ("dc", ArgPredicate::IsPresent, "true"),
    ("rack", ArgPredicate::IsPresent, "true"),
    ("pod", ArgPredicate::IsPresent, "true"),
];

/// Arguments of `repair`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Repair {
    /// Keyspaces and tables to repair.
    #[command(flatten)]
    pub tables: Tables,
    /// Compare all data, not only the data written since the last repair
    #[arg(long)]
    pub full: bool,
    /// Repair every range that a node holds, as is the default where nodes are chosen: ranges whose first replica is
    /// another one would stay as they are
    #[arg(
        long,
        conflicts_with = "primary_range",
        default_value_ifs(WHERE_NODES_ARE_CHOSEN)
    )]
    pub all_ranges: bool,
    /// Repair only the ranges that a node is the first replica of, as is the default where all nodes are repaired
    #[arg(long)]
    pub primary_range: bool,
    /// Whether replicas are compared one after the other, all at once, or one in each data center at once
    #[arg(long, value_name = "HOW", default_value = "parallel")]
    pub parallelism: Parallelism,
}

/// Order in which the replicas of a range are compared.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parallelism {
    /// One after the other: the least load.
    Sequential,
    /// All at once.
    #[default]
    Parallel,
    /// One in each data center at once.
    DcParallel,
}
