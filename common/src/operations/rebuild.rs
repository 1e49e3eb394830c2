//! `rebuild`: streams the data of a node from another data center, after the data center of the node was added.

use clap::Args;

use super::value::{self, ClusterValue};

/// Arguments of `rebuild`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Rebuild {
    /// The data center that has the data; it may be one that runs elsewhere
    #[arg(long, value_name = "DC", required = true, value_parser = value::data_center, add = ClusterValue::DataCenter)]
    pub from_dc: String,
    /// Only this keyspace; repeatable (default: every keyspace that both data centers replicate)
    #[arg(long, value_name = "KEYSPACE", value_parser = value::cassandra_name, add = ClusterValue::Keyspace)]
    pub keyspace: Vec<String>,
}
