//! `verifybackup`: a Job checks that a backup has everything.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::verifybackup::VerifyBackup,
};

use crate::{
    node::Activity,
    objects::backup_job::BackupCommand,
    operations::{Action, Behaviour, Refusal, Ring, StepState, backup, unobservable},
};

impl Behaviour for VerifyBackup {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        backup::usable(&self.from, ring.spec)?;
        Ok(vec!["verify".to_owned()])
    }

    fn unit(&self) -> &'static str {
        "steps"
    }

    fn action(&self, _: &str, _: &str, spec: &CassandraClusterSpec) -> Action {
        let command = BackupCommand::Verify { deep: self.deep };
        backup::on_backup(command, (&self.from, &self.backup), spec)
    }

    fn describe(&self) -> &'static str {
        "a Job that reads the store"
    }

    fn checks(&self, _: &Ring<'_>) -> Vec<Check> {
        Vec::new()
    }

    fn is_of_one_pod(&self) -> bool {
        true
    }

    fn step_state(&self, _: &str, activity: &Activity) -> StepState {
        unobservable(activity)
    }
}
