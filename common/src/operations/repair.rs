//! `repair`: bring the replicas of each range to agree.

use clap::{Args, ValueEnum};

use super::Tables;

/// Arguments of `repair`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Repair {
    /// What to repair.
    #[command(flatten)]
    pub tables: Tables,
    /// Compare all data, and not only what was written since the last repair
    #[arg(long)]
    pub full: bool,
    /// Repair every range that a node holds, and not only those it is the first replica of; needed where not all nodes
    /// are repaired
    #[arg(long)]
    pub all_ranges: bool,
    /// Whether replicas are compared one after the other, all at once, or one in each data center at once
    #[arg(long, value_name = "HOW", default_value = "parallel")]
    pub parallelism: Parallelism,
}

/// How the replicas of a range are compared.
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
