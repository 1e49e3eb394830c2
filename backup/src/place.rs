//! The node of a backup that a node of a new ring becomes: the one at the same place.

use std::collections::BTreeMap;

use casskop_backup_protocol::{ClusterManifest, NodeManifest, NodePlace, NodeSummary};

use crate::error::{Failure, Result};

/// Keyspace with what a node knows of itself, such as its host id: a new node writes its own.
pub(crate) const LOCAL: &str = "system";
/// Keyspace with the definitions of all tables: the folders of the tables have the ids that it has.
const SCHEMA: &str = "system_schema";

fn refused(backup: impl std::fmt::Display, why: String, next: &str) -> Failure {
    Failure::failed(format!("restore backup {backup}"), why, next)
}

/// Makes sure that the roles of the backup are as closed as its new ring. Those of a ring without logins have the superuser that
/// everybody knows; the data of a ring with logins is not for everybody.
fn check_logins(cluster: &ClusterManifest, place: &NodePlace) -> Result<()> {
    const AGAIN: &str = "delete the new cluster with its volumes, and create it with";
    let find = |wanted: Option<bool>| cluster.nodes.iter().find(|node| node.node.logins == wanted);
    let (why, next) = match (find(None), find(Some(true)), find(Some(false))) {
        (None, Some(_), None) if place.logins => return Ok(()),
        (None, None, Some(_)) if !place.logins => return Ok(()),
        (Some(node), ..) => (
            format!(
                "it does not say whether its node {} required logins: an earlier program has written it",
                node.node.host_id
            ),
            "make a new backup".to_owned(),
        ),
        (None, Some(closed), Some(open)) => (
            format!(
                "its node {} required logins, and {} did not",
                closed.node.host_id, open.node.host_id
            ),
            "make a new backup, once all pods of the ring are started alike".to_owned(),
        ),
        (None, None, Some(open)) => (
            format!(
                "its node {} did not require logins, so that its roles have the superuser cassandra with a known password, and the new ring requires them",
                open.node.host_id
            ),
            format!("{AGAIN}out spec.authentication"),
        ),
        (None, closed, None) => (
            format!(
                "its node {} required logins, and the new ring would let in every client",
                closed.map_or("", |node| node.node.host_id.as_str())
            ),
            format!(
                "{AGAIN} spec.authentication, and with the superuser of the backup in the Secret of authentication.superuserSecret"
            ),
        ),
    };
    Err(refused(&cluster.backup, why, &next))
}

/// Finds the node of a backup at a place.
///
/// # Errors
/// The backup lacks keyspaces or nodes, or its ring has another shape, or other logins.
pub(crate) fn find<'a>(cluster: &'a ClusterManifest, place: &NodePlace) -> Result<&'a NodeSummary> {
    if !cluster.keyspaces.is_empty() || !cluster.left_out.is_empty() {
        return Err(refused(
            &cluster.backup,
            "it has only some keyspaces, or not all nodes".to_owned(),
            "restore a backup of everything",
        ));
    }
    check_logins(cluster, place)?;
    let mut has: BTreeMap<(&str, &str), Vec<&NodeSummary>> = BTreeMap::new();
    for node in &cluster.nodes {
        let rack = (node.node.dc.as_str(), node.node.rack.as_str());
        has.entry(rack).or_default().push(node);
    }
    let wanted: BTreeMap<(&str, &str), usize> = place
        .ring
        .iter()
        .filter(|rack| rack.nodes > 0)
        .map(|rack| {
            let nodes = usize::try_from(rack.nodes).unwrap_or(usize::MAX);
            ((rack.dc.as_str(), rack.rack.as_str()), nodes)
        })
        .collect();
    for rack in has.keys().chain(wanted.keys()) {
        let of_backup = has.get(rack).map_or(0, Vec::len);
        let of_ring = wanted.get(rack).copied().unwrap_or_default();
        if of_backup != of_ring {
            let (dc, rack) = rack;
            return Err(refused(
                &cluster.backup,
                format!(
                    "it has {of_backup} nodes in data center {dc}, rack {rack}, and the new ring has {of_ring}"
                ),
                "delete the new cluster with its volumes, and create it with the data centers, racks and nodesPerRacks of the backup",
            ));
        }
    }
    let mut nodes = has
        .remove(&(place.dc.as_str(), place.rack.as_str()))
        .unwrap_or_default();
    nodes.sort_by_key(|node| order(node));
    let index = usize::try_from(place.ordinal).unwrap_or(usize::MAX);
    nodes.get(index).copied().ok_or_else(|| {
        refused(
            &cluster.backup,
            format!(
                "it has no node {} in data center {}, rack {}",
                place.ordinal, place.dc, place.rack
            ),
            "check the place in the job",
        )
    })
}

/// By the number of the pod, which is not padded; a node without one comes last.
fn order(node: &NodeSummary) -> (u64, String, String) {
    let pod = node.node.pod.as_ref().map_or("", |pod| pod.as_str());
    let number = pod.rsplit_once('-').and_then(|(_, end)| end.parse().ok());
    let host_id = node.node.host_id.as_str();
    (
        number.unwrap_or(u64::MAX),
        pod.to_owned(),
        host_id.to_owned(),
    )
}

/// Makes sure that the definitions of the tables come along.
///
/// # Errors
/// The backup does not have them.
pub(crate) fn check_schema(manifest: &NodeManifest) -> Result<()> {
    let mut tables = manifest.tables.iter();
    if tables.any(|table| table.keyspace.as_str() == SCHEMA) {
        return Ok(());
    }
    Err(refused(
        &manifest.backup,
        format!(
            "node {} has no table of {SCHEMA}, without which Cassandra knows none of the others",
            manifest.node.host_id
        ),
        "restore another backup",
    ))
}

/// Makes sure that the Cassandra of the new node reads the files: it is not older, and at most one major version newer.
///
/// # Errors
/// It is another one.
pub(crate) fn check_release(manifest: &NodeManifest, wanted: Option<&str>) -> Result<()> {
    let wrote = &manifest.node.cassandra_version;
    let releases = wanted.and_then(release).zip(release(wrote));
    let Some((reads, writes)) = releases else {
        return Ok(());
    };
    if reads >= writes && reads.0 <= writes.0 + 1 {
        return Ok(());
    }
    let why = format!(
        "its files are of Cassandra {wrote}, and the new ring has {}.{}, which does not read them",
        reads.0, reads.1
    );
    let next = "set cassandraImage to the version of the backup, or one that reads its files";
    Err(refused(&manifest.backup, why, next))
}

/// Major and minor version.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_at_the_start_of_a_version() {
        for (version, expected) in [
            ("5.0.9", Some((5, 0))),
            ("4.1-SNAPSHOT", Some((4, 1))),
            ("6", None),
            ("trunk", None),
        ] {
            assert_eq!(release(version), expected, "{version}");
        }
    }
}
