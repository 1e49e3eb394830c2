//! No request of a process that is not the leader.

use std::fmt;

use ureq::{
    Error,
    unversioned::transport::{
        Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
    },
};

use crate::leadership::{Leadership, NotLeading};

/// Opens connections that refuse to send while this process is not the leader. The right to act is looked at when the
/// connection is open and the handshake of TLS is over, with nothing left to wait for: a process that was paused in
/// between sends nothing when it wakes up.
#[derive(Clone)]
pub struct Gate(Leadership);

impl Gate {
    /// The gate of a process that calls nodes while it is the leader.
    pub(super) fn new(leadership: Leadership) -> Self {
        Self(leadership)
    }

    /// The gate of a process that is the only one of its kind.
    pub fn open() -> Self {
        Self(Leadership::unelected())
    }

    /// The connections of a client.
    pub(super) fn connector(self) -> impl Connector {
        Gated {
            gate: self,
            inner: DefaultConnector::default(),
        }
    }

    /// Whether this process may act now.
    pub(super) fn leads(&self) -> Result<(), NotLeading> {
        self.0.ensure()
    }

    fn ensure(&self) -> Result<(), Error> {
        let refused = |error: NotLeading| Error::Other(Box::new(error));
        self.leads().map_err(refused)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

/// A source of connections, or one connection, behind a gate.
#[derive(Debug)]
struct Gated<T> {
    gate: Gate,
    inner: T,
}

impl<T: Connector> Connector for Gated<T> {
    type Out = Gated<T::Out>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        self.gate.ensure()?;
        let connection = self.inner.connect(details, chained)?;
        Ok(connection.map(|inner| Gated {
            gate: self.gate.clone(),
            inner,
        }))
    }
}

impl<T: Transport> Transport for Gated<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.gate.ensure()?;
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        net::TcpListener,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    use casskop_core::{lease::Moment, node::Call};
    use jiff::Timestamp;

    use super::*;
    use crate::node_api::{
        Access, Credentials, Endpoint, NodeApi, Nodes,
        management_api::{
            self, Session,
            node::{BARE_MEMBER, Node, SECRET},
        },
    };

    /// A clock that goes on by an hour after so many looks, for good.
    fn leader_for(looks: &Arc<AtomicU64>) -> Leadership {
        let looks = looks.clone();
        Leadership::with_clock(move || {
            let left = looks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_sub(1))
            });
            let hour = Duration::from_secs(if left == Ok(0) { 3600 } else { 0 });
            Moment {
                monotonic: hour,
                wall: Timestamp::UNIX_EPOCH + hour,
            }
        })
    }

    #[tokio::test]
    async fn a_process_that_is_paused_while_it_connects_sends_nothing() {
        let looks = Arc::new(AtomicU64::new(u64::MAX));
        let leadership = leader_for(&looks);
        leadership.elect();
        // The look before the connection is the last one in time.
        looks.store(1, Ordering::Relaxed);

        let node = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = node.local_addr().expect("bound").port();
        let received = std::thread::spawn(move || {
            let (mut connection, _) = node.accept().expect("it was connected");
            let mut sent = [0; 64];
            connection.read(&mut sent).expect("it is closed")
        });
        let credentials = Arc::new(Credentials {
            username: "u".into(),
            password: "p".into(),
            older: Vec::new(),
        });
        let endpoint = Endpoint {
            port,
            ..Endpoint::new("127.0.0.1", Access::Jolokia(credentials))
        };
        let error = Nodes::new(leadership).call(endpoint, Call::Drain).await;
        let error = error.expect_err("it leads no more");
        assert!(error.to_string().contains("not the leader"), "{error}");
        assert_eq!(received.join().expect("a node"), 0, "bytes");
    }

    /// The second request of a session uses the connection, and the handshake, of the first one.
    #[tokio::test]
    async fn a_kept_connection_sends_nothing_either() {
        let leadership = Leadership::candidate();
        leadership.elect();
        let node = Node::recorded(BARE_MEMBER).says("GET /api/v0/ops/keyspace", 200, "[]");
        let access = node.access().certificates[SECRET].clone();
        let endpoint = Endpoint {
            port: node.port(),
            ..Endpoint::new(
                "127.0.0.1",
                Access::ManagementApi(access.expect("certificates")),
            )
        };
        let session = Session::open(Gate::new(leadership.clone()), &endpoint);
        let session = session.expect("an address");
        management_api::read(&session).expect("it leads");
        let asked = node.asked();
        assert!(!asked.is_empty());
        leadership.ends();
        let error = management_api::begin(&session, &Call::Drain);
        let error = error.expect_err("it leads no more").to_string();
        assert!(error.contains("not the leader"), "{error}");
        assert_eq!(node.asked(), asked);
    }
}
