//! `compact`: merges the `SSTables` of each table into one.

use clap::Args;

use super::Tables;

/// Arguments of `compact`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Compact {
    /// Keyspaces and tables to compact.
    #[command(flatten)]
    pub tables: Tables,
    /// Leave several files instead of one, each half as large as the one before (size-tiered compaction only)
    #[arg(long)]
    pub split_output: bool,
}
