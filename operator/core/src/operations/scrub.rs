//! `scrub`: data files are rewritten without what cannot be read.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::scrub::Scrub,
};

use crate::{
    node::{Call, Compaction},
    operations::{Action, Behaviour, Refusal, Ring, checks, tables},
};

impl Behaviour for Scrub {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::keyspaces(&self.tables, ring)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, _: &str, step: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Scrub {
            keyspace: step.to_owned(),
            tables: self.tables.table.clone(),
            skip_corrupted: self.skip_corrupted,
            snapshot: !self.no_snapshot,
            jobs: self.jobs,
        })
    }

    fn describe(&self) -> &'static str {
        "StorageService.scrub for each keyspace"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![checks::nodes_up(ring)]
    }

    fn matches_task(&self, step: &str, task: &Compaction) -> bool {
        task.task == "Scrub" && task.keyspace == step
    }
}
