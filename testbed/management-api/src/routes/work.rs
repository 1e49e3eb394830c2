//! Synchronous work: it keeps the one connection, and all other requests wait behind it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    agent::PATIENCE,
    http::{Answer, Kind, Request},
    jmx::{Jmx, TEXTS},
    routes::{Reply, body, refused, silent},
    server::Server,
};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct SnapshotRequest {
    snapshot_name: Option<String>,
    keyspaces: Vec<String>,
    keyspace_tables: Vec<String>,
    skip_flush: bool,
}

/// Calls an operation of `StorageService`, and answers when it is done.
fn call(
    server: &Server,
    (method, limit): (&str, Option<Duration>),
    operation: (&'static str, &'static [&'static str], Value),
    done: Answer,
) -> Reply {
    let (name, types, arguments) = operation;
    let ask = move |jmx: &Jmx| jmx.exec(name, types, &arguments);
    match server.connection.ask(limit, ask) {
        Ok(Ok(_)) => Ok(done),
        Ok(Err(why)) => Err(refused(done.kind, method, &why)),
        Err(silence) => Err(silent(done.kind, &silence)),
    }
}

fn ok() -> Answer {
    Answer::plain(200, "OK")
}

/// No limit of time.
pub fn drain(server: &Server, _: &Request) -> Reply {
    call(server, ("drain", None), ("drain", &[], json!([])), ok())
}

pub fn stop_repairs(server: &Server, _: &Request) -> Reply {
    let operation = ("forceTerminateAllRepairSessions", &[][..], json!([]));
    call(
        server,
        ("stopAllRepairs", Some(PATIENCE)),
        operation,
        Answer::empty(202),
    )
}

pub fn refresh(server: &Server, request: &Request) -> Reply {
    let Some(keyspace) = request.parameter("keyspaceName") else {
        return Err(Answer::plain(400, "keyspaceName must be provided"));
    };
    let Some(table) = request.parameter("table") else {
        return Err(Answer::plain(400, "table must be provided"));
    };
    let operation = (
        "loadNewSSTables",
        &["String", "String"][..],
        json!([keyspace, table]),
    );
    call(server, ("loadNewSSTables", Some(PATIENCE)), operation, ok())
}

pub fn snapshot(server: &Server, request: &Request) -> Reply {
    let asked: SnapshotRequest = body(Kind::Plain, request)?;
    if !asked.keyspaces.is_empty() && !asked.keyspace_tables.is_empty() {
        return Err(Answer::plain(
            400,
            "keyspaces and keyspace_tables cannot be given both",
        ));
    }
    let name = asked.snapshot_name.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.unwrap_or_default().as_millis().to_string()
    });
    let entities = [asked.keyspaces, asked.keyspace_tables].concat();
    let options = json!({ "skipFlush": asked.skip_flush.to_string() });
    let operation = (
        "takeSnapshot",
        &["String", "Map", TEXTS][..],
        json!([name, options, entities]),
    );
    call(server, ("takeSnapshot", Some(PATIENCE)), operation, ok())
}

/// Without names all snapshots are deleted.
pub fn clear_snapshots(server: &Server, request: &Request) -> Reply {
    let keyspaces: Vec<&str> = request.all("keyspaces").collect();
    let mut names: Vec<&str> = request.all("snapshotNames").collect();
    if names.is_empty() {
        names.push("");
    }
    for name in names {
        let operation = (
            "clearSnapshot",
            &["String", TEXTS][..],
            json!([name, keyspaces]),
        );
        call(server, ("clearSnapshots", Some(PATIENCE)), operation, ok())?;
    }
    Ok(ok())
}
