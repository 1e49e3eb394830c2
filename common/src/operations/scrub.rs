//! `scrub`: rewrites `SSTables` and omits unreadable data.

use clap::Args;

use super::Tables;

/// Arguments of `scrub`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Scrub {
    /// Keyspaces and tables to scrub.
    #[command(flatten)]
    pub tables: Tables,
    /// Skip rows that cannot be read instead of stopping; those rows are lost
    #[arg(long)]
    pub skip_corrupted: bool,
    /// Take no snapshot of each table before
    #[arg(long)]
    pub no_snapshot: bool,
    /// Threads on each node; 0 is as many as compaction has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..=1024))]
    pub jobs: i32,
}
