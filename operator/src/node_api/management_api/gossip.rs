//! The endpoints of gossip, as texts: a node's view of the ring.

use std::{fmt, net::SocketAddr, sync::Arc};

use casskop_common::{api::OperationMode, names::RackId};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use crate::node_api::{canonical, typed::List};
use casskop_core::node::{NodeError, Reading, UNKNOWN_HOST_ID};

/// The value of three of the reads.
#[derive(Deserialize)]
pub(super) struct Wrapped<T> {
    pub(super) entity: T,
}

/// The endpoints that a node knows.
pub(super) type Endpoints = Wrapped<List<Entry>>;

/// One endpoint; also of nodes that are dead, have left, or were removed.
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
pub(super) struct Entry {
    #[serde(rename = "ENDPOINT_IP")]
    ip: String,
    host_id: String,
    is_alive: Flag,
    is_local: Flag,
    /// In a long life of a node only one of the two is left.
    status_with_port: String,
    status: String,
    rpc_ready: Flag,
    native_address_and_port: String,
    tokens: Option<Tokens>,
    release_version: String,
    schema: String,
    load: String,
    dc: String,
    rack: String,
}

/// The endpoints, with the tokens of the node that answers.
pub(super) type Owners = Wrapped<List<Owner>>;

/// One endpoint; the tokens of the others are many.
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
pub(super) struct Owner {
    is_local: Flag,
    tokens: String,
}

/// The tokens of the node that answers.
///
/// # Errors
/// It does not list itself, or has no tokens.
pub(super) fn own_tokens(ring: Owners) -> Result<Vec<String>, NodeError> {
    let own = ring.entity.0.into_iter().find(|owner| owner.is_local.0);
    let text = own.map(|owner| owner.tokens).unwrap_or_default();
    let tokens: Vec<String> = text
        .split(',')
        .map(|token| token.trim().to_owned())
        .filter(|token| !token.is_empty())
        .collect();
    if tokens.is_empty() {
        return Err(NodeError::NotAMember(
            "the node has no tokens in gossip: it is no member of the ring".into(),
        ));
    }
    Ok(tokens)
}

/// `"true"` or anything else.
#[derive(Deserialize, Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(from = "String")]
struct Flag(bool);

impl From<String> for Flag {
    fn from(text: String) -> Self {
        Self(text == "true")
    }
}

/// The number of tokens in a list of them; up to 256 tokens are not kept.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tokens(usize);

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Tokens;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tokens, separated by commas")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Tokens, E> {
                let tokens = text.split(',').filter(|token| !token.trim().is_empty());
                Ok(Tokens(tokens.count()))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl Entry {
    fn address(&self) -> String {
        canonical(&self.ip)
    }

    /// The first word of the status, such as `NORMAL`.
    fn state(&self) -> &str {
        let status = match self.status_with_port.as_str() {
            "" => &self.status,
            status => status,
        };
        status.split(',').next().unwrap_or_default()
    }

    /// The host id, if the endpoint is a member of the ring. A member that was down when this node and the others
    /// restarted is known by its address only. Nodes that have left stay in gossip for days, with their tokens.
    fn member(&self) -> Option<&str> {
        let is_bare = self.host_id.is_empty() && self.state().is_empty();
        match self.state() {
            "" if is_bare => {
                let is_dead = !self.is_alive.0 && !self.is_local.0;
                is_dead.then_some(UNKNOWN_HOST_ID)
            }
            // A node that replaces one at the same address, with its host id, hibernates meanwhile.
            "" | "NORMAL" | "LEAVING" | "MOVING" | "shutdown" | "removing" | "hibernate" => {
                let has_tokens = self.tokens.is_some_and(|tokens| tokens.0 > 0);
                (has_tokens && !self.host_id.is_empty()).then_some(self.host_id.as_str())
            }
            _ => None,
        }
    }

    /// The mode of this node itself. A decommission that failed looks like one that is under way.
    pub(super) fn mode(&self) -> OperationMode {
        match self.state() {
            "NORMAL" => OperationMode::Normal,
            // Gossip alone was switched off: the node is no less a member.
            "shutdown" if self.rpc_ready.0 => OperationMode::Normal,
            "shutdown" => OperationMode::Drained,
            "LEAVING" => OperationMode::Leaving,
            "LEFT" => OperationMode::Decommissioned,
            "MOVING" => OperationMode::Moving,
            "BOOT" | "BOOT_REPLACE" | "hibernate" => OperationMode::Joining,
            "" => OperationMode::Starting,
            other => OperationMode::Other(other.to_owned()),
        }
    }

    /// Whether clients can connect, as far as gossip knows: the native transport may have been switched off since.
    pub(super) fn serves_clients(&self) -> bool {
        self.rpc_ready.0
    }

    /// The address at which the native transport listens.
    pub(super) fn native_address(&self) -> Result<SocketAddr, NodeError> {
        let text = &self.native_address_and_port;
        text.parse().map_err(|_| {
            NodeError::Malformed(format!("{text:?} is no address of the native transport"))
        })
    }

    /// The data center and the rack; nothing of a member that is known by its address only.
    pub(super) fn location(&self) -> Option<(String, RackId)> {
        let is_known = !self.dc.is_empty() && !self.rack.is_empty();
        is_known.then(|| (self.address(), RackId::new(&self.dc, &self.rack)))
    }
}

/// The endpoint of the node that was asked.
///
/// # Errors
/// It does not list itself.
pub(super) fn local(endpoints: &[Entry]) -> Result<&Entry, NodeError> {
    let local = endpoints.iter().find(|entry| entry.is_local.0);
    local.ok_or_else(|| NodeError::Malformed("the node does not list itself".into()))
}

