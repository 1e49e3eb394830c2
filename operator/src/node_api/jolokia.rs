//! Jolokia: JMX over authenticated HTTP.
//!
//! Properties of Jolokia 2.6.0 that a client must handle: an error may be HTTP 200 with a `status` in the JSON, HTTP
//! 400 with plain text, or a truncated body; calls need full signatures; a closed connection does not stop the work
//! that the call started.

mod calls;
mod exchange;
mod policy;
mod rows;

pub use policy::policy;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use casskop_common::{api::OperationMode, names::RackId};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;

use exchange::{Reply, exchange, malformed};
use rows::{READ, Row, Verdict};

use crate::node_api::{
    Endpoint,
    bounds::Bounds,
    canonical,
    typed::{Count, Flag, Keys, List, Number, Text, TextMap, Texts},
};
use casskop_core::node::{Activity, Call, Compaction, NodeError, Reading, Replication, Stream};

/// Deadline of the read of a node that did not answer before: many hanging nodes must not delay the reads of healthy
/// ones.
const BRIEF: Duration = Duration::from_secs(1);
/// Time between two polls of a repair, and the number of polls without an answer before the wait ends.
const REPAIR_EVERY: Duration = Duration::from_millis(500);
const REPAIR_SILENCE: u32 = 30;
/// Longest answer of a call: a number, or an error with its stack traces.
const SMALL: u64 = 256 * 1024;
/// Longest answer of a read of the ring, of the activity or of the keyspaces of a node. The state of a node in a ring
/// of 1,000 nodes takes 130 KiB.
const MAPS: u64 = 1024 * 1024;
/// Longest answer of the read of the snapshots: the agent writes each snapshot as text, of which only the name is kept.
const DETAILS: u64 = 8 * 1024 * 1024;

/// Reads the state of the node and its view of the ring: one request.
///
/// # Errors
/// There is no usable answer; a node that is still starting is a usable answer.
pub fn read(agent: &Agent, endpoint: &Endpoint) -> Result<Reading, NodeError> {
    read_within(agent, endpoint, READ)
}

/// The same with a shorter deadline, for a node that did not answer before.
///
/// # Errors
/// The same as of [`read`].
pub fn read_briefly(agent: &Agent, endpoint: &Endpoint) -> Result<Reading, NodeError> {
    read_within(agent, endpoint, BRIEF)
}

fn read_within(
    agent: &Agent,
    endpoint: &Endpoint,
    deadline: Duration,
) -> Result<Reading, NodeError> {
    let request = json!([
        rows::NODE.request_with(json!({ "ignoreErrors": true })),
        rows::LOAD.request(),
        rows::TOKENS.request(),
    ]);
    let bounds = Bounds {
        request: "the read of the state",
        deadline,
        limit: MAPS,
    };
    let (service, load, tokens): (Reply<Service>, Reply<Number>, Reply<Count>) =
        exchange(agent, endpoint, &request, bounds)?;
    if service.is_not_found() {
        // The agent is up before Cassandra registers its MBeans.
        tracing::debug!(
            address = endpoint.ip,
            "Cassandra has not registered its MBeans yet"
        );
        return Ok(Reading {
            mode: OperationMode::Starting,
            ..Reading::default()
        });
    }
    let load = load.some().ok().and_then(|load| load.0);
    Ok(Reading {
        tokens: owned(tokens),
        ..service.some()?.reading(load)
    })
}

/// Tokens of the node. A node without tokens, for example while it joins, answers with an error instead of an empty
/// list (`TokenMetadata.getTokens`).
fn owned(tokens: Reply<Count>) -> Option<usize> {
    match tokens.some() {
        Ok(tokens) => tokens.0,
        Err(NodeError::NotAMember(_)) => Some(0),
        Err(_) => None,
    }
}

/// Reads the data centers and racks of the nodes at these addresses (`EndpointSnitchInfo.getDatacenter(String)` and
/// `getRack(String)`, 4.0 and later); the nodes may be down. One request for all addresses. Unknown addresses are
/// omitted, because the snitch returns an invented default for them.
///
/// # Errors
/// There is no usable answer.
pub fn locations(
    agent: &Agent,
    endpoint: &Endpoint,
    ips: &[String],
) -> Result<BTreeMap<String, RackId>, NodeError> {
    let both = [rows::DATACENTER, rows::RACK];
    let request = ips
        .iter()
        .flat_map(|ip| both.map(|row| row.request(&json!([ip]))));
    let bounds = Bounds {
        request: "the read of the locations",
        deadline: READ,
        limit: MAPS,
    };
    let request = Value::Array(request.collect());
    let List(answers): List<Reply<Text>> = exchange(agent, endpoint, &request, bounds)?;
    let mut texts = answers.into_iter().map(|answer| {
        let text = answer.some().ok()?.0?;
        (!text.starts_with("UNKNOWN_")).then_some(text)
    });
    let mut found = BTreeMap::new();
    for ip in ips {
        let (dc, rack) = (texts.next().flatten(), texts.next().flatten());
        if let Some((dc, rack)) = dc.zip(rack) {
            found.insert(ip.clone(), RackId::new(&dc, &rack));
        }
    }
    Ok(found)
}

