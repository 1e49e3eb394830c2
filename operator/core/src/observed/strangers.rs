//! Members of the ring that are none of the pods: nodes of other Kubernetes clusters, and dead ones that no pod runs any
//! more. What they do cannot be asked; only what the members say of them is known.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::names::RackId;

use crate::{node::Reading, observed::Snapshot};

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
    /// The strangers that a member knows. Who they are is said by their host ids; an address says so only where a pod is at
    /// it that has none yet.
    pub fn strangers(&self) -> Vec<Stranger<'_>> {
        let told = self.cluster.status.iter();
        let told = told.flat_map(|status| status.cassandra_node_status.values());
        let ours: BTreeSet<&str> = told
            .map(|node| node.host_id.as_str())
            .chain(
                self.nodes
                    .values()
                    .flatten()
                    .map(|own| own.local_host_id.as_str()),
            )
            .collect();
        let newcomers: BTreeSet<&str> = self
            .pods
            .iter()
            .filter(|(pod, _)| self.host_id(pod).is_none())
            .filter_map(|(_, pod)| pod.ip.as_deref())
            .collect();
        let mut seen: BTreeMap<(&str, &str), (usize, bool)> = BTreeMap::new();
        let mut members = 0;
        for (_, reading) in self.members() {
            members += 1;
            for (ip, host_id) in &reading.host_ids {
                if !ours.contains(host_id.as_str()) && !newcomers.contains(ip.as_str()) {
                    let (knows, down) = seen.entry((ip, host_id)).or_default();
                    *knows += usize::from(!reading.joining.contains(ip));
                    *down |= reading.unreachable.contains(ip);
                }
            }
        }
        seen.into_iter()
            .map(|((ip, host_id), (knows, down))| Stranger {
                ip,
                host_id,
                place: self.places.get(ip),
                down: down && knows == members,
            })
            .collect()
    }

    /// Strangers in other data centers that are down, or of which nobody says where they are.
    pub fn down_elsewhere(&self) -> Vec<Stranger<'_>> {
        let mut strangers = self.strangers();
        strangers.retain(|stranger| stranger.down && !self.is_here(stranger.place));
        strangers
    }

    /// A stranger in the data centers of this cluster that a member sees down: its replicas are missing here. Not while
    /// the ring is being formed, nor while a pod of its rack does not say who it is: it may be that.
    pub fn lost_replica<'a>(&'a self, reading: &'a Reading) -> Option<Stranger<'a>> {
        let known_to_all = |ip: &String| {
            let mut members = self.members();
            members.all(|(_, other)| other.host_ids.contains_key(ip) && !other.joining.contains(ip))
        };
        let is_lost = |ip: &&String| {
            let place = self.places.get(*ip);
            self.is_here(place) && !self.has_nameless(place) && known_to_all(ip)
        };
        if !self.cluster.status.as_ref()?.phase?.is_formed() {
            return None;
        }
        let ip = reading.down_members().find(is_lost)?;
        Some(Stranger {
            ip,
            host_id: reading.host_ids.get(ip)?,
            place: self.places.get(ip),
            down: true,
        })
    }

    fn is_here(&self, place: Option<&RackId>) -> bool {
        place.is_some_and(|place| self.racks().any(|(rack, _)| rack.dc == place.dc))
    }

    /// Whether a pod of a rack has no host id.
    fn has_nameless(&self, rack: Option<&RackId>) -> bool {
        let expected = self.expected_pods();
        let mut expected = expected.iter().filter(|(_, its)| Some(its) == rack);
        expected.any(|(pod, _)| self.host_id(pod).is_none())
    }
}

/// What a snitch says of strangers, if it is right about our own pods: with one that the user has chosen racks may have
/// other names, or all be one.
pub fn believed(
    mut found: BTreeMap<String, RackId>,
    own: &[(&str, &RackId)],
) -> BTreeMap<String, RackId> {
    let is_right = own.iter().all(|(ip, rack)| found.get(*ip) == Some(*rack));
    if !is_right || own.is_empty() {
        return BTreeMap::new();
    }
    found.retain(|ip, _| own.iter().all(|(own, _)| own != ip));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snitch_that_is_wrong_about_our_pods_is_not_believed() {
        let found = |own: &RackId| -> BTreeMap<String, RackId> {
            let away = RackId::new("dc9", "rack1");
            [("10.0.0.1".into(), own.clone()), ("10.9.9.9".into(), away)].into()
        };
        let ours = RackId::new("dc1", "rack1");
        let simple = RackId::new("datacenter1", "rack1");
        let own = [("10.0.0.1", &ours)];
        let strangers = believed(found(&ours), &own);
        assert_eq!(strangers.into_keys().collect::<Vec<_>>(), ["10.9.9.9"]);
        assert!(believed(found(&simple), &own).is_empty());
        assert!(believed(found(&ours), &[]).is_empty());
    }
}
