//! `relocate`: data files go to the disk that their tokens belong to.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::relocate::Relocate,
};

use crate::{
    node::{Call, Compaction},
    operations::{Action, Behaviour, Refusal, Ring, checks, tables},
};

impl Behaviour for Relocate {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::keyspaces(&self.tables, ring)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, _: &str, step: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Relocate {
            keyspace: step.to_owned(),
            tables: self.tables.table.clone(),
            jobs: self.jobs,
        })
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn describe(&self) -> &'static str {
        "StorageService.relocateSSTables for each keyspace"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![checks::nodes_up(ring)]
    }

    fn matches_task(&self, step: &str, task: &Compaction) -> bool {
        task.task.starts_with("Relocate") && task.keyspace == step
    }
}
