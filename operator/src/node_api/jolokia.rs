//! Jolokia: JMX over authenticated HTTP.
//!
//! Properties of Jolokia 2.6.0 that a client must handle: an error may be HTTP 200 with a `status` in the JSON, HTTP
//! 400 with plain text, or a truncated body; calls need full signatures; a closed connection does not stop the work
//! that the call started.

mod calls;
mod exchange;
mod policy;
mod rows;
mod threads;

pub use policy::policy;
pub use threads::{Jolokia, agent};

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use casskop_common::{api::OperationMode, names::RackId};
use serde_json::{Value, json};
use ureq::Agent;

use exchange::{exchange, is_not_found, malformed, value};
use rows::{READ, Row, Verdict};

use crate::node_api::Endpoint;
use casskop_core::node::{Activity, Call, NodeError, Reading, Replication};

/// Deadline of the read of a node that did not answer before: many hanging nodes must not delay the reads of healthy
/// ones.
const BRIEF: Duration = Duration::from_secs(1);
/// Time between two polls of a repair, and the number of polls without an answer before the wait ends.
const REPAIR_EVERY: Duration = Duration::from_millis(500);
const REPAIR_SILENCE: u32 = 30;

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
    let answers = exchange(agent, endpoint, &request, deadline)?;
    let Some([service, load, tokens]) = answers.as_array().map(Vec::as_slice) else {
        return Err(malformed(&answers));
    };
    match value(service) {
        // The agent is up before Cassandra registers its MBeans.
        Err(NodeError::Cassandra(error)) if is_not_found(service) => {
            tracing::debug!(%error, "Cassandra has not registered its MBeans yet");
            Ok(Reading {
                mode: OperationMode::Starting,
                ..Reading::default()
            })
        }
        Err(error) => Err(error),
        Ok(service) => Ok(Reading {
            tokens: owned(tokens),
            ..reading(service, value(load).ok())
        }),
    }
}

/// Tokens of the node. A node without tokens, for example while it joins, answers with an error instead of an empty
/// list (`TokenMetadata.getTokens`).
fn owned(tokens: &Value) -> Option<usize> {
    match value(tokens) {
        Ok(tokens) => tokens.as_array().map(Vec::len),
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
    let answers = exchange(agent, endpoint, &Value::Array(request.collect()), READ)?;
    let answers = answers.as_array().ok_or_else(|| malformed(&answers))?;
    let text = |answer: &Value| -> Option<String> {
        let text = value(answer).ok()?.as_str()?;
        (!text.starts_with("UNKNOWN_")).then(|| text.to_owned())
    };
    let found = ips.iter().zip(answers.chunks(both.len()));
    Ok(found
        .filter_map(|(ip, answers)| match answers {
            [dc, rack] => Some((ip.clone(), RackId::new(&text(dc)?, &text(rack)?))),
            _ => None,
        })
        .collect())
}

/// Reads the current activity of the node: one request.
///
/// # Errors
/// There is no usable answer.
pub fn activity(agent: &Agent, endpoint: &Endpoint) -> Result<Activity, NodeError> {
    let request = json!([
        rows::MODE.request(),
        rows::COMPACTIONS.request(),
        rows::STREAMS.request(),
    ]);
    let answers = exchange(agent, endpoint, &request, READ)?;
    let Some([service, tasks, streams]) = answers.as_array().map(Vec::as_slice) else {
        return Err(malformed(&answers));
    };
    if is_not_found(service) {
        return Ok(Activity {
            mode: OperationMode::Starting,
            ..Activity::default()
        });
    }
    let service = value(service)?;
    Ok(Activity {
        mode: service["OperationMode"].as_str().unwrap_or_default().into(),
        native_transport: service["NativeTransportRunning"]
            .as_bool()
            .unwrap_or_default(),
        tasks: list(value(tasks)?)?,
        streams: list(value(streams)?)?,
    })
}

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Result<Vec<T>, NodeError> {
    serde_json::from_value(value.clone()).map_err(|error| NodeError::Malformed(error.to_string()))
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
    let answers = exchange(agent, endpoint, &request, READ)?;
    let answers = answers.as_array().ok_or_else(|| malformed(&answers))?;
    let mut found = BTreeMap::new();
    for (keyspace, answer) in keyspaces.iter().zip(answers) {
        match value(answer) {
            Ok(text) => {
                let text = text.as_str().ok_or_else(|| malformed(text))?;
                found.insert(keyspace.clone(), Replication::parse(text));
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
    let answer = exchange(agent, endpoint, &request, READ)?;
    let names = value(&answer)?;
    let names = names.as_object().ok_or_else(|| malformed(names))?;
    Ok(names.keys().cloned().collect())
}

/// Calls the node and waits until it reports that the work is done.
///
/// # Errors
/// The work was not done, or its result is unknown (see [`NodeError::is_transient`]).
pub fn call(agent: &Agent, endpoint: &Endpoint, call: &Call) -> Result<(), NodeError> {
    let row = calls::row(call);
    let answer = exec(agent, endpoint, row, &calls::arguments(call))?;
    let value = value(&answer)?;
    match row.verdict {
        Verdict::Repair => repaired(agent, endpoint, value),
        verdict => verdict.of(value),
    }
}

fn exec(
    agent: &Agent,
    endpoint: &Endpoint,
    row: &Row,
    arguments: &Value,
) -> Result<Value, NodeError> {
    exchange(agent, endpoint, &row.request(arguments), row.deadline)
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
        let status = value(&answer)?;
        let words: Vec<&str> = status
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

fn reading(service: &Value, load: Option<&Value>) -> Reading {
    let text = |name: &str| service[name].as_str().unwrap_or_default().to_owned();
    let list = |name: &str| {
        let entries = service[name].as_array().into_iter().flatten();
        entries.filter_map(Value::as_str).map(canonical)
    };
    let host_ids = service["EndpointToHostId"]
        .as_object()
        .into_iter()
        .flatten();
    let mut keyspaces: Vec<String> = list("NonLocalStrategyKeyspaces").collect();
    keyspaces.sort();
    Reading {
        mode: text("OperationMode").into(),
        live: list("LiveNodes").collect(),
        unreachable: list("UnreachableNodes").collect(),
        joining: list("JoiningNodes").collect(),
        leaving: list("LeavingNodes").collect(),
        // In every version a list of "<address>" or, while moving, "<token>/<address>".
        moving: list("MovingNodes").collect(),
        host_ids: host_ids
            .filter_map(|(ip, id)| Some((canonical(ip), id.as_str()?.to_owned())))
            .collect(),
        local_host_id: text("LocalHostId"),
        version: text("ReleaseVersion"),
        schema_version: text("SchemaVersion"),
        native_transport: service["NativeTransportRunning"]
            .as_bool()
            .unwrap_or_default(),
        keyspaces,
        load: load.and_then(Value::as_i64).unwrap_or_default(),
        tokens: None,
        snapshots: None,
    }
}

/// An address in the notation of Kubernetes: Java writes all the zeros of an IPv6 address. Other text is unchanged.
fn canonical(text: &str) -> String {
    text.parse::<std::net::IpAddr>()
        .map_or_else(|_| text.to_owned(), |ip| ip.to_string())
}

#[cfg(test)]
mod tests;
