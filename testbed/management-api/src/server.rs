//! The server: connections over TCP, and over a socket of the container that needs no certificate.

use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixListener,
    sync::Arc,
    thread,
    time::Duration,
};

use crate::{
    agent::Connection,
    cassandra::{Cassandra, log},
    http::Request,
    jobs::Jobs,
    routes,
    tls::Tls,
};

const SOCKET: &str = "/tmp/oss-mgmt.sock";
/// Time after which a connection without a request is closed.
const IDLE: Duration = Duration::from_secs(60);

/// The state that requests are answered from.
pub struct Server {
    /// The process of Cassandra.
    pub cassandra: Arc<Cassandra>,
    /// The one connection to the agent in it.
    pub connection: Connection,
    /// Its jobs.
    pub jobs: Jobs,
}

impl Server {
    /// The server beside this Cassandra; `fits` says whether the agent of the image fits it.
    pub fn new(cassandra: Arc<Cassandra>, fits: bool) -> Self {
        let connection = Connection::new(cassandra.clone(), fits);
        let jobs = Jobs::new(cassandra.clone(), connection.jmx().clone());
        Self {
            cassandra,
            connection,
            jobs,
        }
    }

    /// Answers on the socket of the container, which has no authentication.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn listen_inside(self: &Arc<Self>) -> io::Result<()> {
        drop(fs::remove_file(SOCKET));
        let listener = UnixListener::bind(SOCKET)?;
        let this = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let this = this.clone();
                thread::spawn(move || {
                    drop(stream.set_read_timeout(Some(IDLE)));
                    this.serve(stream)
                });
            }
        });
        Ok(())
    }

    /// Answers on a port of all addresses, over mutual TLS if there are files for it.
    ///
    /// # Errors
    /// The port cannot be had.
    pub fn listen(self: &Arc<Self>, port: u16, tls: Option<Tls>) -> io::Result<()> {
        let listener = TcpListener::bind(("::", port))?;
        log(&format!("listens on port {port}"));
        let tls = tls.map(Arc::new);
        for stream in listener.incoming().map_while(Result::ok) {
            let (this, tls) = (self.clone(), tls.clone());
            thread::spawn(move || {
                if let Err(error) = this.meet(stream, tls.as_deref()) {
                    log(&format!("a connection ended: {error}"));
                }
            });
        }
        Ok(())
    }

    fn meet(&self, stream: TcpStream, tls: Option<&Tls>) -> io::Result<()> {
        stream.set_read_timeout(Some(IDLE))?;
        stream.set_nodelay(true)?;
        match tls {
            Some(tls) => self.serve(tls.accept(stream)?),
            None => self.serve(stream),
        }
    }

    fn serve(&self, mut stream: impl Read + Write) -> io::Result<()> {
        loop {
            let request = match Request::read(&mut stream) {
                Ok(Some(request)) => request,
                Ok(None) => return Ok(()),
                Err(error) if is_end(&error) => return Ok(()),
                Err(error) => return Err(error),
            };
            let answer = routes::answer(self, &request);
            answer.send(&mut stream, request.closes)?;
            if request.closes {
                return Ok(());
            }
        }
    }
}

/// Whether the client has closed the connection, or asked nothing for a while.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
    )
}
