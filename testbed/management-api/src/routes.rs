//! The requests that the server answers: method and path, and what each does to Cassandra.

mod jobs;
mod lifecycle;
mod reads;
mod work;

use std::convert::identity;

use serde::Deserialize;

use crate::{
    agent::Silence,
    http::{Answer, Kind, Request},
    server::Server,
};

/// An answer; the error is that to a request that has no other.
type Reply = Result<Answer, Answer>;
type Handler = fn(&Server, &Request) -> Reply;

/// A request that is known: method, path below `/api`, handler.
const ROUTES: &[(&str, &str, Handler)] = &[
    ("GET", "/v0/lifecycle/pid", lifecycle::pid),
    ("POST", "/v0/lifecycle/start", lifecycle::start),
    ("POST", "/v0/lifecycle/stop", lifecycle::stop),
    ("GET", "/v0/probes/liveness", lifecycle::liveness),
    ("GET", "/v0/probes/readiness", lifecycle::readiness),
    ("GET", "/v0/metadata/endpoints", reads::endpoints),
    ("GET", "/v0/metadata/versions/release", reads::release),
    ("GET", "/v0/metadata/versions/features", reads::features),
    ("GET", "/v0/metadata/localdc", reads::local_dc),
    ("GET", "/v0/ops/keyspace", reads::keyspaces),
    ("GET", "/v0/ops/keyspace/replication", reads::replication),
    (
        "GET",
        "/v1/ops/node/schema/versions",
        reads::schema_versions,
    ),
    ("GET", "/v2/tokens/rangetoendpoint", reads::ranges),
    ("GET", "/v1/ops/tables/compactions", reads::compactions),
    ("GET", "/v0/ops/node/streaminfo", reads::streams),
    ("GET", "/v0/ops/node/snapshots", reads::snapshots),
    ("GET", "/v0/ops/executor/job", jobs::get),
    ("POST", "/v1/ops/keyspace/cleanup", jobs::cleanup),
    ("POST", "/v1/ops/tables/flush", jobs::flush),
    ("POST", "/v1/ops/tables/compact", jobs::compact),
    (
        "POST",
        "/v1/ops/tables/garbagecollect",
        jobs::garbage_collect,
    ),
    ("POST", "/v1/ops/tables/scrub", jobs::scrub),
    ("POST", "/v1/ops/tables/sstables/upgrade", jobs::upgrade),
    ("POST", "/v1/ops/node/rebuild", jobs::rebuild),
    ("POST", "/v1/ops/node/decommission", jobs::decommission),
    ("PUT", "/v2/repairs", jobs::repair),
    ("DELETE", "/v2/repairs", work::stop_repairs),
    ("POST", "/v0/ops/keyspace/refresh", work::refresh),
    ("POST", "/v0/ops/node/snapshots", work::snapshot),
    ("DELETE", "/v0/ops/node/snapshots", work::clear_snapshots),
    ("POST", "/v0/ops/node/drain", work::drain),
];

/// The answer to a request.
pub fn answer(server: &Server, request: &Request) -> Answer {
    let path = request.path.strip_prefix("/api").unwrap_or_default();
    let known = ROUTES.iter().filter(|(_, known, _)| *known == path);
    let mut known = known.peekable();
    if known.peek().is_none() {
        return Answer::empty(404);
    }
    let method = request.method.as_str();
    match known.find(|(known, ..)| *known == method) {
        Some((.., handler)) => handler(server, request).unwrap_or_else(identity),
        None => Answer::empty(405),
    }
}

/// The answer to a failure inside: a text, of the type that the success would have.
fn silent(kind: Kind, silence: &Silence) -> Answer {
    let body = match silence {
        Silence::Closed => "Internal connection to Cassandra closed",
        Silence::Late => "Query timed out after PT30S",
    };
    Answer {
        status: 500,
        kind,
        body: body.to_owned(),
    }
}

/// The answer to a method of the agent that Cassandra refused: the reason is only in its log.
fn refused(kind: Kind, method: &str, why: &str) -> Answer {
    crate::cassandra::log(&format!("NodeOps.{method}: {why}"));
    Answer {
        status: 500,
        kind,
        body: format!("Failed to execute method NodeOps.{method}"),
    }
}

/// The body of a request, if it is one: unknown fields are refused.
///
/// # Errors
/// The answer to what is none.
fn body<'a, T: Deserialize<'a>>(kind: Kind, request: &'a Request) -> Result<T, Answer> {
    if request.content_type != "application/json" {
        return Err(Answer::empty(415));
    }
    serde_json::from_slice(&request.body).map_err(|_| Answer {
        status: 400,
        kind,
        body: "Not able to deserialize data provided.".to_owned(),
    })
}
