//! The site that forms the ring. It is selected once, and only when no site can have formed a ring: two rings of the
//! same name can never be merged.

use std::collections::BTreeMap;

use casskop_common::{api::CassandraCluster, conditions::Reason};

use crate::{
    multi::{
        children::Child,
        observed::{ObservedSites, SiteView, is_formed, owner},
    },
    refusal::Refusal,
};

/// The site that forms or formed the ring. None while that is uncertain.
pub(crate) fn first_site(snapshot: &ObservedSites, wanted: &[Child]) -> Option<String> {
    let status = snapshot.multi.status.as_ref();
    if let Some(recorded) = status.and_then(|status| status.first_site.clone()) {
        return Some(recorded);
    }
    let with = |has: fn(&CassandraCluster, &str) -> bool| {
        wanted.iter().find(move |child| {
            let view = snapshot.site(&child.site);
            let cluster = view.and_then(SiteView::cluster);
            cluster.is_some_and(|cluster| has(cluster, snapshot.uid()))
        })
    };
    let is_foreign = |cluster: &CassandraCluster, uid: &str| owner(cluster) != Some(uid);
    // A re-created resource takes over existing clusters.
    if let Some(child) = with(|cluster, _| is_formed(cluster)) {
        return Some(child.site.clone());
    }
    if !unknown(snapshot, wanted).is_empty() {
        return None;
    }
    // Beside the cluster of another resource, which may be about to form its ring, no second ring is formed.
    let child = with(is_foreign).or(wanted.first())?;
    Some(child.site.clone())
}

/// Sites that may have formed a ring, because they did not answer.
pub(crate) fn unknown(snapshot: &ObservedSites, wanted: &[Child]) -> Vec<String> {
    let is_unknown = |site: &&str| {
        snapshot
            .site(site)
            .is_none_or(|view| view.observed.is_err())
    };
    let names = wanted.iter().map(|child| child.site.as_str());
    names.filter(is_unknown).map(str::to_owned).collect()
}

/// Refuses two names of the same Kubernetes cluster, because both would own the same `CassandraCluster`.
///
/// # Errors
/// The names of the identical sites.
pub(crate) fn refuse_same_cluster(
    wanted: &[Child],
    snapshot: &ObservedSites,
) -> Result<(), Refusal> {
    let mut by_uid: BTreeMap<&str, &str> = BTreeMap::new();
    for child in wanted {
        let Some(Ok(view)) = snapshot
            .site(&child.site)
            .map(|view| view.observed.as_ref())
        else {
            continue;
        };
        if view.namespace_uid.is_empty() {
            continue;
        }
        if let Some(other) = by_uid.insert(&view.namespace_uid, &child.site) {
            return Err(Refusal {
                reason: Reason::SameCluster,
                message: format!(
                    "the sites {other} and {} are one Kubernetes cluster (their namespace has the same UID): correct the context of one, or take it out of override",
                    child.site
                ),
            });
        }
    }
    Ok(())
}
