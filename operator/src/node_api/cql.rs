//! Cassandra's native protocol, version 4, as far as roles need it: a login, and one statement after the other. Why no driver
//! of the registry takes its place is in `docs/adr/0030-logins-from-the-first-node.md`.

mod failures;
mod frame;
mod looks;
#[cfg(test)]
pub(crate) mod server;

use std::{
    fmt,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, crypto::ring, pki_types::ServerName};

use crate::{
    leadership::{Leadership, NotLeading},
    node_api::{Certificates, bounds::CONNECT, gate::Gate},
};
use casskop_core::node::Statement;
pub use failures::{About, Failures};
pub use frame::Rows;
use frame::{Frame, Opcode};
pub use looks::{Exchange, Inputs, Look, Looks, without_message};

/// Longest session: a password takes a node a tenth of a second, and a starting one some seconds.
const SESSION: Duration = Duration::from_secs(8);

/// Exchanges with native transports while this process is the leader.
#[derive(Clone)]
pub struct Client {
    leadership: Leadership,
    /// The clusters about which the last exchange failed.
    pub failures: Failures,
    /// The last looks at the roles of applications.
    pub looks: Looks,
}

impl Client {
    /// Exchanges while this process is the leader.
    pub fn new(leadership: Leadership) -> Self {
        Self {
            leadership,
            failures: Failures::default(),
            looks: Looks::default(),
        }
    }

    /// The resource of this UID is gone.
    pub fn forget(&self, uid: &str) {
        self.failures.forget_all(uid);
        self.looks.forget(uid);
    }

    /// Runs blocking exchanges on a thread of their own; nothing if the thread ends early.
    pub async fn with_gate<T: Send + 'static>(
        &self,
        exchange: impl FnOnce(Gate) -> T + Send + 'static,
    ) -> Option<T> {
        let gate = Gate::new(self.leadership.clone());
        tokio::task::spawn_blocking(|| exchange(gate)).await.ok()
    }
}

/// The name and the password of a role. The password is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Name of the role.
    pub username: String,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

/// Where the native transport of a node listens.
#[derive(Clone, Debug)]
pub struct Address {
    /// Address and port.
    pub socket: SocketAddr,
    /// With the authorities and the name of the certificate of the node, if the connection is encrypted.
    pub tls: Option<Arc<Certificates>>,
}

