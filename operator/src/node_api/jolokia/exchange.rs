//! HTTP requests and answers.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

use crate::node_api::{Credentials, Endpoint};
use casskop_core::node::NodeError;

/// Deadline to connect.
const CONNECT: Duration = Duration::from_secs(2);
/// Longest accepted answer, in bytes.
const MAX_BODY: u64 = 16 * 1024 * 1024;

/// One HTTP exchange: a request (or several in an array) and its JSON answer.
pub(super) fn exchange(
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

/// The value of one answer, or the error in its `status`.
pub(super) fn value(answer: &Value) -> Result<&Value, NodeError> {
    match answer["status"].as_i64() {
        Some(200) => Ok(&answer["value"]),
        Some(403) => Err(NodeError::Forbidden(error_text(answer))),
        Some(_) => Err(refusal(error_text(answer))),
        None => Err(malformed(answer)),
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

pub(super) fn is_not_found(answer: &Value) -> bool {
    answer["status"] == 404
}

/// The first line of Java's message, without the class names of the wrapping exceptions.
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
            let error = value(&answer).expect_err("Cassandra said no");
            assert!(is_it(&error), "{said}: {error:?}");
            assert!(error.is_refusal() && !error.is_transient(), "{error:?}");
            assert_eq!(error.to_string(), said);
        }
    }
}
