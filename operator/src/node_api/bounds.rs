//! The bounds of an HTTP exchange, and the reason why there is no usable answer within them.

use std::{io, time::Duration};

use serde::de::DeserializeOwned;
use ureq::Body;

use crate::node_api::Endpoint;
use casskop_core::node::NodeError;

/// Deadline to connect.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// Bytes of an answer that are read at once.
const CHUNK: usize = 8 * 1024;

/// The bounds of one exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Name of the read or the operation, for messages.
    pub(super) request: &'static str,
    pub(super) deadline: Duration,
    /// Longest accepted answer, in bytes.
    pub(super) limit: u64,
}

impl Bounds {
    /// Parses an answer while it arrives: it is never held as a whole, so only the values of `T` take memory.
    ///
    /// # Errors
    /// The answer is malformed, ends early, or exceeds the limit.
    pub(super) fn parse<T: DeserializeOwned>(
        self,
        body: &mut Body,
        endpoint: &Endpoint,
    ) -> Result<T, NodeError> {
        let body = body.with_config().limit(self.limit);
        let body = io::BufReader::with_capacity(CHUNK, body.reader());
        serde_json::from_reader(body).map_err(|error| {
            if error.is_io() {
                let error = ureq::Error::from(io::Error::from(error));
                return self.failed(&error, endpoint);
            }
            NodeError::Malformed(format!("{}: {error}", self.request))
        })
    }

    /// The reason of a failed exchange.
    pub(super) fn failed(self, error: &ureq::Error, endpoint: &Endpoint) -> NodeError {
        match error {
            ureq::Error::Timeout(ureq::Timeout::Connect) => {
                NodeError::Unreachable(format!("no connection within {} s", CONNECT.as_secs()))
            }
            ureq::Error::Timeout(_) => NodeError::Timeout(self.deadline.as_secs()),
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                NodeError::Refused
            }
            ureq::Error::BodyExceedsLimit(limit) => NodeError::TooLarge {
                address: endpoint.ip.clone(),
                request: self.request,
                limit: *limit,
            },
            error => match handshake_error(error) {
                Some(error) => NodeError::Untrusted(error.to_string()),
                None => NodeError::Unreachable(error.to_string()),
            },
        }
    }
}

/// The error of TLS behind a failed exchange. The refusal of a client certificate arrives with the first read, after the
/// handshake of TLS 1.3.
fn handshake_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}
