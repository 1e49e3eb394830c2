//! `flush`: write memtables to disk.

use clap::Args;

use super::Tables;

/// Arguments of `flush`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Flush {
    /// What to flush.
    #[command(flatten)]
    pub tables: Tables,
}
