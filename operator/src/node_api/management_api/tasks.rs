//! Tasks of a node that work on `SSTables`, and whether they keep a call from its work.

use casskop_core::node::{Call, Compaction};
use serde::Deserialize;

use crate::node_api::{
    bounds::Bounds,
    management_api::{
        LISTS, Session,
        exchange::{Failure, READ},
    },
    typed::List,
};

/// A task as the server writes it: numbers are numbers, and a task of no table has neither keyspace nor table.
#[derive(Deserialize)]
struct Task {
    keyspace: Option<String>,
    columnfamily: Option<String>,
    #[serde(rename = "taskType")]
    kind: String,
    completed: i64,
    total: i64,
    unit: String,
    #[serde(rename = "compactionId")]
    id: String,
}

/// Reads the tasks of the node.
pub(super) fn read(session: &Session<'_>) -> Result<Vec<Compaction>, Failure> {
    let bounds = Bounds {
        request: "the read of the compactions",
        deadline: READ,
        limit: LISTS,
    };
    let List(tasks): List<Task> = session.get("/v1/ops/tables/compactions", bounds)?;
    let tasks = tasks.into_iter().map(|task| Compaction {
        keyspace: task.keyspace.unwrap_or_default(),
        table: task.columnfamily.unwrap_or_default(),
        task: task.kind,
        completed: task.completed.to_string(),
        total: task.total.to_string(),
        unit: task.unit,
        id: task.id,
    });
    Ok(tasks.collect())
}

/// The keyspace and the tables (none: all) of a call that Cassandra carries out only if it can stop the other tasks on
/// them. The server drops the verdict of Cassandra, and reports such a call as completed in either case.
pub(super) fn exclusive(call: &Call) -> Option<(&str, &[String])> {
    match call {
        Call::Cleanup {
            keyspace, tables, ..
        }
        | Call::Compact {
            keyspace, tables, ..
        }
        | Call::GarbageCollect {
            keyspace, tables, ..
        }
        | Call::Scrub {
            keyspace, tables, ..
        }
        | Call::UpgradeSsTables {
            keyspace, tables, ..
        } => Some((keyspace, tables)),
        _ => None,
    }
}

/// Whether a task keeps Cassandra from the work on these tables. Automatic compactions are stopped by Cassandra itself.
pub(super) fn is_in_the_way(task: &Compaction, (keyspace, tables): (&str, &[String])) -> bool {
    let is_there = task.keyspace == keyspace && (tables.is_empty() || tables.contains(&task.table));
    is_there && task.task != "Compaction"
}

/// Whether a task began before this time of the node, in milliseconds: its id is a UUID of version 1, made when it began.
/// A task with another id may have.
pub(super) fn began_before(task: &Compaction, millis: i64) -> bool {
    uuid_millis(&task.id).is_none_or(|began| began <= millis)
}

/// Time of a UUID of version 1, in milliseconds since 1970.
fn uuid_millis(id: &str) -> Option<i64> {
    /// 100 ns units from October 1582 to January 1970.
    const EPOCH: i64 = 0x01b2_1dd2_1381_4000;
    let mut parts = id.split('-').map(|part| i64::from_str_radix(part, 16));
    let (low, middle, high) = (parts.next()?, parts.next()?, parts.next()?);
    let (low, middle, high) = (low.ok()?, middle.ok()?, high.ok()?);
    let is_timed = high >> 12 == 1;
    let ticks = ((high & 0x0fff) << 48) | (middle << 32) | low;
    is_timed.then_some((ticks - EPOCH) / 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(keyspace: &str, table: &str, task: &str, id: &str) -> Compaction {
        Compaction {
            keyspace: keyspace.into(),
            table: table.into(),
            task: task.into(),
            id: id.into(),
            ..Compaction::default()
        }
    }

    #[test]
    fn a_task_on_the_same_tables_is_in_the_way_unless_cassandra_stops_it() {
        let (one, all) = (["t".to_owned()], []);
        for (other, tables, is) in [
            (task("ks", "t", "Major compaction", ""), &one[..], true),
            (task("ks", "t", "Validation", ""), &all[..], true),
            (task("ks", "t", "Compaction", ""), &one[..], false),
            (task("ks", "u", "Scrub", ""), &one[..], false),
            (task("other", "t", "Scrub", ""), &all[..], false),
        ] {
            assert_eq!(is_in_the_way(&other, ("ks", tables)), is, "{other:?}");
        }
    }

    /// Ids and times of one recording of Cassandra 5.0.9.
    #[test]
    fn the_id_of_a_task_says_when_it_began() {
        let id = "41d11ed0-eb24-11f1-bcfc-f7b4caafa78e";
        let began = uuid_millis(id).expect("version 1");
        assert!(
            (1_795_867_569_000..1_795_867_700_000).contains(&began),
            "{began}"
        );
        let task = task("ks", "t", "Major compaction", id);
        assert!(began_before(&task, began) && !began_before(&task, began - 1));
        for unknown in ["", "x", "4ffa0866-3206-4e60-93e2-2b4fb768fc2b"] {
            assert_eq!(uuid_millis(unknown), None);
        }
    }
}
