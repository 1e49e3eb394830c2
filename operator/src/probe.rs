//! Answers the kubelet's probes from the agent of this pod.

mod restored;
mod set_up;

use std::{
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use casskop_common::api::{NodeTransport, OperationMode};
use clap::ValueEnum;

use crate::{
    bootstrap::{self, JOINED_MARKER},
    node_api::{
        self, Access, Endpoint, Gate, jolokia,
        management_api::{self, Session},
    },
};
use casskop_core::{
    node::{Call, NodeError, Reading},
    pod_config::logins::SUPERUSER,
};

/// Arguments of a probe.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The question
    #[arg(value_enum)]
    pub question: Question,
    /// Folder with the credentials that `bootstrap` wrote
    #[arg(long, default_value = "/etc/cassandra")]
    pub directory: PathBuf,
    /// Data folder of the node
    #[arg(long, default_value = "/var/lib/cassandra")]
    pub data: PathBuf,
    /// Folder of the Secret with the superuser that is set up; a pod without it sets up nothing
    #[arg(long, default_value = SUPERUSER)]
    pub superuser: PathBuf,
    /// Seconds that a starting node may take before the answer is no
    #[arg(long, default_value_t = 0)]
    pub wait: u64,
}

/// Arguments of a drain.
#[derive(clap::Args, Debug)]
pub struct DrainArgs {
    /// Folder with the secrets that `bootstrap` wrote
    #[arg(long, default_value = "/etc/cassandra")]
    pub directory: PathBuf,
}

/// The probes of the kubelet.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Is the node NORMAL, with its native transport up?
    Ready,
    /// Does the process answer? Joining, leaving and draining are fine.
    Alive,
}

