//! Keyspaces and tables: arguments of the kinds that work on SSTables.

use clap::Args;

use super::value::{self, ClusterValue};

/// Keyspaces and tables; without any flag, every replicated keyspace.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Tables {
    /// Only this keyspace; repeatable (default: every keyspace that is replicated)
    #[arg(long, value_name = "KEYSPACE", value_parser = value::cassandra_name, add = ClusterValue::Keyspace)]
    pub keyspace: Vec<String>,
    /// Only this table of the one keyspace; repeatable
    #[arg(long, value_name = "TABLE", requires = "keyspace", value_parser = value::cassandra_name)]
    pub table: Vec<String>,
}
