//! `remove`: removes a node that is down for good from the ring; the other replicas stream its data.

use clap::Args;

use super::{
    Discard,
    value::{self, ClusterValue},
};

/// Arguments of `remove`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Remove {
    /// Host id of a dead node that no pod runs any more; for the node of a pod use --pod
    #[arg(long, value_name = "ID", value_parser = value::uid, add = ClusterValue::HostId, required_unless_present = "pod", conflicts_with_all = ["pod", "dc", "rack"])]
    pub host_id: Option<String>,
    /// The cluster of the request.
    #[command(flatten)]
    pub discard: Discard,
}
