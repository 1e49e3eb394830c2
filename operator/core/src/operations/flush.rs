//! `flush`: each node writes its memtables to disk, keyspace by keyspace.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::flush::Flush,
};

use crate::{
    node::{Activity, Call},
    operations::{Action, Behaviour, Refusal, Ring, StepState, checks, tables, unobservable},
};

impl Behaviour for Flush {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::keyspaces(&self.tables, ring)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, _: &str, step: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Flush {
            keyspace: step.to_owned(),
            tables: self.tables.table.clone(),
        })
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn describe(&self) -> &'static str {
        "StorageService.forceKeyspaceFlush for each keyspace"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![checks::nodes_up(ring)]
    }

    fn step_state(&self, _: &str, activity: &Activity) -> StepState {
        unobservable(activity)
    }
}
