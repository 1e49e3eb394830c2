//! `restart`: each pod is deleted and made anew by its StatefulSet, the next one when the node serves clients again and
//! every other node reports it as up.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::restart::Restart,
};

use crate::{
    node::{Activity, Call},
    operations::{Action, Behaviour, Refusal, Ring, StepState, checks, drained},
};

const DRAIN: &str = "drain";
const RESTART: &str = "restart";

impl Behaviour for Restart {
    fn steps(&self, _: &str, _: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        let steps = [DRAIN, RESTART]
            .into_iter()
            .filter(|step| self.drain || *step == RESTART);
        Ok(steps.map(str::to_owned).collect())
    }

    fn unit(&self) -> &'static str {
        "steps"
    }

    fn action(&self, _: &str, step: &str, _: &CassandraClusterSpec) -> Action {
        if step == DRAIN {
            Action::Call(Call::Drain)
        } else {
            Action::DeletePod
        }
    }

    fn describe(&self) -> &'static str {
        if self.drain {
            "StorageService.drain, then the pod is deleted and comes back"
        } else {
            "the pod is deleted and comes back"
        }
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
