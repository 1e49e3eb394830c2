//! `clearsnapshot`: a snapshot is deleted.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::clearsnapshot::ClearSnapshot,
};

use crate::{
    node::{Activity, Call},
    operations::{Action, Behaviour, Refusal, Ring, StepState, checks, tables, unobservable},
};

impl Behaviour for ClearSnapshot {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::known(&self.keyspace, ring)?;
        Ok(vec!["clear".into()])
    }

    fn unit(&self) -> &'static str {
        "steps"
    }

    fn action(&self, _: &str, _: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::ClearSnapshot {
            keyspaces: self.keyspace.clone(),
            name: self.name.clone(),
        })
    }

    fn describe(&self) -> &'static str {
        "StorageService.clearSnapshot"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![checks::nodes_up(ring)]
    }

    fn step_state(&self, _: &str, activity: &Activity) -> StepState {
        unobservable(activity)
    }
}
