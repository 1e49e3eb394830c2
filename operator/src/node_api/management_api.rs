//! The Management API for Apache Cassandra: HTTP over mutual TLS, answered by a server beside Cassandra in the container.
//!
//! Properties of version 0.1.125 that a client must handle: long work is a job of the node, and a job that is `COMPLETED`
//! may have done nothing; jobs are forgotten when Cassandra restarts; gossip is the only view of the ring, and a member
//! that was down while the others restarted is in it without a host id. Forms below `/v0` of a call that has a job report
//! success whatever happened, and are never used.

mod exchange;
mod gossip;
mod jobs;
mod ranges;
mod requests;
mod tasks;

pub use exchange::Session;
pub use jobs::{Follower, begin};

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use casskop_common::{api::OperationMode, names::RackId};
use serde::Deserialize;

use crate::node_api::{bounds::Bounds, canonical, typed::List};
use casskop_core::node::{Activity, NodeError, Reading, Replication, Stream};
use exchange::{Failure, READ};
use gossip::{Endpoints, Entry, Wrapped};
use requests::escaped;

/// Deadline of the read of a node that did not answer before: many hanging nodes must not delay the reads of healthy
/// ones.
const BRIEF: Duration = Duration::from_secs(1);
/// Longest answer of a read of the ring: 1,000 nodes with 256 tokens each take some six megabytes, of which the numbers of
/// tokens are kept.
const RING: u64 = 16 * 1024 * 1024;
/// Longest answer of a read of the activity or of the keyspaces.
const LISTS: u64 = 1024 * 1024;
/// Longest answer of the read of the snapshots: an entry for each snapshot and table, of which only the name is kept.
const DETAILS: u64 = 8 * 1024 * 1024;
/// Keyspaces that are local to a node, of those that the server lists.
const LOCAL: [&str; 2] = ["system", "system_schema"];

/// Reads the state of the node and its view of the ring: two requests on one connection.
///
/// # Errors
/// There is no usable answer; a node that is still starting is a usable answer. A node that joins the ring cannot be told
/// from it: the agent answers only when the node has joined.
pub fn read(session: &Session<'_>) -> Result<Reading, NodeError> {
    read_within(session, READ)
}

/// The same with a shorter deadline, for a node that did not answer before.
///
/// # Errors
/// The same as of [`read`].
pub fn read_briefly(session: &Session<'_>) -> Result<Reading, NodeError> {
    read_within(session, BRIEF)
}

fn read_within(session: &Session<'_>, deadline: Duration) -> Result<Reading, NodeError> {
    let keyspaces = Bounds {
        request: "the read of the keyspaces",
        deadline,
        limit: LISTS,
    };
    let answers = endpoints(session, deadline)
        .and_then(|ring| Ok((ring, session.get("/v0/ops/keyspace", keyspaces)?)));
    match answers {
        Ok((ring, List(mut keyspaces))) => {
            keyspaces.retain(|keyspace: &String| !LOCAL.contains(&keyspace.as_str()));
            keyspaces.sort();
            gossip::reading(&ring, keyspaces)
        }
        Err(failure) => session.explain(failure).map(|()| Reading {
            mode: OperationMode::Starting,
            ..Reading::default()
        }),
    }
}

fn endpoints(session: &Session<'_>, deadline: Duration) -> Result<Vec<Entry>, Failure> {
    let bounds = Bounds {
        request: "the read of the endpoints",
        deadline,
        limit: RING,
    };
    let ring: Endpoints = session.get("/v0/metadata/endpoints", bounds)?;
    Ok(ring.entity.0)
}

/// Reads the address at which the native transport of the node listens for clients: one request.
///
/// # Errors
/// There is no usable answer.
pub fn native_address(session: &Session<'_>) -> Result<SocketAddr, NodeError> {
    let ring = endpoints(session, READ).map_err(|failure| session.error(failure))?;
    gossip::local(&ring)?.native_address()
}

/// Reads the current activity of the node: three requests on one connection.
///
/// # Errors
/// There is no usable answer.
pub fn activity(session: &Session<'_>) -> Result<Activity, NodeError> {
    let streams = Bounds {
        request: "the read of the streams",
        deadline: READ,
        limit: LISTS,
    };
    let answers = endpoints(session, READ).and_then(|ring| {
        let tasks = tasks::read(session)?;
        let streams: Wrapped<List<Plans>> = session.get("/v0/ops/node/streaminfo", streams)?;
        Ok((ring, tasks, streams.entity.0))
    });
    match answers {
        Ok((ring, tasks, plans)) => {
            let own = gossip::local(&ring)?;
            Ok(Activity {
                mode: own.mode(),
                native_transport: own.serves_clients(),
                tasks,
                streams: plans.into_iter().flatten().map(stream).collect(),
            })
        }
        Err(failure) => session.explain(failure).map(|()| Activity {
            mode: OperationMode::Starting,
            ..Activity::default()
        }),
    }
}

