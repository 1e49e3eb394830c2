//! The name of the ring in all sites. Nodes of two rings with one name and partitioner merge when one finds the other at an
//! address of its own, and nodes with two names never form one ring. A new ring has a name that is unique among the
//! namespaces; a ring that may exist keeps its name.

use casskop_common::api::CassandraCluster;
use serde_json::json;

use crate::{
    multi::{
        observed::{ObservedSites, RingMark},
        plan::first,
    },
    pod_config::users_ring_name_of as users_name,
};

/// The name of the ring that is chosen together with the first site; none for the name of the `CassandraCluster`.
pub(crate) fn choose(snapshot: &ObservedSites) -> Option<String> {
    let plain = snapshot.ring();
    let states = || {
        let sites = snapshot.sites.iter();
        sites.filter_map(|site| site.observed.as_ref().ok())
    };
    let of_spec = |cluster: &CassandraCluster| users_name(&cluster.spec).map(str::to_owned);
    let live = || states().filter_map(|state| state.cluster.as_ref());
    let desired = snapshot.children().iter();
    let told = desired
        .map(|child| &child.cluster)
        .chain(live())
        .find_map(of_spec);
    let status = snapshot.multi.status.as_ref();
    if let Some(status) = status.filter(|status| status.first_site.is_some()) {
        let recorded = status.ring_name.clone().or(told);
        return recorded.filter(|name| name != plain);
    }
    let marked = states().find_map(|state| state.marked_name.clone());
    let known = told.or(marked);
    // A ring without a record of its name, or one that may be there.
    let may_exist = live().next().is_some()
        || states().any(|state| state.mark != RingMark::Missing)
        || snapshot
            .sites
            .iter()
            .any(|site| snapshot.was_made(&site.name))
        || !first::unknown(snapshot, snapshot.children()).is_empty();
    let new = || (!may_exist).then(|| format!("{plain}.{}", snapshot.namespace()));
    known.or_else(new).filter(|name| name != plain)
}

/// Writes the name of the ring into the desired cluster of a site that is to be created, or that was created with it. A
/// cluster that exists without it keeps the name that its operator has recorded, and its pods.
pub(crate) fn tell(
    wanted: &mut CassandraCluster,
    live: Option<&CassandraCluster>,
    snapshot: &ObservedSites,
) {
    let has_name = live.is_none_or(|live| users_name(&live.spec).is_some());
    if !has_name || users_name(&wanted.spec).is_some() {
        return;
    }
    if let Some(name) = choose(snapshot) {
        let config = wanted.spec.config.get_or_insert_with(|| json!({}));
        json_patch::merge(
            config,
            &json!({ "cassandra-yaml": { "cluster_name": name } }),
        );
    }
}
