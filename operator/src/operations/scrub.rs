//! `scrub`: data files are rewritten without what cannot be read.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::scrub::Scrub,
};

use super::{Action, Behaviour, Refusal, Ring, Seen, checks, seen_as_task, tables};
use crate::nodes::{Activity, Call};

impl Behaviour for Scrub {
    fn steps(&self, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::keyspaces(&self.tables, ring)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, step: &str, _: &CassandraClusterSpec) -> Action {
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

    fn seen(&self, step: &str, activity: &Activity) -> Seen {
        seen_as_task(activity, |task| {
            task.task == "Scrub" && task.keyspace == step
        })
    }
}
