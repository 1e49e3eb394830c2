//! Jolokia: JMX over authenticated HTTP.
//!
//! What a client has to know (Jolokia 2.6.0): an error may come as HTTP 200 with a `status` in the JSON, as
//! HTTP 400 with plain text, or as a body that is cut off; calls must give full signatures; a closed connection
//! does not stop what the call began.

mod calls;

use std::{collections::BTreeMap, time::Duration};

use casskop_common::names::RackId;
use serde_json::{Value, json};
use ureq::Agent;

use calls::{invocation, verdict};

use super::{Activity, Call, Credentials, Endpoint, NodeError, Reading, Replication};

const STORAGE_SERVICE: &str = "org.apache.cassandra.db:type=StorageService";
const COMPACTION_MANAGER: &str = "org.apache.cassandra.db:type=CompactionManager";
const STREAM_MANAGER: &str = "org.apache.cassandra.net:type=StreamManager";
const SNITCH: &str = "org.apache.cassandra.db:type=EndpointSnitchInfo";
const LOAD: &str = "org.apache.cassandra.metrics:type=Storage,name=Load";

/// Deadline to connect.
const CONNECT: Duration = Duration::from_secs(2);
/// Deadline of a read; a healthy node takes some milliseconds.
const READ: Duration = Duration::from_secs(4);
/// The same of a node that did not answer before: many that hang must not keep those waiting that are well.
const BRIEF: Duration = Duration::from_secs(1);
/// Deadline of a call: cleanup of a big node takes hours, and losing the answer loses nothing.
const CALL: Duration = Duration::from_secs(24 * 60 * 60);
/// Time between two looks at a repair, and looks without an answer before it is given up.
const REPAIR_EVERY: Duration = Duration::from_millis(500);
const REPAIR_SILENCE: u32 = 30;
/// Longest answer that is read.
const MAX_BODY: u64 = 16 * 1024 * 1024;

/// Reads what the node says of itself and of the ring: one request.
///
/// # Errors
/// When there is no answer that can be used; a node that is still starting is an answer.
pub fn read(agent: &Agent, endpoint: &Endpoint) -> Result<Reading, NodeError> {
    read_within(agent, endpoint, READ)
}

/// The same, with less patience: of a node that did not answer before.
///
/// # Errors
/// As of [`read`].
pub fn read_briefly(agent: &Agent, endpoint: &Endpoint) -> Result<Reading, NodeError> {
    read_within(agent, endpoint, BRIEF)
}

