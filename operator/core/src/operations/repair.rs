//! `repair`: each node compares its ranges with the other replicas, keyspace by keyspace. One node at a time, so that no
//! two repairs meet in a range.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::repair::{Parallelism, Repair},
};

use crate::{
    node::{Activity, Call, Compaction},
    operations::{Action, Behaviour, Refusal, Ring, StepState, checks, tables},
};

impl Behaviour for Repair {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::keyspaces(&self.tables, ring)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, _: &str, step: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Repair {
            keyspace: step.to_owned(),
            tables: self.tables.table.clone(),
            full: self.full,
            primary_range: !self.all_ranges,
            parallelism: match self.parallelism {
                Parallelism::Sequential => "sequential",
                Parallelism::Parallel => "parallel",
                Parallelism::DcParallel => "dc_parallel",
            },
        })
    }

    fn describe(&self) -> &'static str {
        "StorageService.repairAsync for each keyspace, and its end by getParentRepairStatus"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        // A range with a replica that is down cannot be repaired.
        vec![
            checks::all_up(ring),
            checks::ring_settled(ring),
            checks::schema_agreed(ring),
        ]
    }

    fn requires_serial(&self) -> Option<&'static str> {
        Some("two repairs must not meet in a range")
    }

    /// A repair whose end was not reported may go on between two ranges, and two of them must not meet.
    fn stop(&self) -> Option<Call> {
        Some(Call::StopRepairs)
    }

    fn matches_task(&self, step: &str, task: &Compaction) -> bool {
        let compares = ["Validation", "Anticompaction after repair"];
        compares.contains(&task.task.as_str()) && task.keyspace == step
    }

    fn needs_other_nodes(&self) -> bool {
        true
    }

    fn streams_as(&self) -> Option<&'static str> {
        Some("Repair")
    }

    fn step_state(&self, step: &str, activity: &Activity) -> StepState {
        let mut streams = activity.streams.iter();
        if !activity.is_serving() {
            StepState::NodeUnavailable(activity.mode.to_string())
        } else if activity
            .tasks
            .iter()
            .any(|task| self.matches_task(step, task))
            || streams.any(|stream| self.streams_as() == Some(stream.description.as_str()))
        {
            StepState::Running
        } else {
            // Between two ranges nothing shows.
            StepState::Unobservable
        }
    }
}
