//! Node calls as JMX operations: the row of each call, and its arguments.

use serde_json::{Value, json};

use crate::node_api::jolokia::rows::{self, Row};
use casskop_core::node::Call;

/// The row of a call.
pub(super) fn row(call: &Call) -> &'static Row {
    match call {
        Call::Cleanup { .. } => rows::CLEANUP,
        Call::Flush { .. } => rows::FLUSH,
        Call::Compact { .. } => rows::COMPACT,
        Call::GarbageCollect { .. } => rows::GARBAGE_COLLECT,
        Call::Scrub { .. } => rows::SCRUB,
        Call::UpgradeSsTables { .. } => rows::UPGRADE_SSTABLES,
        Call::Relocate { .. } => rows::RELOCATE,
        Call::Refresh { .. } => rows::REFRESH,
        Call::Repair { .. } => rows::REPAIR,
        Call::StopTask { .. } => rows::STOP_TASK,
        Call::StopRepairs => rows::STOP_REPAIRS,
        Call::Snapshot { .. } => rows::SNAPSHOT,
        Call::ClearSnapshot { .. } => rows::CLEAR_SNAPSHOT,
        Call::Drain => rows::DRAIN,
        Call::Rebuild { .. } => rows::REBUILD,
        Call::RemoveNode { .. } => rows::REMOVE_NODE,
        Call::Decommission { .. } => rows::DECOMMISSION,
    }
}

/// The arguments of a call, in the order of its signature.
pub(super) fn arguments(call: &Call) -> Value {
    match call {
        Call::Cleanup {
            keyspace,
            tables,
            jobs,
        }
        | Call::Relocate {
            keyspace,
            tables,
            jobs,
        } => json!([jobs, keyspace, tables]),
        Call::Flush { keyspace, tables } => json!([keyspace, tables]),
        Call::Compact {
            keyspace,
            tables,
            split,
        } => json!([split, keyspace, tables]),
        Call::GarbageCollect {
            keyspace,
            tables,
            cells,
            jobs,
        } => json!([if *cells { "CELL" } else { "ROW" }, jobs, keyspace, tables]),
        Call::Scrub {
            keyspace,
            tables,
            skip_corrupted,
            snapshot,
            jobs,
        } => json!([
            !snapshot,
            skip_corrupted,
            true,
            false,
            jobs,
            keyspace,
            tables
        ]),
        Call::UpgradeSsTables {
            keyspace,
            tables,
            include_all,
            jobs,
        } => json!([keyspace, !include_all, jobs, tables]),
        Call::Refresh { keyspace, table } => json!([keyspace, table]),
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
            json!([keyspace, options])
        }
        Call::Snapshot {
            keyspace,
            tables,
            name,
            ttl,
            skip_flush,
        } => json!([
            name,
            snapshot_options(ttl.as_deref(), *skip_flush),
            entities(keyspace, tables)
        ]),
        Call::ClearSnapshot { keyspaces, name } => json!([name, keyspaces]),
        Call::Rebuild { from_dc, keyspace } => json!([from_dc, keyspace, null, null]),
        Call::RemoveNode { host_id } => json!([host_id]),
        Call::StopTask { id } => json!([id]),
        Call::StopRepairs | Call::Drain => json!([]),
        Call::Decommission { force } => json!([force]),
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

/// The entities of a snapshot: a keyspace, or tables of a keyspace.
fn entities(keyspace: &str, tables: &[String]) -> Vec<String> {
    if tables.is_empty() {
        return vec![keyspace.to_owned()];
    }
    tables
        .iter()
        .map(|table| format!("{keyspace}.{table}"))
        .collect()
}
