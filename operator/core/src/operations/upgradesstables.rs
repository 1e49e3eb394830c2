//! `upgradesstables`: data files get the format of the Cassandra that runs, those of its own keyspaces too.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::upgradesstables::UpgradeSsTables,
};

use crate::{
    node::{Call, Compaction},
    operations::{Action, Behaviour, Refusal, Ring, checks, tables},
};

/// Keyspaces that each node has for itself.
const LOCAL: [&str; 2] = ["system", "system_schema"];

impl Behaviour for UpgradeSsTables {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        let mut keyspaces = tables::keyspaces(&self.tables, ring)?;
        if self.tables.keyspace.is_empty() {
            keyspaces.extend(LOCAL.map(str::to_owned));
        }
        Ok(keyspaces)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, _: &str, step: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::UpgradeSsTables {
            keyspace: step.to_owned(),
            tables: self.tables.table.clone(),
            include_all: self.include_all,
            jobs: self.jobs,
        })
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn describe(&self) -> &'static str {
        "StorageService.upgradeSSTables for each keyspace"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![checks::nodes_up(ring)]
    }

    fn matches_task(&self, step: &str, task: &Compaction) -> bool {
        task.task == "Upgrade sstables" && task.keyspace == step
    }
}
