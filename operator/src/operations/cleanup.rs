//! `cleanup`: each node drops the data that it no longer owns, keyspace by keyspace.

use casskop_common::{api::CassandraClusterSpec, operations::cleanup::Cleanup};

use super::{Action, Behaviour, CheckFn, Refusal, Ring, Seen, checks, seen_as_task, tables};
use crate::nodes::{Activity, Call};

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

    fn checks(&self) -> &'static [CheckFn] {
        // A joining node takes ranges over while cleanup would drop them here.
        &[checks::nodes_up, checks::ring_settled]
    }

    fn seen(&self, step: &str, activity: &Activity) -> Seen {
        seen_as_task(activity, |task| {
            task.task == "Cleanup" && task.keyspace == step
        })
    }
}
