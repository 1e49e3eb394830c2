//! `cleanup`: each node drops the data that it no longer owns, keyspace by keyspace.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::cleanup::Cleanup,
};

use crate::{
    node::{Call, Compaction},
    operations::{Action, Behaviour, Refusal, Ring, checks, tables},
};

impl Behaviour for Cleanup {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::keyspaces(&self.tables, ring)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, _: &str, step: &str, spec: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Cleanup {
            keyspace: step.to_owned(),
            tables: self.tables.table.clone(),
            jobs: self.jobs.or(spec.keyspace_cleanup_threads).unwrap_or(0),
        })
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn describe(&self) -> &'static str {
        "StorageService.forceKeyspaceCleanup for each keyspace"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        // A joining node takes ranges over while cleanup would drop them here.
        vec![checks::nodes_up(ring), checks::ring_settled(ring)]
    }

    fn matches_task(&self, step: &str, task: &Compaction) -> bool {
        task.task == "Cleanup" && task.keyspace == step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spec_says_how_many_threads_where_the_request_does_not() {
        let jobs = |asked: Option<i32>, of_spec: Option<i32>| {
            let cleanup = Cleanup {
                jobs: asked,
                ..Cleanup::default()
            };
            let spec = CassandraClusterSpec {
                keyspace_cleanup_threads: of_spec,
                ..CassandraClusterSpec::default()
            };
            match cleanup.action("a", "orders", &spec) {
                Action::Call(Call::Cleanup { jobs, .. }) => Some(jobs),
                _ => None,
            }
        };
        assert_eq!(jobs(None, None), Some(0));
        assert_eq!(jobs(None, Some(3)), Some(3));
        assert_eq!(jobs(Some(2), Some(3)), Some(2));
    }
}
