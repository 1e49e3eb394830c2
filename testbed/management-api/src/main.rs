//! A stand-in for the server of the Management API for Apache Cassandra, in an image of the testbed. It speaks the recorded
//! contract over a real Cassandra, which it starts and keeps running, and reaches by a Jolokia agent on the loopback. No
//! answer is canned; the properties that a client must know are those of the real server: one connection to Cassandra, one
//! thread for jobs, jobs in memory, `COMPLETED` whatever the verdict was, endpoints of dead members without a host id.
//!
//! Its gaps are in `testbed/README.md`.

#![expect(
    unreachable_pub,
    reason = "a program has no users of its items, and one form of them is simpler"
)]

mod agent;
mod cassandra;
mod gossip;
mod http;
mod jmx;
mod jobs;
mod routes;
mod server;
mod snapshots;
mod tls;
mod wrapped;

use std::{env, process::ExitCode, sync::Arc, thread};

use cassandra::{Cassandra, log};
use server::Server;
use tls::{Tls, Unusable};

/// A variable of this stand-in: an agent that does not fit Cassandra lets no connection through.
const AGENT_FITS: &str = "STAND_IN_AGENT_FITS";
const PORT: u16 = 8080;

fn main() -> ExitCode {
    let tls = match Tls::of_environment() {
        Ok(tls) => Some(tls),
        Err(Unusable::Exit(code)) => {
            log("TLS needs three files: authority, certificate and private key");
            return ExitCode::from(code);
        }
        Err(Unusable::Silent(why)) => {
            log(&why);
            None
        }
    };
    let cassandra = Arc::new(Cassandra::default());
    let fits = env::var(AGENT_FITS).as_deref() != Ok("no");
    let server = Arc::new(Server::new(cassandra.clone(), fits));
    if let Err(error) = server.listen_inside() {
        log(&format!("the socket: {error}"));
        return ExitCode::FAILURE;
    }
    let kept = thread::spawn(move || cassandra.keep_alive());
    if let Some(tls) = tls {
        let port = env::var("MGMT_API_LISTEN_TCP_PORT").ok();
        let port = port.and_then(|port| port.parse().ok()).unwrap_or(PORT);
        if let Err(error) = server.listen(port, tls) {
            log(&format!("port {port}: {error}"));
            return ExitCode::FAILURE;
        }
    }
    // Without a port the process stays.
    drop(kept.join());
    ExitCode::SUCCESS
}