/// Reads the current activity of the node: one request.
///
/// # Errors
/// There is no usable answer.
pub fn activity(agent: &Agent, endpoint: &Endpoint) -> Result<Activity, NodeError> {
    // The value of a session lists each of its files. At this depth the agent writes the sessions of a stream as one
    // short text; numbers become texts, too (Jolokia 2.6.0: 296 bytes instead of 23 MB for 100,000 files).
    let request = json!([
        rows::MODE.request(),
        rows::COMPACTIONS.request(),
        rows::STREAMS.request_with(json!({ "maxDepth": 2 })),
    ]);
    let bounds = Bounds {
        request: "the read of the compactions and streams",
        deadline: READ,
        limit: MAPS,
    };
    let (mode, tasks, streams): (Reply<Mode>, Reply<List<Compaction>>, Reply<List<Stream>>) =
        exchange(agent, endpoint, &request, bounds)?;
    if mode.is_not_found() {
        return Ok(Activity {
            mode: OperationMode::Starting,
            ..Activity::default()
        });
    }
    let mode = mode.some()?;
    Ok(Activity {
        mode: mode.operation_mode.0.unwrap_or_default().into(),
        native_transport: mode.native_transport_running.0,
        tasks: tasks.some()?.0,
        streams: streams.some()?.0,
    })
}

