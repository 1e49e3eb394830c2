//! The seeds of a ring: up to three per data center, in different racks if there are several.

use casskop_common::{api::LoginStep, names};

use crate::desired::{Desired, DesiredRack};

/// Number of seeds per data center.
const PER_DC: usize = 3;

/// Seeds by name; seeds outside of this Kubernetes cluster come last. The selection is that of the Go CassKop: the
/// first pod of each of the first three racks; with two racks, also the second pod of the first rack; with one rack,
/// its first three pods.
///
/// While the ring is formed, only first pods are seeds: the other pods do not exist yet, and no node may wait for them.
pub fn seeds(desired: &Desired, formed: bool) -> Vec<String> {
    if !formed && desired.logins == LoginStep::SetUp {
        // The node that sets up the logins is alone.
        let first = first_rack(desired);
        return first
            .map(|rack| first_pods(desired, rack, 1))
            .unwrap_or_default();
    }
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

/// The rack of the first node of a ring.
pub fn first_rack(desired: &Desired) -> Option<&DesiredRack> {
    desired.racks.iter().find(|rack| rack.replicas > 0)
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
