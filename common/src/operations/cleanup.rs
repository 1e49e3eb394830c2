//! `cleanup`: deletes the data that a node no longer owns.

use clap::Args;

use super::Tables;

/// Arguments of `cleanup`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Cleanup {
    /// Keyspaces and tables to clean up.
    #[command(flatten)]
    pub tables: Tables,
    /// Threads on each node; 0 is as many as compaction has (default: spec.keyspaceCleanupThreads)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..=1024))]
    pub jobs: Option<i32>,
}
