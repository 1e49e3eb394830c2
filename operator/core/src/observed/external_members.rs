//! External members: members of the ring that are none of the cluster's pods. They are nodes of other Kubernetes
//! clusters, or dead nodes without a pod. The operator cannot poll them; it knows only the reports of the members.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::names::{self, RackId};

use crate::{
    node::{Reading, UNKNOWN_HOST_ID},
    observed::ObservedState,
};

/// A member of the ring that is none of the cluster's pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalMember<'a> {
    /// Its address.
    pub ip: &'a str,
    /// Its host ID.
    pub host_id: &'a str,
    /// Its data center and rack, if they were polled.
    pub location: Option<&'a RackId>,
    /// Whether a member reports it as down and all members that answer know it. A node that only some members know is
    /// joining or leaving.
    pub down: bool,
    /// Whether a member has it in its live view.
    pub live: bool,
}

impl ExternalMember<'_> {
    /// Its address, its location if known, and its host ID.
    pub fn describe(&self) -> String {
        let location = self
            .location
            .map(|location| format!("{location}, "))
            .unwrap_or_default();
        format!("{} ({location}host id {})", self.ip, self.host_id)
    }
}

impl ObservedState {
    /// The external members that a member knows. The host ID identifies a node. The address counts only for a pod
    /// without a host ID.
    pub fn external_members(&self) -> Vec<ExternalMember<'_>> {
        let recorded = self.cluster.status.iter();
        let recorded = recorded.flat_map(|status| status.cassandra_node_status.values());
        let ours: BTreeSet<&str> = recorded
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
        let names = self.names_by_address();
        let mut observed: BTreeMap<(&str, &str), (usize, bool, bool)> = BTreeMap::new();
        let mut members = 0;
        for (_, reading) in self.members() {
            members += 1;
            for (ip, host_id) in reading.host_ids.iter() {
                let host_id = match host_id.as_str() {
                    UNKNOWN_HOST_ID => names.get(ip.as_str()).copied().unwrap_or(host_id),
                    known => known,
                };
                if !ours.contains(host_id) && !newcomers.contains(ip.as_str()) {
                    let (knows, down, live) = observed.entry((ip, host_id)).or_default();
                    *knows += usize::from(!reading.joining.contains(ip));
                    *down |= reading.unreachable.contains(ip);
                    *live |= reading.live.contains(ip);
                }
            }
        }
        observed
            .into_iter()
            .map(|((ip, host_id), (knows, down, live))| ExternalMember {
                ip,
                host_id,
                location: self.locations.get(ip),
                down: down && knows == members,
                live,
            })
            .collect()
    }

    /// Host IDs by address, as another member knows them or as the status recorded them: for members that a node knows by
    /// their address only.
    fn names_by_address(&self) -> BTreeMap<&str, &str> {
        let told = self.cluster.status.iter();
        let told = told.flat_map(|status| status.cassandra_node_status.values());
        let told = told
            .filter(|told| !told.host_id.is_empty())
            .map(|told| (told.node_ip.as_str(), told.host_id.as_str()));
        let known = self.members().flat_map(|(_, reading)| {
            let known = reading.host_ids.iter();
            known.map(|(ip, host_id)| (ip.as_str(), host_id.as_str()))
        });
        told.chain(known.filter(|(_, host_id)| *host_id != UNKNOWN_HOST_ID))
            .collect()
    }

    /// External members that are down, and that are in other data centers or at an unknown location.
    pub fn down_elsewhere(&self) -> Vec<ExternalMember<'_>> {
        let mut external_members = self.external_members();
        external_members.retain(|external_member| {
            external_member.down && !self.is_here(external_member.location)
        });
        external_members
    }

    /// Live external members in the data centers of this cluster that no other cluster is known to share. They are of
    /// another ring that has merged with this one: gossip compares only the name of the ring and the partitioner. None
    /// where `spec.seeds` of a cluster of its own name the other part of the ring, and none while a pod of the same rack
    /// has no host ID.
    pub fn strangers(&self) -> Vec<ExternalMember<'_>> {
        let mut strangers = self.external_members();
        let expects_no_others = self.expects_no_others();
        strangers.retain(|one| {
            expects_no_others
                && one.live
                && self.is_here(one.location)
                && !self.has_nameless(one.location)
        });
        strangers
    }

    /// Whether no other cluster has nodes in the data centers of this cluster. The data centers of a `MultiCasskop` belong
    /// to one site each.
    pub fn expects_no_others(&self) -> bool {
        let annotations = self.cluster.metadata.annotations.as_ref();
        let is_site = annotations.is_some_and(|all| all.contains_key(names::MULTI_OWNER));
        is_site || self.cluster.spec.seeds.is_empty()
    }

    /// An external member in the data centers of this cluster that a member reports as down: its replicas are missing
    /// here. None while the ring is being formed, and none while a pod of the same rack has no host ID, because the pod
    /// may be that member.
    pub fn lost_replica<'a>(&'a self, reading: &'a Reading) -> Option<ExternalMember<'a>> {
        let known_to_all = |ip: &String| {
            let mut members = self.members();
            members.all(|(_, other)| other.host_ids.contains_key(ip) && !other.joining.contains(ip))
        };
        let is_lost = |ip: &&String| {
            let location = self.locations.get(*ip);
            self.is_here(location) && !self.has_nameless(location) && known_to_all(ip)
        };
        if !self.cluster.status.as_ref()?.phase?.is_formed() {
            return None;
        }
        let ip = reading.down_members().find(is_lost)?;
        Some(ExternalMember {
            ip,
            host_id: reading.host_ids.get(ip)?,
            location: self.locations.get(ip),
            down: true,
            live: false,
        })
    }

    fn is_here(&self, location: Option<&RackId>) -> bool {
        location.is_some_and(|location| self.racks().any(|(rack, _)| rack.dc == location.dc))
    }

    /// Whether a pod of a rack has no host id.
    fn has_nameless(&self, rack: Option<&RackId>) -> bool {
        let expected = self.expected_pods();
        let mut expected = expected.iter().filter(|(_, its)| Some(its) == rack);
        expected.any(|(pod, _)| self.host_id(pod).is_none())
    }
}

/// Locations of external members as the snitch reports them, if the snitch reports the operator's pods correctly. A
/// snitch that the user has chosen may use other rack names, or a single rack.
pub fn trusted_locations(
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
        let external_members = trusted_locations(found(&ours), &own);
        assert_eq!(
            external_members.into_keys().collect::<Vec<_>>(),
            ["10.9.9.9"]
        );
        assert!(trusted_locations(found(&simple), &own).is_empty());
        assert!(trusted_locations(found(&ours), &[]).is_empty());
    }
}
