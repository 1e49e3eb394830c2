//! Seeds of each site for the other sites: stable names, with addresses that follow the pods. The last known seeds of a
//! site that does not answer are kept.

use std::collections::BTreeSet;

use casskop_common::{
    api::CassandraCluster,
    names::{self, RackId},
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube_core::ResourceExt;

use crate::{
    multi::{
        children::{self, Child},
        objects,
        observed::{ObservedSites, SiteState, SiteView, is_formed, owner, seeds},
        plan::{SiteObject, Write},
    },
    objects::is_applied,
};

/// Known seeds of a site.
enum Known {
    /// Its pods and their addresses.
    Now(Vec<(String, String)>),
    /// The previous seeds are kept.
    Before,
    /// The site is no longer part of the ring.
    Gone,
}

fn known(site: &SiteView, snapshot: &ObservedSites) -> Known {
    let wanted = snapshot.multi.spec.override_.contains_key(&site.name);
    let Ok(state) = &site.observed else {
        return Known::Before;
    };
    let ours = |state: &SiteState| {
        let cluster = state.cluster.as_ref()?;
        let members = owner(cluster) == Some(snapshot.uid()) && is_formed(cluster);
        members.then(|| seeds(cluster))
    };
    match ours(state).filter(|seeds| !seeds.is_empty()) {
        Some(seeds) => Known::Now(seeds),
        // All of its pods are starting, or its cluster is being re-created.
        None if wanted || state.cluster.is_some() => Known::Before,
        None => Known::Gone,
    }
}

/// All sites except the given one.
fn others<'a>(site: &str, snapshot: &'a ObservedSites) -> impl Iterator<Item = &'a SiteView> {
    let site = site.to_owned();
    snapshot
        .sites
        .iter()
        .filter(move |other| other.name != site)
}

fn slice<'a>(
    state: &'a SiteState,
    other: &str,
    snapshot: &ObservedSites,
) -> Option<&'a EndpointSlice> {
    state
        .slices
        .get(&objects::slice_name(snapshot.ring(), other))
}

/// DNS names of the seeds of all other sites, as resolved in this site.
///
/// The list is never empty while another site has a part of the ring: without seeds, the site would form a new ring.
pub(crate) fn of_others(site: &str, snapshot: &ObservedSites) -> Vec<String> {
    let Some(Ok(state)) = snapshot.site(site).map(|view| view.observed.as_ref()) else {
        return Vec::new();
    };
    let mut pods: BTreeSet<String> = others(site, snapshot)
        .flat_map(|other| match known(other, snapshot) {
            Known::Now(seeds) => seeds.into_iter().map(|(pod, _)| pod).collect(),
            Known::Before => before(state, other, snapshot),
            Known::Gone => BTreeSet::new(),
        })
        .collect();
    if pods.is_empty() && state.cluster.is_none() {
        // The cluster of the site is re-created while no other site reports seeds.
        let others = snapshot.children().iter();
        let made = others.filter(|other| other.site != site && snapshot.was_made(&other.site));
        pods.extend(made.flat_map(|other| first_pods(&other.cluster)));
    }
    let namespace = snapshot.multi.namespace().unwrap_or_default();
    pods.iter()
        .map(|pod| names::foreign_host(snapshot.ring(), &namespace, pod))
        .collect()
}

/// Previous seeds of another site, from the spec and the slices in this site.
fn before(state: &SiteState, other: &SiteView, snapshot: &ObservedSites) -> BTreeSet<String> {
    let ring = snapshot.ring();
    let suffix = names::foreign_host(ring, &snapshot.multi.namespace().unwrap_or_default(), "");
    let dcs = dcs(&other.name, snapshot);
    let in_spec = state.cluster.iter().flat_map(|cluster| &cluster.spec.seeds);
    let in_spec = in_spec
        .filter_map(|seed| seed.strip_suffix(&suffix))
        .filter(|pod| {
            children::dc_of(pod, ring).is_some_and(|dc| dcs.iter().any(|known| known == dc))
        });
    let slice = slice(state, &other.name, snapshot);
    let in_slice = slice.into_iter().flat_map(objects::pods);
    in_spec.chain(in_slice).map(str::to_owned).collect()
}

/// Data centers of a site, as specified or as last recorded.
fn dcs(site: &str, snapshot: &ObservedSites) -> Vec<String> {
    let asked = snapshot
        .children()
        .iter()
        .filter(|child| child.site == site);
    let recorded = snapshot
        .multi
        .status
        .iter()
        .flat_map(|status| &status.sites);
    let recorded = recorded
        .filter(|recorded| recorded.name == site)
        .flat_map(|recorded| &recorded.cluster);
    asked
        .flat_map(Child::dcs)
        .chain(recorded.flat_map(|cluster| cluster.dcs.clone()))
        .collect()
}

/// The first pod of every rack of a cluster; these pods become seeds when they have joined.
fn first_pods(cluster: &CassandraCluster) -> Vec<String> {
    let racks: Vec<RackId> = cluster
        .spec
        .written_racks()
        .map(|(dc, rack)| RackId::new(&dc.name, &rack.name))
        .collect();
    let default = || {
        let dcs = children::dcs(cluster).into_iter();
        dcs.map(|dc| RackId::new(dc, "rack1")).collect()
    };
    let racks = if racks.is_empty() { default() } else { racks };
    let name = cluster.name_any();
    racks
        .iter()
        .map(|rack| names::pod(&name, rack, 0))
        .collect()
}

/// The writes that make every site resolve the seeds of the others.
pub(crate) fn writes(snapshot: &ObservedSites) -> Vec<Write> {
    let mut writes = Vec::new();
    for (site, cluster) in snapshot.ours() {
        let Ok(state) = &site.observed else { continue };
        let mut write = |what: SiteObject| {
            writes.push(Write {
                site: site.name.clone(),
                what,
            });
        };
        let service = objects::service(cluster, snapshot.name());
        if !is_applied(&service, state.service.as_ref()) {
            write(SiteObject::Service(Box::new(service)));
        }
        for other in others(&site.name, snapshot) {
            let before = slice(state, &other.name, snapshot);
            match known(other, snapshot) {
                Known::Now(seeds) => {
                    let slice = objects::slice(cluster, snapshot.name(), &other.name, &seeds);
                    if let Some(slice) = slice.filter(|slice| !is_applied(slice, before)) {
                        write(SiteObject::Slice(Box::new(slice)));
                    }
                }
                Known::Gone => {
                    if let Some(slice) = before {
                        write(SiteObject::DropSlice(Box::new(slice.clone())));
                    }
                }
                Known::Before => {}
            }
        }
    }
    writes
}
