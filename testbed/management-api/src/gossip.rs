//! The endpoints that gossip knows, as the server gives them: all values are texts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::jmx::{Failure, Jmx, STORAGE};

const DETECTOR: &str = "org.apache.cassandra.net:type=FailureDetector";

/// The view of the ring of one node.
#[derive(Default)]
struct View {
    /// `FailureDetector.AllEndpointStates`.
    states: String,
    /// `FailureDetector.SimpleStates`: `{"/10.0.0.1": "UP"}`.
    alive: Value,
    /// `StorageService.TokenToEndpointMap`: `{"-12": "10.0.0.1"}`.
    tokens: Value,
    cluster: String,
    partitioner: String,
    local: String,
}

/// The endpoints of gossip, those that are dead or have left included.
///
/// # Errors
/// Cassandra does not answer.
pub fn endpoints(jmx: &Jmx) -> Result<Value, Failure> {
    let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
    let view = View {
        states: text(jmx.read(DETECTOR, "AllEndpointStates")?),
        alive: jmx.read(DETECTOR, "SimpleStates")?,
        tokens: jmx.read(STORAGE, "TokenToEndpointMap")?,
        cluster: text(jmx.read(STORAGE, "ClusterName")?),
        partitioner: text(jmx.read(STORAGE, "PartitionerName")?),
        local: text(jmx.read(STORAGE, "LocalHostId")?),
    };
    Ok(view.endpoints())
}

impl View {
    fn endpoints(&self) -> Value {
        let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in self.states.lines() {
            if let Some(state) = line.strip_prefix("  ") {
                if let Some((_, states)) = all.last_mut() {
                    states.push(state);
                }
            } else if let Some((_, ip)) = line.rsplit_once('/') {
                all.push((ip.trim(), Vec::new()));
            }
        }
        let all = all.iter().map(|(ip, states)| self.endpoint(ip, states));
        all.collect()
    }

    /// One endpoint. A member that was down when the others restarted has no states.
    fn endpoint(&self, ip: &str, states: &[&str]) -> Value {
        let known: BTreeMap<&str, &str> = states.iter().filter_map(|state| entry(state)).collect();
        let host_id = known.get("HOST_ID").copied().unwrap_or_default();
        let mut fields = Map::new();
        fields.extend(
            known
                .iter()
                .filter(|(name, _)| **name != "TOKENS")
                .map(|(name, value)| ((*name).to_owned(), json!(value))),
        );
        if known.contains_key("TOKENS") {
            fields.insert("TOKENS".into(), json!(self.tokens(ip, &known)));
        }
        let is_alive = self.alive.as_object().is_some_and(|alive| {
            let mut alive = alive.iter();
            alive.any(|(name, state)| name.rsplit('/').next() == Some(ip) && state == "UP")
        });
        let is_local = !host_id.is_empty() && host_id == self.local;
        let named = [
            ("CLUSTER_NAME", self.cluster.clone()),
            ("ENDPOINT_IP", ip.to_owned()),
            ("IS_ALIVE", is_alive.to_string()),
            ("IS_LOCAL", is_local.to_string()),
            ("PARTITIONER", self.partitioner.clone()),
        ];
        fields.extend(named.map(|(name, value)| (name.to_owned(), json!(value))));
        Value::Object(fields)
    }

    /// The tokens, which gossip hides. Those of a node that has left are no longer in the ring: one is in its status.
    fn tokens(&self, ip: &str, known: &BTreeMap<&str, &str>) -> String {
        let ring = self.tokens.as_object().into_iter().flatten();
        let own: Vec<&str> = ring
            .filter(|(_, endpoint)| *endpoint == ip)
            .map(|(token, _)| token.as_str())
            .collect();
        if own.is_empty() {
            let status = known
                .get("STATUS_WITH_PORT")
                .or_else(|| known.get("STATUS"));
            let token = status.and_then(|status| status.split(',').nth(1));
            return token.unwrap_or_default().to_owned();
        }
        own.join(",")
    }
}

/// Name and value of `NAME:version:value`. Not an application state: `generation:1`, `heartbeat:2`, `TOKENS: not present`.
fn entry(state: &str) -> Option<(&str, &str)> {
    let (name, rest) = state.split_once(':')?;
    let (version, value) = rest.split_once(':')?;
    version.parse::<u64>().ok().map(|_| (name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gossip_says_becomes_fields() {
        let view = View {
            states: "/10.0.0.1\n  generation:1\n  heartbeat:2\n  HOST_ID:2:one\n  STATUS_WITH_PORT:39:NORMAL,-5\n  \
                     LOAD:9:2.4337293E7\n  NATIVE_ADDRESS_AND_PORT:3:10.0.0.1:9042\n  TOKENS:38:<hidden>\n\
                     name/10.0.0.2\n  generation:0\n  heartbeat:0\n  TOKENS: not present\n\
                     /10.0.0.3\n  HOST_ID:2:three\n  STATUS_WITH_PORT:39:LEFT,7,17000\n  TOKENS:38:<hidden>\n"
                .into(),
            alive: json!({ "/10.0.0.1": "UP", "name/10.0.0.2": "DOWN" }),
            tokens: json!({ "-5": "10.0.0.1", "6": "10.0.0.1" }),
            cluster: "trial".into(),
            partitioner: "p".into(),
            local: "one".into(),
        };
        assert_eq!(
            view.endpoints(),
            json!([
                {
                    "CLUSTER_NAME": "trial", "ENDPOINT_IP": "10.0.0.1", "HOST_ID": "one", "IS_ALIVE": "true",
                    "IS_LOCAL": "true", "LOAD": "2.4337293E7", "NATIVE_ADDRESS_AND_PORT": "10.0.0.1:9042",
                    "PARTITIONER": "p", "STATUS_WITH_PORT": "NORMAL,-5", "TOKENS": "-5,6",
                },
                {
                    "CLUSTER_NAME": "trial", "ENDPOINT_IP": "10.0.0.2", "IS_ALIVE": "false", "IS_LOCAL": "false",
                    "PARTITIONER": "p",
                },
                {
                    "CLUSTER_NAME": "trial", "ENDPOINT_IP": "10.0.0.3", "HOST_ID": "three", "IS_ALIVE": "false",
                    "IS_LOCAL": "false", "PARTITIONER": "p", "STATUS_WITH_PORT": "LEFT,7,17000", "TOKENS": "7",
                },
            ])
        );
    }
}
