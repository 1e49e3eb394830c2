//! The report of the init container that prepares a pod, in its termination message: what only the files of the pod say.

use serde::{Deserialize, Serialize};

/// Path of the termination message in a container.
pub const PATH: &str = "/dev/termination-log";

/// How Cassandra was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// Algorithm of the private key that the agent was started with, and is renewed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_algorithm: Option<String>,
}
