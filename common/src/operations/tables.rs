//! Keyspaces and tables, as the kinds that work on SSTables take them.

use clap::Args;

use super::value::{self, ClusterValue};

/// What to work on; without any flag every keyspace that is replicated.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Tables {
    /// Only this keyspace; repeatable (default: every keyspace that is replicated)
    #[arg(long, value_name = "KEYSPACE", value_parser = value::cassandra_name, add = ClusterValue::Keyspace)]
    pub keyspace: Vec<String>,
    /// Only this table of the one keyspace; repeatable
    #[arg(long, value_name = "TABLE", requires = "keyspace", value_parser = value::cassandra_name)]
    pub table: Vec<String>,
}
