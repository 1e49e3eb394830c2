//! `refresh`: data files that were put into the folder of a table are loaded.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::refresh::Refresh,
};

use crate::{
    node::{Activity, Call},
    operations::{Action, Behaviour, Refusal, Ring, StepState, checks, tables, unobservable},
};

impl Behaviour for Refresh {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::known(std::slice::from_ref(&self.keyspace), ring)?;
        Ok(self.table.clone())
    }

    fn unit(&self) -> &'static str {
        "tables"
    }

    fn action(&self, _: &str, step: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Refresh {
            keyspace: self.keyspace.clone(),
            table: step.to_owned(),
        })
    }

    fn describe(&self) -> &'static str {
        "StorageService.loadNewSSTables for each table"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![checks::nodes_up(ring)]
    }

    fn step_state(&self, _: &str, activity: &Activity) -> StepState {
        unobservable(activity)
    }
}
