//! The rules of the API server and the operator beyond the schema of the CRD, as far as a refusal follows from the manifest alone.

use std::collections::BTreeSet;

use casskop_common::{api::CassandraCluster, image::ImageRef, quantity};
use kube::ResourceExt;

use super::schema::Fault;

/// Longest `<cluster><dc><rack>`: the name of a StatefulSet has at most 52 characters with its two hyphens.
const LONGEST_NAMES: usize = 50;

/// The faults of a cluster.
pub fn faults(cluster: &CassandraCluster) -> Vec<Fault> {
    let mut faults = names(cluster);
    let spec = &cluster.spec;
    let mut fault = |path: &str, message: &str| faults.push(Fault::new(path, message));
    if spec.nodes_per_racks.is_some_and(|nodes| nodes < 1) {
        fault(
            "spec.nodesPerRacks",
            "is at least 1; a data center may have 0",
        );
    }
    let policies = ["Always", "IfNotPresent", "Never", ""];
    if let Some(policy) = &spec.image_pull_policy
        && !policies.contains(&policy.as_str())
    {
        fault("spec.imagepullpolicy", "is Always, IfNotPresent or Never");
    }
    if spec.platform_assigns_ids == Some(true)
        && (spec.run_as_user.is_some() || spec.fs_group.is_some())
    {
        fault("spec.platformAssignsIds", "excludes runAsUser and fsGroup");
    }
    let image = spec.cassandra_image.as_deref().unwrap_or_default();
    if ImageRef::parse(image).unsupported_release().is_some() {
        fault(
            "spec.cassandraImage",
            "is of a release before 4.0: upgrade Cassandra first",
        );
    }
    let dcs = spec.topology.iter().flat_map(|topology| &topology.dc);
    let of_dcs = dcs.map(|dc| &dc.data_capacity);
    for capacity in std::iter::once(&spec.data_capacity).chain(of_dcs).flatten() {
        if quantity::parse(capacity).is_none_or(|bytes| bytes <= 0) {
            fault("spec.dataCapacity", "is a quantity above 0, such as 10Gi");
        }
    }
    let mut dcs = spec
        .topology
        .iter()
        .flat_map(|topology| &topology.dc)
        .peekable();
    if spec.seeds.is_empty() && dcs.peek().is_some() && dcs.all(|dc| dc.nodes_per_racks == Some(0))
    {
        fault("spec.topology", "has no node");
    }
    faults
}

fn names(cluster: &CassandraCluster) -> Vec<Fault> {
    let mut faults = Vec::new();
    let name = cluster.name_any();
    if !is_cluster_name(&name) {
        let message = "starts with a letter and has lower-case letters, digits and '-': it is the name of a Service";
        faults.push(Fault::new("metadata.name", message));
    }
    let mut dcs = BTreeSet::new();
    for dc in cluster
        .spec
        .topology
        .iter()
        .flat_map(|topology| &topology.dc)
    {
        let path = format!("spec.topology.dc[{}]", dc.name);
        if !is_part_of_names(&dc.name) {
            faults.push(Fault::new(&path, "has lower-case letters and digits only in its name, which is part of the names of pods"));
        }
        if !dcs.insert(&dc.name) {
            faults.push(Fault::new(&path, "is there twice"));
        }
        let mut racks = BTreeSet::new();
        for rack in &dc.rack {
            let path = format!("{path}.rack[{}]", rack.name);
            if !is_part_of_names(&rack.name) {
                faults.push(Fault::new(&path, "has lower-case letters and digits only in its name, which is part of the names of pods"));
            }
            if !racks.insert(&rack.name) {
                faults.push(Fault::new(&path, "is there twice"));
            }
        }
        let longest = dc.rack.iter().map(|rack| rack.name.len()).max();
        if name.len() + dc.name.len() + longest.unwrap_or("rack1".len()) > LONGEST_NAMES {
            faults.push(Fault::new(path, "gives StatefulSets a name of more than 52 characters, <cluster>-<dc>-<rack>: shorten one"));
        }
    }
    faults
}

/// Whether a text is a name of a cluster here.
pub fn is_cluster_name(name: &str) -> bool {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(known)
        && !name.ends_with('-')
}

/// The letters and digits of a name, in lower case: as much of it as names of pods take.
pub fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Whether a text is a name of a data center or rack here.
pub fn is_part_of_names(name: &str) -> bool {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !name.is_empty() && name.chars().all(known)
}
