//! `compact`: the data files of each table become one.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::compact::Compact,
};

use crate::{
    node::{Call, Compaction},
    operations::{Action, Behaviour, Refusal, Ring, checks, tables},
};

impl Behaviour for Compact {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::keyspaces(&self.tables, ring)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, _: &str, step: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Compact {
            keyspace: step.to_owned(),
            tables: self.tables.table.clone(),
            split: self.split_output,
        })
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn describe(&self) -> &'static str {
        "StorageService.forceKeyspaceCompaction for each keyspace"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![checks::nodes_up(ring)]
    }

    fn matches_task(&self, step: &str, task: &Compaction) -> bool {
        // `Compaction` in 4.0 and 4.1, where it may be one of Cassandra's own too.
        matches!(task.task.as_str(), "Major compaction" | "Compaction") && task.keyspace == step
    }
}
