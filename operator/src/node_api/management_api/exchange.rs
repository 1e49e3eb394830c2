//! HTTP requests and answers, over mutual TLS only.
//!
//! Properties of the Management API 0.1.125 that a client must handle: every failure inside is HTTP 500 with a text; the
//! Content-Type of an error is that of the success; all requests of a node share one connection to Cassandra, so a read
//! waits behind a synchronous call; a client certificate is refused after the handshake.

use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use ureq::{
    Agent, Body,
    http::{Method, Request as HttpRequest, Response},
};

use crate::node_api::{
    Endpoint,
    bounds::{Bounds, CONNECT},
    gate::Gate,
    management_api::requests::Request,
    refusal::{first_line, refusal},
    tls,
};
use casskop_core::node::NodeError;

/// Deadline of a read; a healthy node answers in some milliseconds. An agent that does not fit its Cassandra takes seven
/// seconds to say so.
pub(super) const READ: Duration = Duration::from_secs(9);
/// Deadline of the questions whether Cassandra's process runs, which the server answers without Cassandra.
const PROCESS: Duration = Duration::from_secs(2);
/// An agent that lost its connection to Cassandra says so within two seconds; one that does not fit its Cassandra loses
/// every connection, and takes longer.
const LATE: Duration = Duration::from_secs(5);
/// Longest answer with a text: the id of a job, or an error.
const TEXT: u64 = 64 * 1024;
/// Connections that are kept for the next request of a session.
const KEPT: usize = 1;

/// The reason why a request has no usable answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server has no connection to Cassandra; it took so long to say so.
    Disconnected(Duration),
    /// There was no answer in time, or Cassandra gave none to the server.
    Late(u64),
    /// The named thing does not exist.
    Missing,
    /// Anything else.
    Final(NodeError),
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Timeout(seconds) => Self::Late(seconds),
            error => Self::Final(error),
        }
    }
}

/// Some exchanges with one node, on one connection.
pub struct Session<'a> {
    agent: Agent,
    base: String,
    pub(super) endpoint: &'a Endpoint,
}

impl<'a> Session<'a> {
    /// A session with a node; it connects with its first request.
    ///
    /// # Errors
    /// The node has no IP address.
    pub fn open(gate: Gate, endpoint: &'a Endpoint) -> Result<Self, NodeError> {
        let certificates = endpoint.certificates()?;
        Ok(Self {
            agent: tls::agent(gate, endpoint, certificates, KEPT)?,
            base: format!("{}/api", tls::base(endpoint, certificates)),
            endpoint,
        })
    }

