//! Validation of the named targets before a request is written. Pure.

use std::collections::BTreeSet;

use casskop_common::{
    api::CassandraCluster,
    operations::{Operation, Target},
};
use kube::ResourceExt;

use super::topology;
use crate::{
    error::{CliError, Result},
    text,
};

/// Refuses data centers, racks and pods that the cluster does not have, and targets that leave no node.
///
/// # Errors
/// When a name is unknown: the known names, and the nearest one.
pub fn check(cluster: &CassandraCluster, target: &Target, connection_args: &str) -> Result<()> {
    let racks = topology::nodes(cluster);
    let dcs: BTreeSet<&str> = racks.keys().map(|rack| rack.dc.as_str()).collect();
    let mut rack_names: BTreeSet<String> = racks.keys().map(|rack| rack.rack.clone()).collect();
    let listed = rack_names.clone();
    rack_names.extend(racks.keys().map(ToString::to_string));
    let pods: BTreeSet<&str> = racks
        .values()
        .flatten()
        .map(|node| node.pod.as_str())
        .collect();

    let name = cluster.name_any();
    for dc in &target.dc {
        known(&name, "data center", dc, &dcs, &dcs)?;
    }
    let rack_names = rack_names.iter().map(String::as_str).collect();
    let listed = listed.iter().map(String::as_str).collect();
    for rack in &target.rack {
        known(&name, "rack", rack, &rack_names, &listed)?;
    }
    for pod in &target.pod {
        known(&name, "pod", pod, &pods, &pods)?;
    }
    let chosen = |given: &[String], names: &[&str]| {
        given.is_empty() || given.iter().any(|given| names.contains(&given.as_str()))
    };
    let any = racks.iter().any(|(rack, nodes)| {
        chosen(&target.dc, &[&rack.dc])
            && chosen(&target.rack, &[&rack.rack, &rack.to_string()])
            && nodes.iter().any(|node| chosen(&target.pod, &[&node.pod]))
    });
    if any || pods.is_empty() {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "no node of cluster {name} is in all of the given --dc, --rack and --pod"
    ))
    .hint(format!(
        "list the nodes: kubectl casskop status {name}{connection_args}"
    )))
}

/// Refuses a store of backups that the spec does not declare.
///
/// # Errors
/// The known names, and the nearest one.
pub fn check_store(cluster: &CassandraCluster, operation: &Operation) -> Result<()> {
    let Operation::Backup(backup) = operation else {
        return Ok(());
    };
    let name = cluster.name_any();
    let stores = cluster.spec.backup.iter().flat_map(|backup| &backup.stores);
    let stores: BTreeSet<&str> = stores.map(|store| store.name.as_str()).collect();
    if stores.is_empty() {
        let error = format!("cluster {name} has no stores of backups");
        return Err(CliError::failed(error).hint("declare one in spec.backup.stores"));
    }
    known(&name, "store", &backup.to, &stores, &stores)
}

fn known(
    cluster: &str,
    what: &str,
    word: &str,
    names: &BTreeSet<&str>,
    listed: &BTreeSet<&str>,
) -> Result<()> {
    if names.contains(word) {
        return Ok(());
    }
    let error = CliError::failed(format!("cluster {cluster} has no {what} {word}"))
        .hint(format!("its {what}s: {}", text::list(listed)));
    match text::nearest(word, names.iter().copied()) {
        Some(nearest) => Err(error.hint(format!("did you mean {nearest}?"))),
        None => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casskop_common::{
        api::{CassandraClusterSpec, Dc, Rack, Topology},
        names::RackId,
    };

    fn cluster() -> CassandraCluster {
        let rack = |name: &str| Rack {
            name: name.into(),
            ..Rack::default()
        };
        let dc = |name: &str, racks: &[&str]| Dc {
            name: name.into(),
            rack: racks.iter().map(|name| rack(name)).collect(),
            ..Dc::default()
        };
        let topology = Topology {
            dc: vec![dc("paris", &["a", "b"]), dc("lille", &[])],
        };
        let spec = CassandraClusterSpec {
            topology: Some(topology),
            nodes_per_racks: Some(2),
            ..Default::default()
        };
        CassandraCluster::new("demo", spec)
    }

    fn complaint(target: &Target) -> String {
        let error = check(&cluster(), target, "").unwrap_err();
        format!("{}; {}", error.message, error.hints.join("; "))
    }

    fn some(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_the_cluster_has_passes() {
        let target = Target {
            dc: some(&["paris"]),
            rack: some(&["paris.a", "b"]),
            pod: some(&["demo-paris-a-1"]),
        };
        assert!(check(&cluster(), &target, "").is_ok());
        assert!(check(&cluster(), &Target::default(), "").is_ok());
        let default_rack = Target {
            rack: some(&["lille.rack1"]),
            ..Target::default()
        };
        assert!(check(&cluster(), &default_rack, "").is_ok());
        let default_topology = CassandraCluster::new("one", CassandraClusterSpec::default());
        let only = topology::nodes(&default_topology);
        assert_eq!(only[&RackId::new("dc1", "rack1")][0].pod, "one-dc1-rack1-0");
    }

    #[test]
    fn what_it_does_not_have_is_refused_with_what_it_has() {
        let complaints = [
            Target {
                dc: some(&["pariss"]),
                ..Target::default()
            },
            Target {
                rack: some(&["lille.a"]),
                ..Target::default()
            },
            Target {
                pod: some(&["other-paris-a-0"]),
                ..Target::default()
            },
            Target {
                dc: some(&["lille"]),
                rack: some(&["a"]),
                ..Target::default()
            },
        ];
        insta::assert_snapshot!(
            complaints
                .iter()
                .map(complaint)
                .collect::<Vec<_>>()
                .join("\n")
        );
    }
}
