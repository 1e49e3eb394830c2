//! `refresh`: loads `SSTables` that were copied into the directory of a table.

use clap::Args;

use super::value::{self, ClusterValue};

/// Arguments of `refresh`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Refresh {
    /// The keyspace
    #[arg(long, value_name = "KEYSPACE", required = true, value_parser = value::cassandra_name, add = ClusterValue::Keyspace)]
    pub keyspace: String,
    /// The table; repeatable
    #[arg(long, value_name = "TABLE", required = true, value_parser = value::cassandra_name)]
    pub table: Vec<String>,
}
