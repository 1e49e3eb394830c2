//! Node calls as JMX operations: signatures that every version from 4.0 on has, and what their results mean.

use serde_json::{Value, json};

use crate::nodes::jolokia::exchange::malformed;
use casskop_core::node::{Call, NodeError};

/// The operation with its full signature, and its arguments.
#[expect(clippy::too_many_lines, reason = "a table: one arm for each call")]
pub(super) fn invocation(call: &Call) -> (&'static str, Value) {
    match call {
        Call::Cleanup {
            keyspace,
            tables,
            jobs,
        } => (
            "forceKeyspaceCleanup(int,java.lang.String,[Ljava.lang.String;)",
            json!([jobs, keyspace, tables]),
        ),
        Call::Flush { keyspace, tables } => (
            "forceKeyspaceFlush(java.lang.String,[Ljava.lang.String;)",
            json!([keyspace, tables]),
        ),
        Call::Compact {
            keyspace,
            tables,
            split,
        } => (
            "forceKeyspaceCompaction(boolean,java.lang.String,[Ljava.lang.String;)",
            json!([split, keyspace, tables]),
        ),
        Call::GarbageCollect {
            keyspace,
            tables,
            cells,
            jobs,
        } => (
            "garbageCollect(java.lang.String,int,java.lang.String,[Ljava.lang.String;)",
            json!([if *cells { "CELL" } else { "ROW" }, jobs, keyspace, tables]),
        ),
        Call::Scrub {
            keyspace,
            tables,
            skip_corrupted,
            snapshot,
            jobs,
        } => (
            "scrub(boolean,boolean,boolean,boolean,int,java.lang.String,[Ljava.lang.String;)",
            json!([
                !snapshot,
                skip_corrupted,
                true,
                false,
                jobs,
                keyspace,
                tables
            ]),
        ),
        Call::UpgradeSsTables {
            keyspace,
            tables,
            include_all,
            jobs,
        } => (
            "upgradeSSTables(java.lang.String,boolean,int,[Ljava.lang.String;)",
            json!([keyspace, !include_all, jobs, tables]),
        ),
        Call::Relocate {
            keyspace,
            tables,
            jobs,
        } => (
            "relocateSSTables(int,java.lang.String,[Ljava.lang.String;)",
            json!([jobs, keyspace, tables]),
        ),
        Call::Refresh { keyspace, table } => (
            "loadNewSSTables(java.lang.String,java.lang.String)",
            json!([keyspace, table]),
        ),
        Call::Repair {
            keyspace,
            tables,
            full,
            primary_range,
            parallelism,
        } => {
            let mut options = json!({
                "parallelism": parallelism,
                "primaryRange": primary_range.to_string(),
                "incremental": (!full).to_string(),
                "jobThreads": "1",
                "trace": "false",
            });
            if !tables.is_empty() {
                options["columnFamilies"] = json!(tables.join(","));
            }
            (
                "repairAsync(java.lang.String,java.util.Map)",
                json!([keyspace, options]),
            )
        }
        Call::Snapshot {
            keyspace,
            tables,
            name,
            ttl,
            skip_flush,
        } => (
            "takeSnapshot(java.lang.String,java.util.Map,[Ljava.lang.String;)",
            json!([
                name,
                snapshot_options(ttl.as_deref(), *skip_flush),
                entities(keyspace, tables)
            ]),
        ),
        Call::ClearSnapshot { keyspaces, name } => (
            "clearSnapshot(java.lang.String,[Ljava.lang.String;)",
            json!([name, keyspaces]),
        ),
        Call::Rebuild { from_dc, keyspace } => (
            "rebuild(java.lang.String,java.lang.String,java.lang.String,java.lang.String)",
            json!([from_dc, keyspace, null, null]),
        ),
        Call::RemoveNode { host_id } => ("removeNode(java.lang.String)", json!([host_id])),
        Call::StopTask { id } => ("stopCompactionById(java.lang.String)", json!([id])),
        Call::StopRepairs => ("forceTerminateAllRepairSessions()", json!([])),
        Call::Drain => ("drain()", json!([])),
        Call::Decommission { force } => ("decommission(boolean)", json!([force])),
    }
}

/// Options of a snapshot; Cassandra reads both as text.
fn snapshot_options(ttl: Option<&str>, skip_flush: bool) -> Value {
    let mut options = json!({ "skipFlush": skip_flush.to_string() });
    if let Some(ttl) = ttl {
        options["ttl"] = json!(ttl);
    }
    options
}

/// What a snapshot is made of: a keyspace, or tables of one.
fn entities(keyspace: &str, tables: &[String]) -> Vec<String> {
    if tables.is_empty() {
        return vec![keyspace.to_owned()];
    }
    tables
        .iter()
        .map(|table| format!("{keyspace}.{table}"))
        .collect()
}

/// What the returned value means: operations on `SSTables` return 0 done, 1 aborted, 2 unable to cancel others; all
/// other ones return nothing.
pub(super) fn verdict(call: &Call, value: &Value) -> Result<(), NodeError> {
    let counts = matches!(
        call,
        Call::Cleanup { .. }
            | Call::GarbageCollect { .. }
            | Call::Scrub { .. }
            | Call::UpgradeSsTables { .. }
            | Call::Relocate { .. }
    );
    match value.as_i64() {
        Some(0) if counts => Ok(()),
        Some(1) if counts => Err(NodeError::Cassandra(
            "Cassandra aborted the work on at least one table; its log says why".into(),
        )),
        Some(2) if counts => Err(NodeError::Busy),
        None if !counts && value.is_null() => Ok(()),
        _ => Err(malformed(value)),
    }
}
