//! The bounds of an HTTP exchange, and the reason why there is no usable answer within them.

use std::{
    io::{self, Read},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::de::DeserializeOwned;
use ureq::Body;

use crate::node_api::Endpoint;
use casskop_core::node::NodeError;

/// Deadline to connect.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// Bytes of an answer that are read at once.
const CHUNK: usize = 8 * 1024;

/// Bytes of an answer that are parsed without a permit: the state of a node in a ring of 120 nodes. Parsed values take up to
/// fourteen times their bytes, and as many answers arrive at the same time as there are threads.
const SMALL: usize = 16 * 1024;
/// Longest answer that never needs a permit: that of a call, which may arrive slowly.
const UNCOUNTED: u64 = 256 * 1024;
/// Answers beyond [`SMALL`] that are parsed at the same time, of all nodes together.
const AT_ONCE: usize = 2;

static LARGE: Permits = Permits {
    free: Mutex::new(AT_ONCE),
    returned: Condvar::new(),
};

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
        let body = Counted {
            body: body.with_config().limit(self.limit).reader(),
            free: if self.limit > UNCOUNTED {
                SMALL
            } else {
                usize::MAX
            },
            deadline: self.deadline,
            permit: None,
        };
        let body = io::BufReader::with_capacity(CHUNK, body);
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
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                NodeError::Timeout(self.deadline.as_secs())
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

/// An answer that waits for a permit when it turns out to be large.
struct Counted<R> {
    body: R,
    /// Bytes that are left without a permit.
    free: usize,
    deadline: Duration,
    permit: Option<Permit>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.free == 0 && self.permit.is_none() {
            self.permit = Some(LARGE.take(self.deadline)?);
        }
        let read = self.body.read(buffer)?;
        self.free = self.free.saturating_sub(read);
        Ok(read)
    }
}

/// Permits of large answers. Threads wait for them; a hanging node has none, because its answer does not begin.
struct Permits {
    free: Mutex<usize>,
    returned: Condvar,
}

/// One of the permits, until it is dropped.
struct Permit;

impl Permits {
    fn free(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, deadline: Duration) -> io::Result<Permit> {
        let waited = self
            .returned
            .wait_timeout_while(self.free(), deadline, |free| *free == 0);
        let (mut free, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let left = free.checked_sub(1);
        *free = left.ok_or(io::ErrorKind::TimedOut)?;
        Ok(Permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *LARGE.free() += 1;
        LARGE.returned.notify_one();
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
