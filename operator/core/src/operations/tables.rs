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
        .flat_map(|reading| reading.keyspaces.iter())
        .collect();
    if known.is_empty() {
        return Err(Refusal {
            reason: OperationReason::KeyspacesUnknown,
            message: "waits for a node that answers: the keyspaces of the ring are unknown".into(),
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
    // A node that does not answer, or has another schema, may know it.
    let schemas = ring.nodes.iter().map(|member| {
        let reading = member.reading.as_ref().ok();
        reading.map(|reading| reading.schema_version.as_str())
    });
    let schemas: BTreeSet<Option<&str>> = schemas.collect();
    if schemas.len() > 1 || schemas.contains(&None) {
        return Err(Refusal {
            reason: OperationReason::KeyspacesUnknown,
            message: format!(
                "waits for every node to answer with the same schema: the nodes that answer do not know keyspace {}",
                unknown.join(", ")
            ),
        });
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
