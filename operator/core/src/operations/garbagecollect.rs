//! `garbagecollect`: deleted and overwritten data goes from the data files.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::garbagecollect::{GarbageCollect, Granularity},
};

use crate::{
    node::{Call, Compaction},
    operations::{Action, Behaviour, Refusal, Ring, checks, tables},
};

impl Behaviour for GarbageCollect {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::keyspaces(&self.tables, ring)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, _: &str, step: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::GarbageCollect {
            keyspace: step.to_owned(),
            tables: self.tables.table.clone(),
            cells: self.granularity == Granularity::Cell,
            jobs: self.jobs,
        })
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn describe(&self) -> &'static str {
        "StorageService.garbageCollect for each keyspace"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![checks::nodes_up(ring)]
    }

    fn matches_task(&self, step: &str, task: &Compaction) -> bool {
        task.task == "Remove deleted data" && task.keyspace == step
    }
}
