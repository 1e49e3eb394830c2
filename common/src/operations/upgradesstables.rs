//! `upgradesstables`: rewrites `SSTables` in the format of the running Cassandra version.

use clap::Args;

use super::Tables;

/// Arguments of `upgradesstables`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct UpgradeSsTables {
    /// Keyspaces and tables to upgrade.
    #[command(flatten)]
    pub tables: Tables,
    /// Also rewrite data files that have the newest format already
    #[arg(long)]
    pub include_all: bool,
    /// Threads on each node; 0 is as many as compaction has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..=1024))]
    pub jobs: i32,
}
