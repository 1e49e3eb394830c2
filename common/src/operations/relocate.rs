//! `relocate`: moves `SSTables` to the disk that their tokens belong to.

use clap::Args;

use super::Tables;

/// Arguments of `relocate`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Relocate {
    /// Keyspaces and tables to relocate.
    #[command(flatten)]
    pub tables: Tables,
    /// Threads on each node; 0 is as many as compaction has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..=1024))]
    pub jobs: i32,
}