/// The address of the node in the ring.
pub(super) fn own_address(endpoints: &[Entry]) -> Result<String, NodeError> {
    Ok(local(endpoints)?.address())
}

/// The state of the node and its view of the ring.
///
/// # Errors
/// It does not list itself.
pub(super) fn reading(endpoints: &[Entry], keyspaces: Vec<String>) -> Result<Reading, NodeError> {
    let own = local(endpoints)?;
    let addresses = |is_it: &dyn Fn(&Entry) -> bool| {
        let those = endpoints.iter().filter(|entry| is_it(entry));
        those.map(Entry::address).collect()
    };
    let host_ids = endpoints.iter().filter_map(|entry| {
        let host_id = entry.member()?;
        Some((entry.address(), host_id.to_owned()))
    });
    Ok(Reading {
        mode: own.mode(),
        live: Arc::new(addresses(&|entry| entry.is_alive.0)),
        unreachable: Arc::new(addresses(&|entry| !entry.is_alive.0)),
        joining: addresses(&|entry| entry.state().starts_with("BOOT")),
        leaving: addresses(&|entry| matches!(entry.state(), "LEAVING" | "removing")),
        moving: addresses(&|entry| entry.state() == "MOVING"),
        host_ids: Arc::new(host_ids.collect()),
        local_host_id: own.host_id.clone(),
        version: own.release_version.clone(),
        schema_version: own.schema.clone(),
        native_transport: own.serves_clients(),
        keyspaces: Arc::new(keyspaces),
        load: bytes(&own.load),
        tokens: match own.member() {
            Some(_) => own.tokens.map(|tokens| tokens.0),
            None => Some(0),
        },
        snapshots: None,
    })
}

/// A number of bytes that Java wrote as a double, such as `2.4337293E7`.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a load is far below the largest integer, and the cast saturates"
)]
fn bytes(load: &str) -> i64 {
    load.parse::<f64>().map_or(0, |load| load as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fields: &serde_json::Value) -> Entry {
        serde_json::from_value(fields.clone()).expect("an endpoint")
    }

    #[test]
    fn the_mode_is_what_gossip_says() {
        let modes = [
            ("NORMAL,-5", "true"),
            ("LEAVING,-5", "true"),
            ("LEFT,-5,1795867588211", "false"),
            ("MOVING,7", "true"),
            ("BOOT,-5", "false"),
            ("BOOT_REPLACE,10.0.0.9:7000", "false"),
            ("hibernate,true", "false"),
            ("shutdown,true", "false"),
            ("shutdown,true", "true"),
            ("removed,x", "false"),
            ("", "false"),
        ]
        .map(|(status, ready)| {
            let with_port =
                entry(&serde_json::json!({ "STATUS_WITH_PORT": status, "RPC_READY": ready }));
            let without = entry(&serde_json::json!({ "STATUS": status, "RPC_READY": ready }));
            assert_eq!(with_port.mode(), without.mode());
            format!("{status} {ready}: {}", with_port.mode())
        });
        insta::assert_snapshot!(modes.join("\n"), @r"
        NORMAL,-5 true: NORMAL
        LEAVING,-5 true: LEAVING
        LEFT,-5,1795867588211 false: DECOMMISSIONED
        MOVING,7 true: MOVING
        BOOT,-5 false: JOINING
        BOOT_REPLACE,10.0.0.9:7000 false: JOINING
        hibernate,true false: JOINING
        shutdown,true false: DRAINED
        shutdown,true true: NORMAL
        removed,x false: removed
         false: STARTING
        ");
    }

    /// Nodes that have left stay in gossip, with their tokens; a member that was down while the others restarted has
    /// nothing but its address.
    #[test]
    fn members_are_told_from_those_that_were() {
        let of = |ip: &str, status: &str, host_id: &str, alive: &str| {
            serde_json::json!({
                "ENDPOINT_IP": ip, "STATUS": status, "HOST_ID": host_id, "IS_ALIVE": alive, "TOKENS": "1,2"
            })
        };
        let mut endpoints: Vec<Entry> = [
            of("10.0.0.2", "NORMAL,1", "b", "true"),
            of("10.0.0.3", "LEAVING,1", "c", "true"),
            of("10.0.0.4", "LEFT,1,9", "d", "false"),
            of("10.0.0.5", "removed,e,9", "e", "false"),
            of("10.0.0.6", "shutdown,true", "f", "false"),
            of("10.0.0.7", "BOOT,1", "g", "true"),
            of("10.0.0.8", "removing,h", "h", "false"),
            serde_json::json!({ "ENDPOINT_IP": "10.0.0.9", "IS_ALIVE": "false", "IS_LOCAL": "false" }),
            serde_json::json!({ "ENDPOINT_IP": "10.0.0.10", "IS_ALIVE": "true", "IS_LOCAL": "false" }),
        ]
        .iter()
        .map(entry)
        .collect();
        endpoints.push(entry(&serde_json::json!({
            "ENDPOINT_IP": "fd00:0:0:0:0:0:0:1", "STATUS": "NORMAL,3", "HOST_ID": "a", "IS_ALIVE": "true",
            "IS_LOCAL": "true", "TOKENS": "3", "RPC_READY": "true"
        })));
        let reading = reading(&endpoints, Vec::new()).expect("it lists itself");
        insta::assert_debug_snapshot!((
            &reading.host_ids,
            reading.down_members().collect::<Vec<_>>(),
            &reading.joining,
            &reading.leaving,
            reading.tokens
        ));
        let hibernates = entry(&of("10.0.0.11", "hibernate,true", "k", "false"));
        assert_eq!(hibernates.member(), Some("k"));
        assert!(reading.may_know("anything"), "the bare member may be any");
        assert!(reading.address_of("anything").is_none());
    }
}
