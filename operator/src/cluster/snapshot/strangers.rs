//! Members of the ring that are none of the pods: nodes of other Kubernetes clusters, and dead ones that no pod runs any
//! more. What they do cannot be asked; only what the members say of them is known.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::names::RackId;

use super::Snapshot;

/// A member of the ring that is none of the pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger<'a> {
    /// Its address.
    pub ip: &'a str,
    /// Its host id.
    pub host_id: &'a str,
    /// Its data center and rack, where that was asked.
    pub place: Option<&'a RackId>,
    /// Whether it is down in the view of a member, and all that answer know it: what only some know comes or goes.
    pub down: bool,
}

impl Stranger<'_> {
    /// Its address, its place if known, and its host id.
    pub fn describe(&self) -> String {
        let place = self
            .place
            .map(|place| format!("{place}, "))
            .unwrap_or_default();
        format!("{} ({place}host id {})", self.ip, self.host_id)
    }
}

impl Snapshot {
    /// The strangers that a member knows.
    pub fn strangers(&self) -> Vec<Stranger<'_>> {
        let pods: BTreeSet<String> = self
            .expected_pods()
            .into_iter()
            .map(|(pod, _)| pod)
            .chain(self.pods.keys().cloned())
            .collect();
        let ours: BTreeSet<&str> = pods
            .iter()
            .filter_map(|pod| self.host_id(pod))
            .chain(
                self.nodes
                    .values()
                    .flatten()
                    .map(|own| own.local_host_id.as_str()),
            )
            .collect();
        let ips: BTreeSet<&str> = self
            .pods
            .values()
            .filter_map(|pod| pod.ip.as_deref())
            .collect();
        let mut seen: BTreeMap<&str, (&str, usize, bool)> = BTreeMap::new();
        let mut members = 0;
        for (_, reading) in self.members() {
            members += 1;
            for (ip, host_id) in &reading.host_ids {
                let (_, knows, down) = seen.entry(ip).or_insert((host_id, 0, false));
                *knows += usize::from(!reading.joining.contains(ip));
                *down |= reading.unreachable.contains(ip);
            }
        }
        seen.into_iter()
            .filter(|(ip, (host_id, ..))| !ips.contains(ip) && !ours.contains(host_id))
            .map(|(ip, (host_id, knows, down))| Stranger {
                ip,
                host_id,
                place: self.places.get(ip),
                down: down && knows == members,
            })
            .collect()
    }

    /// Strangers that are down: first those in the data centers of this cluster, whose replicas are missing here, then all
    /// others.
    pub fn strangers_down(&self) -> [Vec<Stranger<'_>>; 2] {
        let dcs: BTreeSet<String> = self.racks().map(|(rack, _)| rack.dc).collect();
        let strangers = self.strangers().into_iter();
        let down = strangers.filter(|stranger| stranger.down);
        let (here, elsewhere) = down.partition(|stranger| {
            let place = stranger.place;
            place.is_some_and(|place| dcs.contains(&place.dc))
        });
        [here, elsewhere]
    }
}
