//! Metrics of Cassandra itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Metrics of Cassandra, in the format of Prometheus, on port 9500 of each pod. Everybody who reaches the port can read
/// them.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Tables that have metrics of their own, as `<keyspace>.<table>`; `*` stands for any characters, and `?` for one (default:
    /// none). Each table has 15 series in each node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 20),
        inner(
            length(max = 97),
            regex(pattern = r"^[a-zA-Z0-9_*?]{1,48}\.[a-zA-Z0-9_*?]{1,48}$")
        )
    )]
    pub tables: Vec<String>,
}
