//! `drain`: the node writes its memtables to disk and takes no more part in the ring, until its pod is restarted.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::drain::Drain,
};

use crate::{
    node::{Activity, Call},
    operations::{Action, Behaviour, Refusal, Ring, StepState, checks, drained},
};

impl Behaviour for Drain {
    fn steps(&self, _: &str, _: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        Ok(vec!["drain".into()])
    }

    fn unit(&self) -> &'static str {
        "steps"
    }

    fn action(&self, _: &str, _: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Drain)
    }

    fn describe(&self) -> &'static str {
        "StorageService.drain"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![checks::others_up(ring), checks::ring_settled(ring)]
    }

    fn is_disruptive(&self) -> bool {
        true
    }

    fn reads_replication(&self) -> bool {
        true
    }

    fn step_state(&self, _: &str, activity: &Activity) -> StepState {
        drained(activity)
    }
}