    /// Reads a value.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        bounds: Bounds,
    ) -> Result<T, Failure> {
        let mut response = self.exchange(&Request::get(path), bounds)?;
        Ok(bounds.parse(response.body_mut(), self.endpoint)?)
    }

    /// Sends a request whose answer is a text; returns its status and the text.
    pub(super) fn send(
        &self,
        request: &Request,
        deadline: Duration,
    ) -> Result<(u16, String), Failure> {
        let bounds = Bounds {
            request: request.name,
            deadline,
            limit: TEXT,
        };
        let mut response = self.exchange(request, bounds)?;
        let text = self.text(&mut response, bounds)?;
        Ok((response.status().as_u16(), text))
    }

    /// Why a request has no usable answer; nothing if Cassandra is starting, or joining the ring.
    ///
    /// # Errors
    /// Cassandra does not run, is occupied, or refused the request.
    pub(super) fn explain(&self, failure: Failure) -> Result<(), NodeError> {
        match failure {
            Failure::Final(error) => Err(error),
            Failure::Missing => Err(NodeError::Cassandra(
                "what the request names does not exist".into(),
            )),
            Failure::Late(seconds) => Err(match self.process() {
                Some(Process::Runs) => NodeError::Occupied(seconds),
                Some(process) => process.absent(),
                None => NodeError::Timeout(seconds),
            }),
            Failure::Disconnected(after) => match self.process() {
                Some(Process::Runs) if after >= LATE => Err(NodeError::OutdatedAgent(format!(
                    "Cassandra runs, and the agent lost its connection to it after {} s",
                    after.as_secs()
                ))),
                Some(Process::Runs) => Ok(()),
                Some(process) => Err(process.absent()),
                None => Err(NodeError::Timeout(PROCESS.as_secs())),
            },
        }
    }

    /// The error behind a failure, for a request that a starting node cannot answer either.
    pub(super) fn error(&self, failure: Failure) -> NodeError {
        let starting = || NodeError::Unreachable("Cassandra starts, or joins the ring".into());
        self.explain(failure).err().unwrap_or_else(starting)
    }

    /// Whether the process of Cassandra runs, as the server says without Cassandra.
    fn process(&self) -> Option<Process> {
        let ask = |path| self.exchange_raw(&Request::get(path), PROCESS).ok();
        match ask("/v0/lifecycle/pid")?.status().as_u16() {
            // The file with the id outlives the process.
            200 => match ask("/v0/probes/liveness")?.status().as_u16() {
                200 => Some(Process::Runs),
                500 => Some(Process::Died),
                _ => None,
            },
            204 => Some(Process::NotStarted),
            _ => None,
        }
    }

    fn exchange(&self, request: &Request, bounds: Bounds) -> Result<Response<Body>, Failure> {
        let sent = Instant::now();
        let response = self.exchange_raw(request, bounds.deadline);
        let mut response = response.map_err(|error| bounds.failed(&error, self.endpoint))?;
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(response);
        }
        let text_bounds = Bounds {
            limit: TEXT,
            ..bounds
        };
        let text = self.text(&mut response, text_bounds)?;
        Err(failure(status, &text, &request.path, sent.elapsed()))
    }

    fn exchange_raw(
        &self,
        request: &Request,
        deadline: Duration,
    ) -> Result<Response<Body>, ureq::Error> {
        let uri = format!("{}{}", self.base, request.path);
        let builder = HttpRequest::builder().method(&request.method).uri(uri);
        match &request.body {
            Some(body) => {
                let builder = builder.header("Content-Type", "application/json");
                self.run(builder.body(body.to_string())?, deadline)
            }
            None if request.method == Method::POST => {
                self.run(builder.body(String::new())?, deadline)
            }
            None => self.run(builder.body(())?, deadline),
        }
    }

    fn run(
        &self,
        request: HttpRequest<impl ureq::AsSendBody>,
        deadline: Duration,
    ) -> Result<Response<Body>, ureq::Error> {
        let request = self.agent.configure_request(request);
        let request = request
            .timeout_global(Some(deadline))
            .timeout_connect(Some(CONNECT.min(deadline)));
        self.agent.run(request.build())
    }

    fn text(&self, response: &mut Response<Body>, bounds: Bounds) -> Result<String, NodeError> {
        let body = response.body_mut().with_config();
        let body = body.limit(bounds.limit).lossy_utf8(true);
        let text = body.read_to_string();
        text.map_err(|error| bounds.failed(&error, self.endpoint))
    }
}

/// The process of Cassandra.
enum Process {
    Runs,
    Died,
    NotStarted,
}

impl Process {
    fn absent(&self) -> NodeError {
        NodeError::Unreachable(
            match self {
                Self::Died => "Cassandra's process has ended; the Management API starts it again",
                Self::Runs | Self::NotStarted => {
                    "Cassandra does not run; the Management API starts it within a minute"
                }
            }
            .into(),
        )
    }
}

/// The failure that an answer states.
pub(super) fn failure(status: u16, text: &str, path: &str, after: Duration) -> Failure {
    let path = path.split('?').next().unwrap_or(path);
    let outdated = |what: &str| NodeError::OutdatedAgent(format!("{what} {path}"));
    Failure::Final(match status {
        404 if text.is_empty() => outdated("it has no"),
        404 => return Failure::Missing,
        405 => outdated("it has another form of"),
        400 if text.starts_with("Not able to deserialize") => {
            outdated("it does not understand the request to")
        }
        500 if text.starts_with("Internal connection to Cassandra closed")
            || text.starts_with("All 1 node(s) tried for the query failed") =>
        {
            return Failure::Disconnected(after);
        }
        500 if text.starts_with("Query timed out") => return Failure::Late(after.as_secs()),
        500 if text.starts_with("Failed to execute method") => {
            let method = text.rsplit('.').next().unwrap_or(text).chars().take(80);
            NodeError::Cassandra(format!(
                "Cassandra refused {}; the reason is only in its log (/var/log/cassandra/system.log in the pod)",
                method.collect::<String>()
            ))
        }
        400 | 500 if !text.is_empty() => refusal(first_line(text)),
        status => NodeError::Malformed(format!("HTTP {status} to {path}")),
    })
}
