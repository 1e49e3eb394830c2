//! `flush`: writes memtables to disk.

use clap::Args;

use super::Tables;

/// Arguments of `flush`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Flush {
    /// Keyspaces and tables to flush.
    #[command(flatten)]
    pub tables: Tables,
}
