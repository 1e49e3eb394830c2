//! `flush`: each node writes its memtables to disk, keyspace by keyspace.

use casskop_common::{api::CassandraClusterSpec, operations::flush::Flush};

use super::{Behaviour, CheckFn, Refusal, Ring, checks, tables};
use crate::nodes::{Call, Compaction};

impl Behaviour for Flush {
    fn steps(&self, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::keyspaces(&self.tables, ring)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn call(&self, step: &str, _: &CassandraClusterSpec) -> Call {
        Call::Flush {
            keyspace: step.to_owned(),
            tables: self.tables.table.clone(),
        }
    }

    fn describe(&self) -> &'static str {
        "StorageService.forceKeyspaceFlush for each keyspace"
    }

    fn checks(&self) -> &'static [CheckFn] {
        &[checks::nodes_up]
    }

    fn is_busy(&self, _: &str, _: &[Compaction]) -> Option<bool> {
        // A flush takes seconds, and a second one beside it does no harm.
        None
    }
}
