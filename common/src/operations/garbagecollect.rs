//! `garbagecollect`: drops deleted and overwritten data from `SSTables`.

use clap::{Args, ValueEnum};

use super::Tables;

/// Arguments of `garbagecollect`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct GarbageCollect {
    /// Keyspaces and tables to process.
    #[command(flatten)]
    pub tables: Tables,
    /// Granularity: whole rows, or single cells too, which takes longer
    #[arg(long, value_name = "WHAT", default_value = "row")]
    pub granularity: Granularity,
    /// Threads on each node; 0 is as many as compaction has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..=1024))]
    pub jobs: i32,
}

/// Granularity of the data that `garbagecollect` drops.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Granularity {
    /// Deleted partitions and rows.
    #[default]
    Row,
    /// Overwritten and deleted cells too.
    Cell,
}
