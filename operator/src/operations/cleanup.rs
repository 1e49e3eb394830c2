//! `cleanup`: each node drops the data that it no longer owns, keyspace by keyspace.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::cleanup::Cleanup,
};

use super::{Action, Behaviour, Refusal, Ring, checks, tables};
use crate::nodes::{Call, Compaction};

impl Behaviour for Cleanup {
    fn steps(&self, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::keyspaces(&self.tables, ring)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, step: &str, spec: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Cleanup {
            keyspace: step.to_owned(),
            tables: self.tables.table.clone(),
            jobs: self.jobs.or(spec.keyspace_cleanup_threads).unwrap_or(0),
        })
    }

    fn describe(&self) -> &'static str {
        "StorageService.forceKeyspaceCleanup for each keyspace"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        // A joining node takes ranges over while cleanup would drop them here.
        vec![checks::nodes_up(ring), checks::ring_settled(ring)]
    }

    fn works_as(&self, step: &str, task: &Compaction) -> bool {
        task.task == "Cleanup" && task.keyspace == step
    }
}
