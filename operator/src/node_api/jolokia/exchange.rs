//! HTTP requests and answers.

use std::{io, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use ureq::Agent;

use crate::node_api::{
    Credentials, Endpoint,
    jolokia::typed::{Number, Text},
};
use casskop_core::node::NodeError;

/// Deadline to connect.
const CONNECT: Duration = Duration::from_secs(2);

/// The bounds of one exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Name of the read or the operation, for messages.
    pub(super) request: &'static str,
    pub(super) deadline: Duration,
    /// Longest accepted answer, in bytes.
    pub(super) limit: u64,
}

/// One HTTP exchange: a request (or several in an array) and its JSON answer. The answer is parsed while it arrives:
/// it is never held as a whole, so only the values of `T` take memory.
///
/// # Errors
/// There is no usable answer; [`NodeError::TooLarge`] if it exceeds the limit.
pub(super) fn exchange<T: DeserializeOwned>(
    agent: &Agent,
    endpoint: &Endpoint,
    request: &Value,
    bounds: Bounds,
) -> Result<T, NodeError> {
    let host = if endpoint.ip.contains(':') {
        format!("[{}]", endpoint.ip)
    } else {
        endpoint.ip.clone()
    };
    let url = format!(
        "http://{host}:{}/jolokia/?includeRequest=false",
        endpoint.port
    );
    let deadline = bounds.deadline;
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
        response.map_err(|error| transport_error(&error, endpoint, bounds))
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
    let body = response.body_mut().with_config().limit(bounds.limit);
    let body = io::BufReader::with_capacity(CHUNK, body.reader());
    serde_json::from_reader(body).map_err(|error| {
        if error.is_io() {
            let error = ureq::Error::from(io::Error::from(error));
            return transport_error(&error, endpoint, bounds);
        }
        NodeError::Malformed(format!("{}: {error}", bounds.request))
    })
}

/// Bytes of an answer that are read at once.
const CHUNK: usize = 8 * 1024;

fn transport_error(error: &ureq::Error, endpoint: &Endpoint, bounds: Bounds) -> NodeError {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect) => {
            NodeError::Unreachable(format!("no connection within {} s", CONNECT.as_secs()))
        }
        ureq::Error::Timeout(_) => NodeError::Timeout(bounds.deadline.as_secs()),
        ureq::Error::BodyExceedsLimit(limit) => NodeError::TooLarge {
            address: endpoint.ip.clone(),
            request: bounds.request,
            limit: *limit,
        },
        error => NodeError::Unreachable(error.to_string()),
    }
}

/// One answer of Jolokia.
#[derive(Deserialize, Debug)]
pub(super) struct Reply<T> {
    value: Option<T>,
    #[serde(default)]
    status: Number,
    #[serde(default)]
    error: Text,
}

impl<T> Reply<T> {
    /// The value, or the error in its `status`. Nothing is a value, too: operations without a result return `null`.
    pub(super) fn value(self) -> Result<Option<T>, NodeError> {
        match self.status.0 {
            Some(200) => Ok(self.value),
            Some(403) => Err(NodeError::Forbidden(self.reason())),
            Some(_) => Err(refusal(self.reason())),
            None => Err(NodeError::Malformed("an answer without a status".into())),
        }
    }

    /// The value of an answer that has one.
    pub(super) fn some(self) -> Result<T, NodeError> {
        let missing = || NodeError::Malformed("an answer without a value".into());
        self.value()?.ok_or_else(missing)
    }

    /// Whether the `MBean` of the request is not registered.
    pub(super) fn is_not_found(&self) -> bool {
        self.status.0 == Some(404)
    }

    /// The first line of Java's message, without the class names of the wrapping exceptions.
    fn reason(&self) -> String {
        let text = self.error.0.as_deref().unwrap_or("no reason given");
        let line = text.lines().next().unwrap_or(text);
        line.rsplit("Exception: ")
            .next()
            .unwrap_or(line)
            .chars()
            .take(500)
            .collect()
    }
}

type MakeError = fn(String) -> NodeError;

/// The kind of an error of Cassandra, derived from its message (4.0 to 5.0): JMX has no error codes.
fn refusal(text: String) -> NodeError {
    let kinds: [(&str, MakeError); 5] = [
        ("still rebuilding", NodeError::StillRebuilding),
        ("Host ID not found", NodeError::UnknownHostId),
        ("already processing a removal", NodeError::RemovalInProgress),
        ("already exists", NodeError::SnapshotExists),
        ("is not a member", NodeError::NotAMember),
    ];
    let known = kinds.iter().find(|(words, _)| text.contains(words));
    let kind = known.map_or(NodeError::Cassandra as MakeError, |(_, kind)| *kind);
    kind(text)
}

pub(super) fn malformed(answer: &Value) -> NodeError {
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
mod refusals {
    use super::*;

    /// Texts of Cassandra 4.0 to 5.0, in `StorageService`, `SnapshotManager` and `TokenMetadata`.
    #[test]
    fn are_told_apart_by_what_cassandra_says() {
        type IsIt = fn(&NodeError) -> bool;
        let cases: [(&str, IsIt); 6] = [
            (
                "Node is still rebuilding. Check nodetool netstats.",
                |error| matches!(error, NodeError::StillRebuilding(_)),
            ),
            ("Host ID not found.", |error| {
                matches!(error, NodeError::UnknownHostId(_))
            }),
            (
                "This node is already processing a removal. Wait for it to complete, or use 'removenode force' if this has failed.",
                |error| matches!(error, NodeError::RemovalInProgress(_)),
            ),
            ("Snapshot kept already exists.", |error| {
                matches!(error, NodeError::SnapshotExists(_))
            }),
            ("/10.0.0.1:7000 is not a member of the ring", |error| {
                matches!(error, NodeError::NotAMember(_))
            }),
            ("No such keyspace: orders", |error| {
                matches!(error, NodeError::Cassandra(_))
            }),
        ];
        for (said, is_it) in cases {
            let answer = serde_json::json!({
                "status": 500,
                "error": format!("java.lang.RuntimeException : java.lang.IllegalStateException: {said}"),
            });
            let reply: Reply<Value> = serde_json::from_value(answer).expect("a reply");
            let error = reply.value().expect_err("Cassandra said no");
            assert!(is_it(&error), "{said}: {error:?}");
            assert!(error.is_refusal() && !error.is_transient(), "{error:?}");
            assert_eq!(error.to_string(), said);
        }
    }
}
