//! Node calls as requests: one row for each call, with its deadline and the meaning of its answer.

use std::{fmt::Write, time::Duration};

use casskop_common::api::NodeApiKind;
use serde_json::{Value, json};
use ureq::http::Method;

use casskop_core::node::{Call, NodeError};

/// Deadline of a request that makes a job.
const SUBMIT: Duration = Duration::from_secs(20);
/// Deadline of a call that the server answers when its work is done.
const SYNCHRONOUS: Duration = Duration::from_secs(15 * 60);

/// An HTTP request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    /// Name, for messages.
    pub(super) name: &'static str,
    pub(super) method: Method,
    /// Below `/api`, with the query.
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

impl Request {
    pub(super) fn get(path: &str) -> Self {
        Self {
            name: "the read",
            method: Method::GET,
            path: path.to_owned(),
            body: None,
        }
    }
}

/// The meaning of the answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// The work is done.
    Done,
    /// The text is the id of a job.
    Job,
    /// The object has the id of the job of a repair.
    Repair,
}

/// A call as a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) request: Request,
    pub(super) answers: Answers,
    pub(super) deadline: Duration,
}

impl Row {
    fn new(
        name: &'static str,
        method: Method,
        path: impl Into<String>,
        body: impl Into<Option<Value>>,
        answers: Answers,
    ) -> Self {
        Self {
            request: Request {
                name,
                method,
                path: path.into(),
                body: body.into(),
            },
            answers,
            deadline: match answers {
                Answers::Done => SYNCHRONOUS,
                Answers::Job | Answers::Repair => SUBMIT,
            },
        }
    }

    fn job(name: &'static str, path: impl Into<String>, body: impl Into<Option<Value>>) -> Self {
        Self::new(name, Method::POST, path, body, Answers::Job)
    }
}

/// A token range `(start, end]`.
pub(super) type Range = (i64, i64);

/// The row of a call. A repair works on these ranges only, if there are any.
///
/// # Errors
/// The Management API has no such call, or would do more than is asked for.
pub(super) fn row(call: &Call, ranges: &[Range]) -> Result<Row, NodeError> {
    let unsupported = |call: &Call| {
        let what = call.not_supported(NodeApiKind::ManagementApi);
        Err(NodeError::NotSupported(what.unwrap_or("do this")))
    };
    for keyspace in keyspaces(call) {
        not_all(keyspace)?;
    }
    if let Some(row) = sstables(call) {
        return Ok(row);
    }
    Ok(match call {
        Call::Refresh { keyspace, table } => Row::new(
            "refresh",
            Method::POST,
            format!(
                "/v0/ops/keyspace/refresh?keyspaceName={}&table={}",
                escaped(keyspace),
                escaped(table)
            ),
            None,
            Answers::Done,
        ),
        Call::Repair {
            keyspace,
            tables,
            full,
            parallelism,
            ..
        } => repair(keyspace, tables, *full, parallelism, ranges),
        Call::StopRepairs => Row::new(
            "the end of the repairs",
            Method::DELETE,
            "/v2/repairs",
            None,
            Answers::Done,
        ),
        Call::Snapshot {
            keyspace,
            tables,
            name,
            ttl: None,
            skip_flush,
        } => snapshot(keyspace, tables, name, *skip_flush)?,
        Call::ClearSnapshot { keyspaces, name } => clear_snapshot(keyspaces, name)?,
        Call::Drain => Row::new(
            "drain",
            Method::POST,
            "/v0/ops/node/drain",
            None,
            Answers::Done,
        ),
        Call::Rebuild {
            from_dc,
            keyspace: None,
        } => Row::job(
            "rebuild",
            format!("/v1/ops/node/rebuild?src_dc={}", escaped(from_dc)),
            None,
        ),
        Call::Decommission { force } => Row::job(
            "decommission",
            format!("/v1/ops/node/decommission?force={force}"),
            None,
        ),
        Call::Snapshot { ttl: Some(_), .. }
        | Call::Rebuild {
            keyspace: Some(_), ..
        }
        | Call::Relocate { .. }
        | Call::StopTask { .. }
        | Call::RemoveNode { .. }
        // Those have a row already.
        | Call::Cleanup { .. }
        | Call::Flush { .. }
        | Call::Compact { .. }
        | Call::GarbageCollect { .. }
        | Call::Scrub { .. }
        | Call::UpgradeSsTables { .. } => return unsupported(call),
    })
}

