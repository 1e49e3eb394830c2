//! The answers of the nodes of a healthy ring: the part of Cassandra that the operator uses while a ring is at rest, and for a
//! flush.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Tokens of each node.
const TOKENS: usize = 16;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its address.
    pub ip: String,
    /// Its identity in the ring.
    pub host_id: String,
    /// Its data center.
    pub dc: String,
    /// Its rack.
    pub rack: String,
}

/// A ring of which all nodes are up.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    /// Its nodes.
    pub members: Vec<Member>,
    /// The version of the schema, which has the replication of the keyspaces; nothing for nodes that do not tell it.
    pub schema_version: Option<String>,
}

impl Ring {
    /// The answer of one of its nodes to a request, or to several in an array.
    pub fn answer(&self, own: &Member, request: &Value) -> Value {
        match request.as_array() {
            Some(all) => all.iter().map(|one| self.say(own, one)).collect(),
            None => self.say(own, request),
        }
    }

    fn say(&self, own: &Member, request: &Value) -> Value {
        let value = match (request["operation"].as_str(), &request["attribute"]) {
            (Some(operation), _) => self.call(operation, &request["arguments"]),
            (None, Value::Array(_)) => self.service(own),
            (None, attribute) if attribute == "Compactions" || attribute == "CurrentStreams" => {
                json!([])
            }
            (None, attribute) if attribute == "Count" => json!(4711),
            (None, attribute) if attribute == "Tokens" && self.schema_version.is_some() => {
                (0..TOKENS).map(|token| token.to_string()).collect()
            }
            _ => Value::Null,
        };
        json!({ "status": 200, "value": value })
    }

    /// The value of an operation; the work of all others is done at once.
    fn call(&self, operation: &str, arguments: &Value) -> Value {
        let about = self
            .members
            .iter()
            .find(|member| arguments[0] == *member.ip);
        match operation.split('(').next() {
            Some("getDatacenter") => json!(about.map(|member| &member.dc)),
            Some("getRack") => json!(about.map(|member| &member.rack)),
            Some("getKeyspaceReplicationInfo") => {
                json!("NetworkTopologyStrategy {dc1=3}")
            }
            _ => Value::Null,
        }
    }

    /// The attributes of the `StorageService`.
    fn service(&self, own: &Member) -> Value {
        let ips: Vec<&String> = self.members.iter().map(|member| &member.ip).collect();
        let host_ids: BTreeMap<&String, &String> = self
            .members
            .iter()
            .map(|member| (&member.ip, &member.host_id))
            .collect();
        let mut service = json!({
            "OperationMode": "NORMAL", "NativeTransportRunning": true, "ReleaseVersion": "5.0.9",
            "LiveNodes": ips, "UnreachableNodes": [], "JoiningNodes": [], "LeavingNodes": [],
            "MovingNodes": [], "EndpointToHostId": host_ids, "LocalHostId": own.host_id,
            "NonLocalStrategyKeyspaces": ["system_auth"],
        });
        if let Some(version) = &self.schema_version {
            service["SchemaVersion"] = json!(version);
        }
        service
    }
}
