//! `clearsnapshot`: deletes a snapshot.

use clap::Args;

use super::value::{self, ClusterValue};

/// Arguments of `clearsnapshot`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct ClearSnapshot {
    /// Only of this keyspace; repeatable (default: every keyspace)
    #[arg(long, value_name = "KEYSPACE", value_parser = value::cassandra_name, add = ClusterValue::Keyspace)]
    pub keyspace: Vec<String>,
    /// Name of the snapshot
    #[arg(long, value_name = "NAME", required = true, value_parser = value::snapshot_name)]
    pub name: String,
}