/// The row of a call that works on `SSTables`.
fn sstables(call: &Call) -> Option<Row> {
    Some(match call {
        Call::Cleanup {
            keyspace,
            tables,
            jobs,
        } => Row::job(
            "cleanup",
            "/v1/ops/keyspace/cleanup",
            keyspace_request(keyspace, tables, *jobs),
        ),
        Call::Flush { keyspace, tables } => Row::job(
            "flush",
            "/v1/ops/tables/flush",
            keyspace_request(keyspace, tables, 0),
        ),
        Call::Compact {
            keyspace,
            tables,
            split,
        } => Row::job(
            "compact",
            "/v1/ops/tables/compact",
            json!({ "keyspace_name": keyspace, "split_output": split, "user_defined": false, "tables": tables }),
        ),
        Call::GarbageCollect {
            keyspace,
            tables,
            cells,
            jobs,
        } => Row::job(
            "garbagecollect",
            format!(
                "/v1/ops/tables/garbagecollect?tombstoneOption={}",
                if *cells { "CELL" } else { "ROW" }
            ),
            keyspace_request(keyspace, tables, *jobs),
        ),
        Call::Scrub {
            keyspace,
            tables,
            skip_corrupted,
            snapshot,
            jobs,
        } => Row::job(
            "scrub",
            "/v1/ops/tables/scrub",
            json!({
                "keyspace_name": keyspace,
                "tables": tables,
                "jobs": jobs,
                "disable_snapshot": !snapshot,
                "skip_corrupted": skip_corrupted,
                "check_data": true,
                "reinsert_overflowed_ttl": false,
            }),
        ),
        Call::UpgradeSsTables {
            keyspace,
            tables,
            include_all,
            jobs,
        } => Row::job(
            "upgradesstables",
            format!(
                "/v1/ops/tables/sstables/upgrade?excludeCurrentVersion={}",
                !include_all
            ),
            keyspace_request(keyspace, tables, *jobs),
        ),
        _ => return None,
    })
}

/// The body of most requests about tables; no table is all of them.
fn keyspace_request(keyspace: &str, tables: &[String], jobs: i32) -> Value {
    json!({ "keyspace_name": keyspace, "jobs": jobs, "tables": tables })
}

/// Without `full_repair` a repair is incremental, and without a parallelism sequential: both are always sent.
fn repair(
    keyspace: &str,
    tables: &[String],
    full: bool,
    parallelism: &str,
    ranges: &[Range],
) -> Row {
    let mut body = json!({
        "keyspace": keyspace,
        "full_repair": full,
        "tables": tables,
        "repair_parallelism": parallelism,
    });
    if !ranges.is_empty() {
        let ranges = ranges.iter();
        let ranges = ranges.map(|(start, end)| json!({ "start": start, "end": end }));
        body["associated_tokens"] = ranges.collect();
    }
    Row::new("repair", Method::PUT, "/v2/repairs", body, Answers::Repair)
}

/// Without a name the server would invent one.
fn snapshot(
    keyspace: &str,
    tables: &[String],
    name: &str,
    skip_flush: bool,
) -> Result<Row, NodeError> {
    named(name)?;
    let mut body = json!({ "snapshot_name": name, "skip_flush": skip_flush });
    // The server refuses a request with both.
    if tables.is_empty() {
        body["keyspaces"] = json!([keyspace]);
    } else {
        let tables = tables.iter().map(|table| format!("{keyspace}.{table}"));
        body["keyspace_tables"] = tables.collect();
    }
    Ok(Row::new(
        "snapshot",
        Method::POST,
        "/v0/ops/node/snapshots",
        body,
        Answers::Done,
    ))
}

/// Without a name all snapshots of the node would be deleted.
fn clear_snapshot(keyspaces: &[String], name: &str) -> Result<Row, NodeError> {
    named(name)?;
    let mut path = format!("/v0/ops/node/snapshots?snapshotNames={}", escaped(name));
    for keyspace in keyspaces {
        path.push_str("&keyspaces=");
        path.push_str(&escaped(keyspace));
    }
    Ok(Row::new(
        "clearsnapshot",
        Method::DELETE,
        path,
        None,
        Answers::Done,
    ))
}

fn named(name: &str) -> Result<(), NodeError> {
    if name.is_empty() {
        return Err(NodeError::Cassandra(
            "the snapshot has no name: nothing was called".into(),
        ));
    }
    Ok(())
}

/// Keyspaces that a call names.
fn keyspaces(call: &Call) -> Vec<&String> {
    match call {
        Call::Cleanup { keyspace, .. }
        | Call::Flush { keyspace, .. }
        | Call::Compact { keyspace, .. }
        | Call::GarbageCollect { keyspace, .. }
        | Call::Scrub { keyspace, .. }
        | Call::UpgradeSsTables { keyspace, .. }
        | Call::Relocate { keyspace, .. }
        | Call::Refresh { keyspace, .. }
        | Call::Repair { keyspace, .. }
        | Call::Snapshot { keyspace, .. } => vec![keyspace],
        Call::ClearSnapshot { keyspaces, .. } => keyspaces.iter().collect(),
        Call::Rebuild { keyspace, .. } => keyspace.iter().collect(),
        Call::StopTask { .. }
        | Call::StopRepairs
        | Call::Drain
        | Call::RemoveNode { .. }
        | Call::Decommission { .. } => Vec::new(),
    }
}

/// The server takes an empty keyspace, and one with the name `ALL`, for all keyspaces.
fn not_all(keyspace: &str) -> Result<(), NodeError> {
    if keyspace.trim().is_empty() || keyspace.eq_ignore_ascii_case("all") {
        return Err(NodeError::Cassandra(format!(
            "the Management API takes the keyspace name {keyspace:?} for all keyspaces: nothing was called"
        )));
    }
    Ok(())
}

/// A value in a query.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => {
                // A text takes whatever is written.
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}