/// The reason why a statement has no effect that is known.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
pub enum CqlError {
    /// The role does not exist, may not log in, or has another password; or the node cannot read the roles now. Cassandra does
    /// not tell which.
    #[error("the login as {0} is refused")]
    Refused(String),
    /// The node asks for no login.
    #[error("the node lets in every client: it was started without PasswordAuthenticator")]
    Open,
    /// Cassandra refuses the statement, or cannot carry it out now.
    #[error("Cassandra answers with error {code:#06x}{message}")]
    Cassandra {
        /// The code of the native protocol.
        code: u32,
        /// Its words, with a colon before them; none about a statement with a password.
        message: String,
    },
    /// Cassandra does not show what it has carried out.
    #[error("the role {0} may still log in")]
    NotShutOut(String),
    /// There is no connection, or it ended.
    #[error("clients cannot connect to {address}: {cause}")]
    Unreachable {
        /// Address and port.
        address: SocketAddr,
        /// The cause.
        cause: String,
    },
    /// There was no answer in time.
    #[error("no answer of the native transport in time")]
    Timeout,
    /// The answer cannot be understood.
    #[error("the answer of the native transport cannot be read: {0}")]
    Malformed(&'static str),
    /// This process may not act.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
}

/// A role that is logged in at a node.
pub struct Session {
    stream: Box<dyn Stream>,
    address: SocketAddr,
    gate: Gate,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Session {
    /// Logs in. The session and all of its statements end at the deadline, or earlier: a node that does not answer leaves time
    /// for others.
    ///
    /// # Errors
    /// The role is not logged in.
    pub fn open(
        gate: Gate,
        address: &Address,
        login: &Login,
        deadline: Instant,
    ) -> Result<Self, CqlError> {
        gate.leads()?;
        let unreachable = |error| unreachable(address.socket, &error);
        let deadline = deadline.min(Instant::now() + SESSION);
        let left = left(deadline).map_err(unreachable)?;
        let tcp = TcpStream::connect_timeout(&address.socket, CONNECT.min(left));
        let timed = Timed {
            tcp: tcp.map_err(unreachable)?,
            deadline,
        };
        let stream: Box<dyn Stream> = match &address.tls {
            None => Box::new(timed),
            Some(certificates) => Box::new(encrypted(timed, certificates).map_err(unreachable)?),
        };
        let mut session = Self {
            stream,
            address: address.socket,
            gate,
        };
        session.log_in(login)?;
        Ok(session)
    }

    fn log_in(&mut self, login: &Login) -> Result<(), CqlError> {
        match self.ask(&Frame::startup())?.opcode {
            Opcode::Authenticate => {}
            Opcode::Ready => return Err(CqlError::Open),
            _ => return Err(CqlError::Malformed("it asks for no login")),
        }
        let answer = self.ask(&Frame::credentials(&login.username, &login.password))?;
        match answer.opcode {
            Opcode::AuthSuccess => Ok(()),
            Opcode::Error => match answer.error()? {
                (frame::BAD_CREDENTIALS, _) => Err(CqlError::Refused(login.username.clone())),
                // Words about a login may have its parts.
                (code, _) => Err(cassandra(code, None)),
            },
            _ => Err(CqlError::Malformed(
                "it neither accepts nor refuses the login",
            )),
        }
    }

    /// Carries out a statement; returns the rows of a reading one.
    ///
    /// # Errors
    /// The statement has no effect that is known.
    pub fn run(&mut self, statement: &Statement) -> Result<Rows, CqlError> {
        let answer = self.ask(&Frame::query(statement.text()))?;
        match answer.opcode {
            Opcode::Result => answer.rows(),
            Opcode::Error => {
                let (code, message) = answer.error()?;
                let message = Some(message).filter(|_| !statement.is_secret());
                Err(cassandra(code, message))
            }
            _ => Err(CqlError::Malformed("it is no result")),
        }
    }

    /// Takes login and rights from a role by a statement, unless it has neither or does not exist. Cassandra shows the result.
    ///
    /// # Errors
    /// The role may still log in.
    pub fn shut_out(
        &mut self,
        role: &str,
        by: impl FnOnce() -> Result<Statement, CqlError>,
    ) -> Result<(), CqlError> {
        if self.is_shut_out(role)? {
            return Ok(());
        }
        self.run(&by()?)?;
        if self.is_shut_out(role)? {
            return Ok(());
        }
        Err(CqlError::NotShutOut(role.to_owned()))
    }

    fn is_shut_out(&mut self, role: &str) -> Result<bool, CqlError> {
        let rows = self.run(&Statement::role(role))?;
        let is_off = |column| rows.flag(column) == Some(false);
        Ok(rows.count() == 0 || (is_off(0) && is_off(1)))
    }

    /// Sends a frame. The right to act is looked at when there is nothing left to wait for.
    fn ask(&mut self, frame: &Frame) -> Result<Frame, CqlError> {
        self.gate.leads()?;
        let failed = |error| unreachable(self.address, &error);
        self.stream.write_all(&frame.bytes()).map_err(failed)?;
        self.stream.flush().map_err(failed)?;
        Frame::read(&mut self.stream).map_err(failed)?
    }
}

fn cassandra(code: u32, message: Option<String>) -> CqlError {
    let message = message.map(|message| format!(": {message}"));
    CqlError::Cassandra {
        code,
        message: message.unwrap_or_default(),
    }
}

fn unreachable(address: SocketAddr, error: &io::Error) -> CqlError {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => CqlError::Timeout,
        _ => CqlError::Unreachable {
            address,
            cause: error.to_string(),
        },
    }
}

fn encrypted(
    timed: Timed,
    certificates: &Certificates,
) -> io::Result<StreamOwned<ClientConnection, Timed>> {
    let other = |error: rustls::Error| io::Error::other(error.to_string());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(other)?
        .with_root_certificates(certificates.authorities())
        .with_no_client_auth();
    let name = ServerName::try_from(certificates.server_name().to_owned());
    let name = name.map_err(|_| io::Error::other("the name of the ring is no DNS name"))?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(other)?;
    let mut stream = StreamOwned::new(connection, timed);
    // The handshake is over before anything is sent.
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// A connection whose reads and writes end at a time.
struct Timed {
    tcp: TcpStream,
    deadline: Instant,
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(Some(left(self.deadline)?))?;
        self.tcp.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(Some(left(self.deadline)?))?;
        self.tcp.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

#[cfg(test)]
mod tests;