/// Deadline of the connection to the native transport.
const CONNECT: Duration = Duration::from_secs(2);
/// Time within which a node that is asked to drain reports its state.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two polls of a node.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Polls the node.
///
/// # Errors
/// The reason of a failed probe; the kubelet shows it in an event.
pub fn main(args: &Args) -> Result<(), String> {
    bootstrap::renew(&args.directory, &args.data);
    let node = Node::new(&args.directory)?;
    let deadline = Instant::now() + Duration::from_secs(args.wait);
    loop {
        let reading = node.read();
        let transport = node.0.access.transport();
        let verdict = match (args.question, &reading) {
            (Question::Alive, _) => alive(&reading, transport),
            (Question::Ready, Err(error)) if is_distrust(error, transport) => {
                serves_unasked(args).map_err(|why| format!("{error}; {why}"))
            }
            (Question::Ready, _) => restored::opens(&node, args, &reading)
                .and_then(|()| ready(&reading))
                .and_then(|()| node.takes_clients())
                .and_then(|()| set_up::set_up(args))
                .and_then(|()| remember_joined(args, &reading)),
        };
        if verdict.is_ok() && args.question == Question::Ready {
            return Ok(());
        }
        // The probe waits for a starting node: the pod is Ready the moment the node is. It does not wait for a
        // stopping node.
        if verdict.is_ok() || !is_starting(&reading) || Instant::now() >= deadline {
            return verdict;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Drains the node before its container ends, where the end of the container does not.
///
/// # Errors
/// The node was not drained; the kubelet shows the reason in an event, and ends the container all the same.
pub fn drain(args: &DrainArgs) -> Result<(), String> {
    let node = Node::new(&args.directory)?;
    match &node.0.access {
        // Cassandra itself receives the signal, and drains.
        Access::Jolokia(_) | Access::JolokiaTls(..) => Ok(()),
        Access::ManagementApi(_) => node
            .session()
            .and_then(|session| drain_by(&session, PATIENCE))
            .map_err(|error| error.to_string()),
    }
}

/// Drains a node that is up. The kubelet waits for the end of the call, and no shorter grace period ends that wait: a node
/// that cannot be drained is not asked to. A node that is busy is asked for its state again.
fn drain_by(session: &Session<'_>, patience: Duration) -> Result<(), NodeError> {
    let deadline = Instant::now() + patience;
    loop {
        match management_api::read(session) {
            Ok(reading) if !reading.is_member() => return Ok(()),
            // Another drain may occupy the node, and this one waits for its end.
            Ok(_) | Err(NodeError::Occupied(_)) => break,
            // The server answers, or may, and Cassandra may be up.
            Err(NodeError::Timeout(_) | NodeError::Malformed(_) | NodeError::TooLarge { .. })
                if Instant::now() < deadline =>
            {
                thread::sleep(LOOK_EVERY);
            }
            Err(error) => return Err(error),
        }
    }
    management_api::begin(session, &Call::Drain).map(drop)
}

/// The node of this pod.
struct Node(Endpoint);

impl Node {
    fn new(directory: &Path) -> Result<Self, String> {
        Ok(Self(Endpoint::new(
            "127.0.0.1",
            bootstrap::access(directory)?,
        )))
    }

    fn session(&self) -> Result<Session<'_>, NodeError> {
        Session::open(Gate::open(), &self.0)
    }

    fn read(&self) -> Result<Reading, NodeError> {
        match &self.0.access {
            Access::Jolokia(_) | Access::JolokiaTls(..) => {
                jolokia::read(&node_api::jolokia_agent(&self.0)?, &self.0)
            }
            Access::ManagementApi(_) => management_api::read(&self.session()?),
        }
    }

    /// Whether the native transport listens: gossip does not notice when it is switched off.
    fn takes_clients(&self) -> Result<(), String> {
        match &self.0.access {
            Access::Jolokia(_) | Access::JolokiaTls(..) => Ok(()),
            Access::ManagementApi(_) => {
                let address = self
                    .session()
                    .and_then(|session| management_api::native_address(&session));
                let address = address.map_err(|error| error.to_string())?;
                connect(address).map_err(|why| format!("NORMAL, but {why}"))
            }
        }
    }
}

fn ready(reading: &Result<Reading, NodeError>) -> Result<(), String> {
    match reading {
        Ok(reading) if reading.is_serving() => Ok(()),
        Ok(reading) if reading.is_member() => Err("NORMAL, but clients cannot connect".into()),
        Ok(reading) => Err(format!("the node is {}", reading.mode)),
        Err(error) => Err(error.to_string()),
    }
}

/// A process that answers is alive, whatever its activity, and whether agent and probe trust each other.
fn alive(reading: &Result<Reading, NodeError>, transport: NodeTransport) -> Result<(), String> {
    match reading {
        Err(error) if is_distrust(error, transport) => Ok(()),
        Err(error) if error.is_silence() => Err(error.to_string()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Whether the agent may be there, and agent and probe do not trust each other: certificates have expired, or do not fit.
/// Jolokia closes the connection of a client whose certificate it refuses, without an answer.
fn is_distrust(error: &NodeError, transport: NodeTransport) -> bool {
    match error {
        NodeError::Untrusted(_) => true,
        NodeError::Unreachable(_) => transport == NodeTransport::JolokiaTls,
        _ => false,
    }
}

/// Whether a node that cannot be asked serves clients. Cassandra opens the native transport when the node is NORMAL, and closes
/// it at the begin of a drain and at the end of a decommission; the mark says that the node was a member before.
fn serves_unasked(args: &Args) -> Result<(), String> {
    if !args.data.join(JOINED_MARKER).exists() {
        return Err("the node has not been a member of the ring before".into());
    }
    let address = bootstrap::native_address(&args.directory).map_err(|error| error.to_string())?;
    let unknown = || format!("{} has no address", address.0);
    let resolved = address.to_socket_addrs().map_err(|_| unknown())?.next();
    connect(resolved.ok_or_else(unknown)?)
}

fn connect(address: SocketAddr) -> Result<(), String> {
    let connected = TcpStream::connect_timeout(&address, CONNECT);
    let failed = |error| format!("clients cannot connect to {address}: {error}");
    connected.map(drop).map_err(failed)
}

fn is_starting(reading: &Result<Reading, NodeError>) -> bool {
    match reading {
        Ok(reading) => matches!(
            reading.mode,
            OperationMode::Starting | OperationMode::Joining | OperationMode::Normal
        ),
        Err(_) => true,
    }
}

/// Writes the mark from which the next start derives that the node is a member (see `bootstrap`'s seeds). A full disk
/// must not make a node unready: without the mark the next start is only more careful. The first node of a ring with logins
/// does not start without it.
fn remember_joined(args: &Args, reading: &Result<Reading, NodeError>) -> Result<(), String> {
    let Ok(reading) = reading else {
        return Ok(());
    };
    match bootstrap::mark_joined(&args.data, &reading.local_host_id) {
        Err(error) if set_up::is_asked(args) => Err(error.to_string()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, net::TcpListener};

    use super::*;
    use crate::node_api::management_api::node::{CASSANDRA_5, Node};

    const DRAIN: &str = "POST /api/v0/ops/node/drain";
    const KEYSPACES: &str = "GET /api/v0/ops/keyspace";

    fn node(status: &str) -> Node {
        let node = Node::recorded(CASSANDRA_5).with_status(status, "true");
        node.says(KEYSPACES, 200, "[]").says(DRAIN, 200, "OK")
    }

    /// The question whether the node is ready, of a pod with all its files in one folder.
    pub(super) fn ready(folder: &Path) -> Args {
        Args {
            question: Question::Ready,
            directory: folder.to_owned(),
            data: folder.to_owned(),
            superuser: folder.join("superuser"),
            wait: 0,
        }
    }

    /// Its next start requires the mark; that of another one is only more careful without it.
    #[test]
    fn the_first_node_of_a_ring_with_logins_is_ready_when_its_mark_is_on_the_disk() {
        let name = format!("casskop-joined-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let args = ready(&folder);
        let mark = folder.join(JOINED_MARKER);
        // A folder in the place of the mark.
        fs::create_dir_all(&mark).unwrap();
        let reading = || {
            Ok(Reading {
                local_host_id: "h".into(),
                ..Reading::default()
            })
        };
        remember_joined(&args, &reading()).expect("no first node");
        fs::create_dir_all(&args.superuser).unwrap();
        let told = remember_joined(&args, &reading()).expect_err("no mark");
        assert!(told.contains(JOINED_MARKER), "{told}");
        fs::remove_dir(&mark).unwrap();
        remember_joined(&args, &reading()).expect("a mark");
        assert_eq!(fs::read_to_string(&mark).unwrap(), "h");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn an_agent_that_refuses_the_certificate_of_the_probe_is_alive() {
        let closed = || Err(NodeError::Unreachable("closed".into()));
        for transport in NodeTransport::ALL {
            let is_alive = |reading| alive(&reading, transport).is_ok();
            assert_eq!(is_alive(closed()), transport == NodeTransport::JolokiaTls);
            assert!(is_alive(Err(NodeError::Untrusted("expired".into()))));
            assert!(!is_alive(Err(NodeError::Refused)));
            assert!(!is_alive(Err(NodeError::Timeout(4))));
        }
    }

    /// Certificates expire where no operator renews them.
    #[test]
    fn a_member_that_serves_clients_is_ready_although_it_cannot_be_asked() {
        let folder = std::env::temp_dir().join(format!("casskop-probe-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let args = ready(&folder);
        let clients = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = clients.local_addr().unwrap().port();
        let yaml = format!("rpc_address: 0.0.0.0\nnative_transport_port: {port}\n");
        fs::write(folder.join("cassandra.yaml"), yaml).unwrap();
        let told = serves_unasked(&args).unwrap_err();
        assert!(told.contains("not been a member"), "{told}");
        fs::write(folder.join(JOINED_MARKER), "id").unwrap();
        serves_unasked(&args).unwrap();
        // The mark is old: the node starts, drains, or has left.
        drop(clients);
        let told = serves_unasked(&args).unwrap_err();
        assert!(told.contains(&format!("127.0.0.1:{port}")), "{told}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_node_that_answers_or_is_silent_is_not_taken_for_one_that_does_not_trust() {
        use NodeTransport::{Jolokia, JolokiaTls, ManagementApi};
        let closed = NodeError::Unreachable("closed".into());
        let expired = NodeError::Untrusted("expired".into());
        for (transport, is_closed) in [(Jolokia, false), (JolokiaTls, true), (ManagementApi, false)]
        {
            assert_eq!(is_distrust(&closed, transport), is_closed);
            assert!(is_distrust(&expired, transport));
            for other in [
                NodeError::Refused,
                NodeError::Timeout(4),
                NodeError::Unauthorized,
                NodeError::Malformed("no".into()),
            ] {
                assert!(!is_distrust(&other, transport), "{other:?}");
            }
        }
    }

    #[test]
    fn a_node_is_drained_before_its_container_ends() {
        let node = node("NORMAL,1");
        drain_by(&node.session(), PATIENCE).expect("it is drained");
        assert_eq!(node.told(), [DRAIN]);
    }

    #[test]
    fn a_node_whose_state_cannot_be_read_is_asked_again() {
        let answers = [(200, "no list"), (200, "[]")];
        let busy = || node("NORMAL,1").says_in_turn(KEYSPACES, &answers);
        let node = busy();
        drain_by(&node.session(), PATIENCE).expect("it is drained");
        assert_eq!(node.told(), [DRAIN]);
        let node = busy();
        drain_by(&node.session(), Duration::ZERO).expect_err("its state is not known");
        assert!(node.told().is_empty(), "{:?}", node.told());
    }

    #[test]
    fn a_node_that_is_not_up_is_not_asked_to_drain() {
        let endpoints = "GET /api/v0/metadata/endpoints";
        for node in [
            node("BOOT,1"),
            node("LEFT,1"),
            node("").says(endpoints, 500, "Internal connection to Cassandra closed"),
            node("").says(endpoints, 400, "no"),
        ] {
            // The kubelet ends the container whatever the result is.
            let _ = drain_by(&node.session(), Duration::ZERO);
            assert!(node.told().is_empty(), "{:?}", node.told());
            assert!(!node.asked().is_empty());
        }
    }
}
