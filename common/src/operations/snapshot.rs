//! `snapshot`: keeps the current `SSTables` under a name.

use clap::Args;

use super::{Tables, value};

/// Arguments of `snapshot`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Keyspaces and tables to keep.
    #[command(flatten)]
    pub tables: Tables,
    /// Name of the snapshot
    #[arg(long, value_name = "NAME", required = true, value_parser = value::new_snapshot_name)]
    pub name: String,
    /// Delete it after this time, such as 12h or 7d (Cassandra 4.1 and later)
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub ttl: Option<String>,
    /// Do not flush memtables first: the snapshot has only the data on disk
    #[arg(long)]
    pub skip_flush: bool,
}
