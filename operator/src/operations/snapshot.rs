//! `snapshot`: the data files of now are kept under a name.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::snapshot::Snapshot,
};

use super::{Action, Behaviour, Refusal, Ring, Seen, checks, seen_nowhere, tables};
use crate::nodes::{Activity, Call, NodeError};

impl Behaviour for Snapshot {
    fn steps(&self, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::keyspaces(&self.tables, ring)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, step: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Snapshot {
            keyspace: step.to_owned(),
            tables: self.tables.table.clone(),
            name: self.name.clone(),
            ttl: self.ttl.clone(),
            skip_flush: self.skip_flush,
        })
    }

    fn describe(&self) -> &'static str {
        "StorageService.takeSnapshot for each keyspace"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![checks::nodes_up(ring)]
    }

    fn seen(&self, _: &str, activity: &Activity) -> Seen {
        seen_nowhere(activity)
    }

    fn is_done_already(&self, error: &NodeError) -> bool {
        matches!(error, NodeError::Cassandra(text) if text.contains("already exists"))
    }
}
