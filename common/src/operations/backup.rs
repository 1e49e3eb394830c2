//! `backup`: copies the data of now to a store outside of the cluster.

use clap::Args;

use super::value::{self, ClusterValue};

/// Arguments of `backup`. The id of the request is the id of the backup.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Backup {
    /// Store that gets the backup, by its name in spec.backup.stores
    #[arg(long, value_name = "STORE", required = true, value_parser = value::object_name, add = ClusterValue::Store)]
    pub to: String,
    /// Only this keyspace; repeatable (default: every keyspace, those of Cassandra itself among them)
    #[arg(long, value_name = "KEYSPACE", value_parser = value::cassandra_name, add = ClusterValue::Keyspace)]
    pub keyspace: Vec<String>,
    /// Most bytes per second that each node sends, such as 20Mi (default: that of spec.backup)
    #[arg(long, value_name = "RATE", value_parser = value::rate)]
    pub rate: Option<u64>,
}
