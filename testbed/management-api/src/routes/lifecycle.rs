//! Start, stop and probes.

use crate::{
    agent::PATIENCE,
    cassandra,
    http::{Answer, Kind, Request},
    jmx::{Jmx, STORAGE},
    routes::{Reply, silent},
    server::Server,
};

pub fn pid(_: &Server, _: &Request) -> Reply {
    let pid = cassandra::pid().ok_or(Answer::empty(204))?;
    Ok(Answer::plain(200, pid))
}

/// 201: the process was started, which does not mean that Cassandra is up.
pub fn start(server: &Server, request: &Request) -> Reply {
    if let Some(ip) = request.parameter("replace_ip") {
        let why = format!("Invalid replace IP passed: {ip}");
        return Err(Answer::plain(
            400,
            format!(
                "Entity{{entity={why}, variant=Variant[mediaType=text/plain, language=null, encoding=null], annotations=[]}}"
            ),
        ));
    }
    let started = server.cassandra.start();
    if started.map_err(|error| Answer::plain(500, error.to_string()))? {
        return Ok(Answer::plain(201, "OK"));
    }
    let connected = server.connection.ask(Some(PATIENCE), |_| Ok(()));
    Ok(Answer::empty(if connected.is_ok() { 202 } else { 204 }))
}

#[expect(clippy::unnecessary_wraps, reason = "one of the handlers")]
pub fn stop(server: &Server, _: &Request) -> Reply {
    server.cassandra.stop();
    Ok(Answer::plain(200, "OK"))
}

pub fn liveness(server: &Server, _: &Request) -> Reply {
    if server.cassandra.is_lost() {
        return Err(Answer::empty(500));
    }
    Ok(Answer::plain(200, "OK"))
}

/// Also 200 on a node that is drained, or whose native transport is off.
pub fn readiness(server: &Server, _: &Request) -> Reply {
    let look = |jmx: &Jmx| jmx.read(STORAGE, "OperationMode");
    let asked = server.connection.ask(Some(PATIENCE), look);
    asked.map_err(|silence| silent(Kind::Plain, &silence))?.ok();
    Ok(Answer::plain(200, "OK"))
}
