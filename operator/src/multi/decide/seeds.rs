//! The seeds of each site in the eyes of the others: names that stay, with addresses that follow the pods. What is known
//! of a site that does not answer is kept.

use casskop_common::names;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;

use super::{What, Write};
use crate::{
    cluster::build::is_applied,
    multi::{
        build,
        snapshot::{Seen, SiteView, Snapshot, is_formed, owner, seeds},
    },
};

/// What is known of the seeds of a site.
enum Known {
    /// Its pods with their addresses.
    Now(Vec<(String, String)>),
    /// What was known before is to be kept.
    Before,
    /// It is no longer part of the ring.
    Gone,
}

fn known(site: &SiteView, snapshot: &Snapshot) -> Known {
    let wanted = snapshot.multi.spec.override_.contains_key(&site.name);
    let Ok(seen) = &site.seen else {
        return Known::Before;
    };
    let ours = |seen: &Seen| {
        let cluster = seen.cluster.as_ref()?;
        let members = owner(cluster) == Some(snapshot.uid()) && is_formed(cluster);
        members.then(|| seeds(cluster))
    };
    match ours(seen).filter(|seeds| !seeds.is_empty()) {
        Some(seeds) => Known::Now(seeds),
        // All of its pods are on their way, or its cluster is made anew.
        None if wanted || seen.cluster.is_some() => Known::Before,
        None => Known::Gone,
    }
}

/// The other sites, as one of them sees them.
fn others<'a>(site: &str, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a SiteView> {
    let site = site.to_owned();
    snapshot
        .sites
        .iter()
        .filter(move |other| other.name != site)
}

fn slice<'a>(seen: &'a Seen, other: &str, snapshot: &Snapshot) -> Option<&'a EndpointSlice> {
    seen.slices.get(&build::slice_name(snapshot.ring(), other))
}

/// Names of the seeds of all other sites, in the DNS of this one.
pub(super) fn of_others(site: &str, snapshot: &Snapshot) -> Vec<String> {
    let Some(Ok(seen)) = snapshot.site(site).map(|view| view.seen.as_ref()) else {
        return Vec::new();
    };
    let namespace = snapshot.multi.namespace().unwrap_or_default();
    let mut pods: Vec<String> = others(site, snapshot)
        .flat_map(|other| match known(other, snapshot) {
            Known::Now(seeds) => seeds.into_iter().map(|(pod, _)| pod).collect(),
            Known::Before => slice(seen, &other.name, snapshot)
                .map(|slice| build::pods(slice).map(str::to_owned).collect())
                .unwrap_or_default(),
            Known::Gone => Vec::new(),
        })
        .collect();
    pods.sort();
    pods.iter()
        .map(|pod| names::foreign_host(snapshot.ring(), &namespace, pod))
        .collect()
}

/// What has to be written so that every site finds the others.
pub(super) fn writes(snapshot: &Snapshot) -> Vec<Write> {
    let mut writes = Vec::new();
    for (site, cluster) in snapshot.ours() {
        let Ok(seen) = &site.seen else { continue };
        let mut write = |what: What| {
            writes.push(Write {
                site: site.name.clone(),
                what,
            });
        };
        let service = build::service(cluster, snapshot.name());
        if !is_applied(&service, seen.service.as_ref()) {
            write(What::Service(Box::new(service)));
        }
        for other in others(&site.name, snapshot) {
            let before = slice(seen, &other.name, snapshot);
            match known(other, snapshot) {
                Known::Now(seeds) => {
                    let slice = build::slice(cluster, snapshot.name(), &other.name, &seeds);
                    if let Some(slice) = slice.filter(|slice| !is_applied(slice, before)) {
                        write(What::Slice(Box::new(slice)));
                    }
                }
                Known::Gone => {
                    if let Some(slice) = before {
                        write(What::DropSlice(Box::new(slice.clone())));
                    }
                }
                Known::Before => {}
            }
        }
    }
    writes
}