/// Stream plans by their ids; a plan has a session for each peer.
type Plans = BTreeMap<String, List<StreamSession>>;

/// A session of a stream plan. Numbers are texts.
#[derive(Deserialize, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
struct StreamSession {
    stream_operation: String,
    total_size_to_receive: String,
    total_size_received: String,
    total_size_to_send: String,
    total_size_sent: String,
}

fn stream((_, List(sessions)): (String, List<StreamSession>)) -> Stream {
    let sum = |size: fn(&StreamSession) -> &String| {
        let sizes = sessions.iter().map(size);
        let sizes = sizes.map(|text| text.parse::<i64>().unwrap_or(0));
        sizes.fold(0_i64, i64::saturating_add)
    };
    let operation = sessions.first().map(|session| &session.stream_operation);
    Stream {
        description: operation.cloned().unwrap_or_default(),
        current_rx_bytes: sum(|session| &session.total_size_received),
        total_rx_bytes: sum(|session| &session.total_size_to_receive),
        current_tx_bytes: sum(|session| &session.total_size_sent),
        total_tx_bytes: sum(|session| &session.total_size_to_send),
    }
}

/// Reads the replication of keyspaces: one request for each, on one connection. A keyspace that was dropped in the
/// meantime is omitted.
///
/// # Errors
/// There is no usable answer.
pub fn replication(
    session: &Session<'_>,
    keyspaces: &[String],
) -> Result<BTreeMap<String, Replication>, NodeError> {
    let bounds = Bounds {
        request: "the read of the replication",
        deadline: READ,
        limit: LISTS,
    };
    let mut found = BTreeMap::new();
    for keyspace in keyspaces {
        let path = format!(
            "/v0/ops/keyspace/replication?keyspaceName={}",
            escaped(keyspace)
        );
        match session.get::<BTreeMap<String, String>>(&path, bounds) {
            Ok(options) => {
                found.insert(keyspace.clone(), Replication::parse(&written(&options)));
            }
            Err(Failure::Missing) => {}
            Err(failure) => return Err(session.error(failure)),
        }
    }
    Ok(found)
}

/// A replication as JMX writes it, such as `NetworkTopologyStrategy {dc1=3}`.
fn written(options: &BTreeMap<String, String>) -> String {
    let class = options.get("class").map_or("", String::as_str);
    let class = class.rsplit('.').next().unwrap_or(class);
    let factors = options.iter().filter(|(name, _)| *name != "class");
    let factors: Vec<String> = factors
        .map(|(name, factor)| format!("{name}={factor}"))
        .collect();
    format!("{class} {{{}}}", factors.join(", "))
}

/// Reads the data centers and racks of the nodes at these addresses: one request. Unknown addresses are omitted.
///
/// # Errors
/// There is no usable answer.
pub fn locations(
    session: &Session<'_>,
    ips: &[String],
) -> Result<BTreeMap<String, RackId>, NodeError> {
    let ring = endpoints(session, READ).map_err(|failure| session.error(failure))?;
    let known: BTreeMap<String, RackId> = ring.iter().filter_map(Entry::location).collect();
    let found = ips.iter().filter_map(|ip| {
        let location = known.get(&canonical(ip))?;
        Some((ip.clone(), location.clone()))
    });
    Ok(found.collect())
}

/// Reads the tokens of the node: one request.
///
/// # Errors
/// There is no usable answer, or the node has none.
pub fn tokens(session: &Session<'_>) -> Result<Vec<String>, NodeError> {
    let bounds = Bounds {
        request: "the read of the tokens",
        deadline: READ,
        limit: RING,
    };
    let ring: gossip::Owners = session
        .get("/v0/metadata/endpoints", bounds)
        .map_err(|failure| session.error(failure))?;
    gossip::own_tokens(ring)
}

/// Reads the names of the node's snapshots: one request.
///
/// # Errors
/// There is no usable answer.
pub fn snapshots(session: &Session<'_>) -> Result<BTreeSet<String>, NodeError> {
    let found = list_snapshots(session, "/v0/ops/node/snapshots");
    let found = found.map_err(|failure| session.error(failure))?;
    Ok(found.into_iter().map(|snapshot| snapshot.name).collect())
}

/// A snapshot of one table.
#[derive(Deserialize)]
struct Snapshot {
    #[serde(rename = "Snapshot name")]
    name: String,
    #[serde(rename = "Keyspace name")]
    keyspace: String,
    #[serde(rename = "Column family name")]
    table: String,
}

fn list_snapshots(session: &Session<'_>, path: &str) -> Result<Vec<Snapshot>, Failure> {
    let bounds = Bounds {
        request: "the read of the snapshots",
        deadline: READ,
        limit: DETAILS,
    };
    let found: Wrapped<List<Snapshot>> = session.get(path, bounds)?;
    Ok(found.entity.0)
}

#[cfg(test)]
pub(crate) mod node;
#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