fn read_within(
    agent: &Agent,
    endpoint: &Endpoint,
    deadline: Duration,
) -> Result<Reading, NodeError> {
    let attributes = [
        "OperationMode",
        "LiveNodes",
        "UnreachableNodes",
        "JoiningNodes",
        "LeavingNodes",
        "MovingNodes",
        "EndpointToHostId",
        "LocalHostId",
        "ReleaseVersion",
        "SchemaVersion",
        "NativeTransportRunning",
        "NonLocalStrategyKeyspaces",
    ];
    let request = json!([
        { "type": "read", "mbean": STORAGE_SERVICE, "attribute": attributes, "config": { "ignoreErrors": true } },
        { "type": "read", "mbean": LOAD, "attribute": "Count" },
        { "type": "read", "mbean": STORAGE_SERVICE, "attribute": "Tokens" },
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
                mode: "STARTING".into(),
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

/// Tokens of the node. One that has none, as while it joins, does not answer with an empty list but fails
/// (`TokenMetadata.getTokens`).
fn owned(tokens: &Value) -> Option<usize> {
    match value(tokens) {
        Ok(tokens) => tokens.as_array().map(Vec::len),
        Err(NodeError::Cassandra(error)) if error.contains("is not a member") => Some(0),
        Err(_) => None,
    }
}

/// Reads in which data centers and racks the nodes at these addresses are (`EndpointSnitchInfo.getDatacenter(String)` and
/// `getRack(String)`, 4.0 and later), living or not: one request. One of which that is not known is left out; the snitch invents a place for it.
///
/// # Errors
/// When there is no answer that can be used.
pub fn places(
    agent: &Agent,
    endpoint: &Endpoint,
    ips: &[String],
) -> Result<BTreeMap<String, RackId>, NodeError> {
    let ask = |operation: &str, ip: &String| json!({ "type": "exec", "mbean": SNITCH, "operation": operation, "arguments": [ip] });
    let both = ["getDatacenter", "getRack"];
    let request = ips
        .iter()
        .flat_map(|ip| both.map(|operation| ask(operation, ip)));
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

/// Reads what the node is busy with: one request.
///
/// # Errors
/// When there is no answer that can be used.
pub fn activity(agent: &Agent, endpoint: &Endpoint) -> Result<Activity, NodeError> {
    let request = json!([
        { "type": "read", "mbean": STORAGE_SERVICE, "attribute": ["OperationMode", "NativeTransportRunning"] },
        { "type": "read", "mbean": COMPACTION_MANAGER, "attribute": "Compactions" },
        { "type": "read", "mbean": STREAM_MANAGER, "attribute": "CurrentStreams" },
    ]);
    let answers = exchange(agent, endpoint, &request, READ)?;
    let Some([service, tasks, streams]) = answers.as_array().map(Vec::as_slice) else {
        return Err(malformed(&answers));
    };
    if is_not_found(service) {
        return Ok(Activity {
            mode: "STARTING".into(),
            ..Activity::default()
        });
    }
    let service = value(service)?;
    Ok(Activity {
        mode: service["OperationMode"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
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

/// Reads how keyspaces are replicated (`StorageService.getKeyspaceReplicationInfo(String)`, 4.0 and later): one
/// request. A keyspace that was dropped meanwhile is left out.
///
/// # Errors
/// When there is no answer that can be used.
pub fn replication(
    agent: &Agent,
    endpoint: &Endpoint,
    keyspaces: &[String],
) -> Result<BTreeMap<String, Replication>, NodeError> {
    let ask = |keyspace: &String| {
        json!({ "type": "exec", "mbean": STORAGE_SERVICE,
            "operation": "getKeyspaceReplicationInfo(java.lang.String)", "arguments": [keyspace] })
    };
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
            Err(NodeError::Cassandra(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Tells the node to do something and waits until it says that it is done.
///
/// # Errors
/// When it was not done, or when that is unknown (see [`NodeError::is_transient`]).
pub fn call(agent: &Agent, endpoint: &Endpoint, call: &Call) -> Result<(), NodeError> {
    let (operation, arguments) = invocation(call);
    let mbean = match call {
        Call::StopTask { .. } => COMPACTION_MANAGER,
        _ => STORAGE_SERVICE,
    };
    let answer = exec(agent, endpoint, mbean, operation, &arguments, CALL)?;
    match call {
        Call::Repair { .. } => repaired(agent, endpoint, value(&answer)?),
        _ => verdict(call, value(&answer)?),
    }
}

fn exec(
    agent: &Agent,
    endpoint: &Endpoint,
    mbean: &str,
    operation: &str,
    arguments: &Value,
    deadline: Duration,
) -> Result<Value, NodeError> {
    let request =
        json!({ "type": "exec", "mbean": mbean, "operation": operation, "arguments": arguments });
    exchange(agent, endpoint, &request, deadline)
}

/// Waits for the end of a repair. A node that does not answer for a while may be busy; one that was restarted has
/// forgotten the repair.
fn repaired(agent: &Agent, endpoint: &Endpoint, command: &Value) -> Result<(), NodeError> {
    let number = command.as_i64().ok_or_else(|| malformed(command))?;
    if number == 0 {
        // Nothing to do: the node is the first replica of no range, or the keyspace has no other replica.
        return Ok(());
    }
    let mut silent = 0;
    loop {
        std::thread::sleep(REPAIR_EVERY);
        let answer = exec(
            agent,
            endpoint,
            STORAGE_SERVICE,
            "getParentRepairStatus(int)",
            &json!([number]),
            READ,
        );
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
        mode: text("OperationMode"),
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
    }
}

/// An address as Kubernetes writes it: Java writes all the zeros of an IPv6 address. Other text stays as it is.
fn canonical(text: &str) -> String {
    text.parse::<std::net::IpAddr>()
        .map_or_else(|_| text.to_owned(), |ip| ip.to_string())
}

/// One HTTP exchange: a request (or several in an array) and its JSON answer.
fn exchange(
    agent: &Agent,
    endpoint: &Endpoint,
    request: &Value,
    deadline: Duration,
) -> Result<Value, NodeError> {
    let host = if endpoint.ip.contains(':') {
        format!("[{}]", endpoint.ip)
    } else {
        endpoint.ip.clone()
    };
    let url = format!(
        "http://{host}:{}/jolokia/?includeRequest=false",
        endpoint.port
    );
    let ask = |credentials: &Credentials| {
        let response = agent
            .post(&url)
            .config()
            .timeout_global(Some(deadline))
            .timeout_connect(Some(CONNECT.min(deadline)))
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .header("Authorization", credentials.basic())
            .content_type("application/json")
            .send(request.to_string());
        response.map_err(|error| transport_error(&error, deadline))
    };
    let mut response = ask(&endpoint.credentials)?;
    for older in &endpoint.credentials.older {
        if response.status() == 401 {
            response = ask(older)?;
        }
    }
    match response.status().as_u16() {
        200 => {}
        401 => return Err(NodeError::Unauthorized),
        403 => return Err(NodeError::Forbidden("HTTP 403".into())),
        status => return Err(NodeError::Malformed(format!("HTTP {status}"))),
    }
    let body = response
        .body_mut()
        .with_config()
        .limit(MAX_BODY)
        .read_to_vec()
        .map_err(|error| transport_error(&error, deadline))?;
    serde_json::from_slice(&body).map_err(|error| NodeError::Malformed(error.to_string()))
}

fn transport_error(error: &ureq::Error, deadline: Duration) -> NodeError {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect) => NodeError::Timeout(CONNECT.as_secs()),
        ureq::Error::Timeout(_) => NodeError::Timeout(deadline.as_secs()),
        error => NodeError::Unreachable(error.to_string()),
    }
}

/// The value of one answer, or what its `status` says went wrong.
fn value(answer: &Value) -> Result<&Value, NodeError> {
    match answer["status"].as_i64() {
        Some(200) => Ok(&answer["value"]),
        Some(403) => Err(NodeError::Forbidden(error_text(answer))),
        Some(_) => Err(NodeError::Cassandra(error_text(answer))),
        None => Err(malformed(answer)),
    }
}

fn is_not_found(answer: &Value) -> bool {
    answer["status"] == 404
}

/// The first line of Java's message, without the classes of the exceptions around it.
fn error_text(answer: &Value) -> String {
    let text = answer["error"].as_str().unwrap_or("no reason given");
    let line = text.lines().next().unwrap_or(text);
    line.rsplit("Exception: ")
        .next()
        .unwrap_or(line)
        .chars()
        .take(500)
        .collect()
}

fn malformed(answer: &Value) -> NodeError {
    NodeError::Malformed(answer.to_string().chars().take(200).collect())
}

impl Credentials {
    fn basic(&self) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        format!(
            "Basic {}",
            STANDARD.encode(format!("{}:{}", self.username, self.password))
        )
    }
}

#[cfg(test)]
mod tests;
