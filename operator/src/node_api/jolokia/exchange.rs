//! HTTP requests and answers.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use ureq::Agent;

use crate::node_api::{
    Access, Credentials, Endpoint,
    bounds::{Bounds, CONNECT},
    refusal::{first_line, refusal},
    tls,
    typed::{Number, Text},
};
use casskop_core::node::NodeError;

/// One HTTP exchange: a request (or several in an array) and its JSON answer.
///
/// # Errors
/// There is no usable answer; [`NodeError::TooLarge`] if it exceeds the limit.
pub(super) fn exchange<T: DeserializeOwned>(
    agent: &Agent,
    endpoint: &Endpoint,
    request: &Value,
    bounds: Bounds,
) -> Result<T, NodeError> {
    let credentials = endpoint.credentials()?;
    let url = format!("{}/jolokia/?includeRequest=false", base(endpoint));
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
        response.map_err(|error| bounds.failed(&error, endpoint))
    };
    let mut response = ask(credentials)?;
    for older in &credentials.older {
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
    bounds.parse(response.body_mut(), endpoint)
}

/// The beginning of the URLs of a node.
fn base(endpoint: &Endpoint) -> String {
    match &endpoint.access {
        Access::JolokiaTls(_, certificates) => tls::base(endpoint, certificates),
        Access::Jolokia(_) | Access::ManagementApi(_) if endpoint.ip.contains(':') => {
            format!("http://[{}]:{}", endpoint.ip, endpoint.port)
        }
        Access::Jolokia(_) | Access::ManagementApi(_) => {
            format!("http://{}:{}", endpoint.ip, endpoint.port)
        }
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

    fn reason(&self) -> String {
        first_line(self.error.0.as_deref().unwrap_or("no reason given"))
    }
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

#[cfg(test)]
mod addresses {
    use super::*;

    #[test]
    fn an_ipv6_address_is_in_brackets() {
        let credentials = Credentials {
            username: "u".into(),
            password: "p".into(),
            older: Vec::new(),
        };
        let url = |ip: &str| {
            base(&Endpoint::new(
                ip,
                Access::Jolokia(credentials.clone().into()),
            ))
        };
        assert_eq!(url("10.0.0.1"), "http://10.0.0.1:8778");
        assert_eq!(url("fd00::1"), "http://[fd00::1]:8778");
    }
}