/// Reads the replication of keyspaces (`StorageService.getKeyspaceReplicationInfo(String)`, 4.0 and later): one
/// request. A keyspace that was dropped in the meantime is omitted.
///
/// # Errors
/// There is no usable answer.
pub fn replication(
    agent: &Agent,
    endpoint: &Endpoint,
    keyspaces: &[String],
) -> Result<BTreeMap<String, Replication>, NodeError> {
    let ask = |keyspace: &String| rows::REPLICATION.request(&json!([keyspace]));
    let request = Value::Array(keyspaces.iter().map(ask).collect());
    let bounds = Bounds {
        request: "the read of the replication",
        deadline: READ,
        limit: MAPS,
    };
    let List(answers): List<Reply<Text>> = exchange(agent, endpoint, &request, bounds)?;
    let mut found = BTreeMap::new();
    for (keyspace, answer) in keyspaces.iter().zip(answers) {
        match answer.some() {
            Ok(Text(Some(text))) => {
                found.insert(keyspace.clone(), Replication::parse(&text));
            }
            Ok(Text(None)) => {
                let why = format!("the replication of {keyspace} is not a text");
                return Err(NodeError::Malformed(why));
            }
            Err(error) if error.is_refusal() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Reads the names of the node's snapshots (`StorageService.SnapshotDetails`, 4.0 and later): one request. Only the
/// names are read: an answer with the details is truncated if a snapshot does not expire.
///
/// # Errors
/// There is no usable answer.
pub fn snapshots(agent: &Agent, endpoint: &Endpoint) -> Result<BTreeSet<String>, NodeError> {
    let request = rows::SNAPSHOTS.request_with(json!({ "maxDepth": 1 }));
    let bounds = Bounds {
        request: "the read of the snapshots",
        deadline: READ,
        limit: DETAILS,
    };
    let answer: Reply<Keys> = exchange(agent, endpoint, &request, bounds)?;
    Ok(answer.some()?.0)
}

/// Reads the tokens of the node (`StorageService.Tokens`): one request.
///
/// # Errors
/// There is no usable answer, or the node has none.
pub fn tokens(agent: &Agent, endpoint: &Endpoint) -> Result<Vec<String>, NodeError> {
    let bounds = Bounds {
        request: "the read of the tokens",
        deadline: READ,
        limit: MAPS,
    };
    let answer: Reply<List<String>> = exchange(agent, endpoint, &rows::TOKENS.request(), bounds)?;
    Ok(answer.some()?.0)
}

/// Calls the node and waits until it reports that the work is done.
///
/// # Errors
/// The work was not done, or its result is unknown (see [`NodeError::is_transient`]).
pub fn call(agent: &Agent, endpoint: &Endpoint, call: &Call) -> Result<(), NodeError> {
    let row = calls::row(call);
    let value = exec(agent, endpoint, row, &calls::arguments(call))?;
    match row.verdict {
        Verdict::Repair => repaired(agent, endpoint, &value),
        verdict => verdict.of(&value),
    }
}

/// Lets clients connect (`StorageService.startNativeTransport`); nothing changes where they can already.
///
/// # Errors
/// Cassandra starts, drains or has left the ring, or the answer is lost.
pub fn open_native_transport(agent: &Agent, endpoint: &Endpoint) -> Result<(), NodeError> {
    let row = rows::OPEN;
    let value = exec(agent, endpoint, row, &json!([]))?;
    row.verdict.of(&value)
}

/// The value that the operation returns; null if it has no result.
fn exec(
    agent: &Agent,
    endpoint: &Endpoint,
    row: &Row,
    arguments: &Value,
) -> Result<Value, NodeError> {
    let bounds = Bounds {
        request: row.operation,
        deadline: row.deadline,
        limit: SMALL,
    };
    let answer: Reply<Value> = exchange(agent, endpoint, &row.request(arguments), bounds)?;
    Ok(answer.value()?.unwrap_or_default())
}

impl Verdict {
    /// Whether the value that a call returned reports that its work is done.
    fn of(self, value: &Value) -> Result<(), NodeError> {
        match (self, value.as_i64()) {
            (Self::Status, Some(0)) => Ok(()),
            (Self::Status, Some(1)) => Err(NodeError::Cassandra(
                "Cassandra aborted the work on at least one table; its log says why".into(),
            )),
            (Self::Status, Some(2)) => Err(NodeError::Busy),
            (Self::Nothing, None) if value.is_null() => Ok(()),
            _ => Err(malformed(value)),
        }
    }
}

/// Waits for the end of a repair. A node that does not answer for a while may be busy; a restarted node has lost the
/// repair.
fn repaired(agent: &Agent, endpoint: &Endpoint, command: &Value) -> Result<(), NodeError> {
    let number = command.as_i64().ok_or_else(|| malformed(command))?;
    if number == 0 {
        // There is no work: the node is the first replica of no range, or the keyspace has no other replica.
        return Ok(());
    }
    let mut silent = 0;
    loop {
        std::thread::sleep(REPAIR_EVERY);
        let answer = exec(agent, endpoint, rows::REPAIR_STATUS, &json!([number]));
        let answer = match answer {
            Err(error) if error.is_transient() && silent < REPAIR_SILENCE => {
                silent += 1;
                continue;
            }
            answer => answer?,
        };
        silent = 0;
        let words: Vec<&str> = answer
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        match words.split_first() {
            Some((&"IN_PROGRESS", _)) => {}
            Some((&"COMPLETED", _)) => return Ok(()),
            Some((&"FAILED", why)) => {
                return Err(NodeError::Cassandra(format!(
                    "the repair failed: {}",
                    why.join("; ")
                )));
            }
            _ => {
                return Err(NodeError::Unreachable(
                    "the node has forgotten the repair: it was restarted".into(),
                ));
            }
        }
    }
}

/// The attributes of [`rows::NODE`].
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Service {
    operation_mode: Text,
    live_nodes: Texts,
    unreachable_nodes: Texts,
    joining_nodes: Texts,
    leaving_nodes: Texts,
    moving_nodes: Texts,
    endpoint_to_host_id: TextMap,
    local_host_id: Text,
    release_version: Text,
    schema_version: Text,
    native_transport_running: Flag,
    non_local_strategy_keyspaces: Texts,
}

/// The attributes of [`rows::MODE`].
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Mode {
    operation_mode: Text,
    native_transport_running: Flag,
}

impl Service {
    fn reading(self, load: Option<i64>) -> Reading {
        let text = |text: Text| text.0.unwrap_or_default();
        let addresses = |list: Texts| list.0.iter().map(|text| canonical(text)).collect();
        let host_ids = self.endpoint_to_host_id.0.into_iter();
        let mut keyspaces = self.non_local_strategy_keyspaces.0;
        keyspaces.sort();
        Reading {
            mode: text(self.operation_mode).into(),
            live: Arc::new(addresses(self.live_nodes)),
            unreachable: Arc::new(addresses(self.unreachable_nodes)),
            joining: addresses(self.joining_nodes),
            leaving: addresses(self.leaving_nodes),
            // In every version a list of "<address>" or, while moving, "<token>/<address>".
            moving: addresses(self.moving_nodes),
            host_ids: Arc::new(host_ids.map(|(ip, id)| (canonical(&ip), id)).collect()),
            local_host_id: text(self.local_host_id),
            version: text(self.release_version),
            schema_version: text(self.schema_version),
            native_transport: self.native_transport_running.0,
            keyspaces: Arc::new(keyspaces),
            load: load.unwrap_or_default(),
            tokens: None,
            snapshots: None,
        }
    }
}

#[cfg(test)]
mod large_answers;
#[cfg(test)]
pub(crate) mod tests;
