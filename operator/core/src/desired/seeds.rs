//! The seeds of a ring: up to three for each data center, in different racks where there are several.

use casskop_common::names;

use crate::desired::{Desired, DesiredRack};

/// Seeds of a data center.
const PER_DC: usize = 3;

/// Seeds by name, those outside this Kubernetes cluster last. The choice is that of the Go CassKop: the first pod
/// of the first three racks; with two racks the second pod of the first one too, with one rack its first three.
///
/// While the ring is formed, only first pods are seeds: the others do not exist yet, and nobody may wait for them.
pub fn seeds(desired: &Desired, formed: bool) -> Vec<String> {
    let local = desired.dcs().into_iter().flat_map(|(_, racks)| {
        let wanted: &[usize] = match racks.len() {
            1 => &[PER_DC],
            2 => &[2, 1],
            _ => &[1, 1, 1],
        };
        let pods: Vec<String> = racks
            .iter()
            .zip(wanted)
            .flat_map(|(rack, &count)| first_pods(desired, rack, if formed { count } else { 1 }))
            .collect();
        pods
    });
    local.chain(desired.spec.seeds.iter().cloned()).collect()
}

fn first_pods(desired: &Desired, rack: &DesiredRack, count: usize) -> Vec<String> {
    (0..rack.replicas)
        .take(count)
        .map(|ordinal| {
            let pod = names::pod(&desired.name, &rack.id, ordinal);
            names::pod_host(&desired.name, &desired.namespace, &pod)
        })
        .collect()
}
