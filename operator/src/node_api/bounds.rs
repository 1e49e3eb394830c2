//! The bounds of an HTTP exchange, and the reason why there is no usable answer within them.

use std::{
    io::{self, Read},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
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

/// Time in which an answer with a permit makes progress, or the permit is given to another one.
const STALLED: Duration = Duration::from_secs(2);

static LARGE: Permits = Permits::new();

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
            arrived: 0,
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
            ureq::Error::Io(error) if is_crowded(error) => {
                NodeError::Malformed(format!("{}: {error}", self.request))
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
    /// Bytes since the permit was taken or renewed.
    arrived: usize,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.free == 0 && self.permit.is_none() {
            self.permit = Some(LARGE.take(self.deadline)?);
        }
        let read = self.body.read(buffer)?;
        self.free = self.free.saturating_sub(read);
        if let Some(permit) = &self.permit {
            self.arrived += read;
            if self.arrived >= CHUNK {
                self.arrived = 0;
                permit.renew();
            }
        }
        Ok(read)
    }
}

/// Permits of large answers. A node that stalls in the middle of its answer keeps one for some seconds only.
struct Permits {
    held: Mutex<Held>,
    returned: Condvar,
}

/// The permits that are taken, each with its number and the time of its last progress.
struct Held {
    next: u64,
    permits: Vec<(u64, Instant)>,
}

/// One of the permits, until it is dropped.
struct Permit {
    of: &'static Permits,
    number: u64,
}

impl Permits {
    const fn new() -> Self {
        let held = Held {
            next: 0,
            permits: Vec::new(),
        };
        Self {
            held: Mutex::new(held),
            returned: Condvar::new(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&'static self, deadline: Duration) -> io::Result<Permit> {
        let until = Instant::now() + deadline;
        let mut held = self.held();
        loop {
            let now = Instant::now();
            held.permits.retain(|(_, since)| now < *since + STALLED);
            if held.permits.len() < AT_ONCE {
                let number = held.next;
                held.next += 1;
                held.permits.push((number, now));
                return Ok(Permit { of: self, number });
            }
            if now >= until {
                return Err(io::Error::other(Crowded));
            }
            let ends = held.permits.iter().map(|(_, since)| *since + STALLED);
            let next = ends.chain([until]).min().unwrap_or(until);
            let waited = self
                .returned
                .wait_timeout(held, next.saturating_duration_since(now));
            held = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Permit {
    /// Notes progress, unless another answer has the permit by now.
    fn renew(&self) {
        let mut held = self.of.held();
        let own = held
            .permits
            .iter_mut()
            .find(|(number, _)| *number == self.number);
        if let Some((_, since)) = own {
            *since = Instant::now();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.of.held();
        held.permits.retain(|(number, _)| *number != self.number);
        self.of.returned.notify_one();
    }
}

/// Large answers of other nodes come first for too long. Nothing is known of this node then, and it is not silent.
#[derive(thiserror::Error, Debug)]
#[error("it waits behind large answers of other nodes")]
struct Crowded;

fn is_crowded(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<Crowded>)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stalled_answer_keeps_its_permit_for_a_while_only() {
        static PERMITS: Permits = Permits::new();
        let stalled: Vec<Permit> = (0..AT_ONCE)
            .map(|_| PERMITS.take(Duration::ZERO).expect("a free one"))
            .collect();
        let error = PERMITS.take(Duration::ZERO).map(drop).unwrap_err();
        assert!(is_crowded(&error), "{error}");
        let next = PERMITS.take(60 * STALLED).expect("one of the stalled");
        // The end of a stalled answer returns nothing twice.
        drop(stalled);
        assert_eq!(PERMITS.held().permits.len(), 1);
        drop(next);
        assert_eq!(PERMITS.held().permits.len(), 0);
    }
}
