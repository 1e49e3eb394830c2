//! Steps of the kinds that work keyspace by keyspace.

use std::collections::BTreeSet;

use casskop_common::{api::OperationReason, operations::Tables};

use crate::operations::{Refusal, Ring};

/// The keyspaces that were asked for, or all that are replicated.
pub(crate) fn keyspaces(tables: &Tables, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
    let known = known(&tables.keyspace, ring)?;
    let asked: BTreeSet<String> = if tables.keyspace.is_empty() {
        known.into_iter().cloned().collect()
    } else {
        tables.keyspace.iter().cloned().collect()
    };
    Ok(asked.into_iter().collect())
}

/// The keyspaces that the ring replicates, when those that were asked for are among them.
pub(crate) fn known<'a>(
    asked: &[String],
    ring: &'a Ring<'_>,
) -> Result<BTreeSet<&'a String>, Refusal> {
    let known: BTreeSet<&String> = ring
        .readings()
        .flat_map(|reading| &reading.keyspaces)
        .collect();
    if known.is_empty() {
        return Err(Refusal {
            reason: OperationReason::KeyspacesUnknown,
            message: "no node of the ring answers, so its keyspaces are unknown".into(),
        });
    }
    let unknown: Vec<&str> = asked
        .iter()
        .filter(|name| !known.contains(name))
        .map(String::as_str)
        .collect();
    if unknown.is_empty() {
        return Ok(known);
    }
    let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
    Err(Refusal {
        reason: OperationReason::UnknownKeyspace,
        message: format!(
            "the ring has no replicated keyspace {}; it has {}. Request it again with a new id",
            unknown.join(", "),
            known.join(", ")
        ),
    })
}
