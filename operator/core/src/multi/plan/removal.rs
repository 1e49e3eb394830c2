//! Removal: the cluster of a site that was removed from the resource, and all clusters when the resource is deleted. An
//! unreachable site is never treated as empty.

use casskop_common::{
    api::{CassandraCluster, ChildStatus, MultiCasskopStatus, condition},
    conditions::Reason,
    names,
};
use kube_core::ResourceExt;

use crate::{
    multi::{
        children::{Child, deletes_volumes},
        observed::{ObservedSites, SiteView, has_nodes, owner},
        plan::{Draft, Plan, SOON, SiteObject, Write, status},
        witness::{self, Deletion, WitnessWrite},
    },
    refusal::Refusal,
};

const ORPHANED: &str = "the CassandraClusters of the sites stay, because the deletion orphans them (--cascade=orphan): they belong to no MultiCasskop any more";
const IN_DOUBT: &str = "the CassandraClusters of the sites stay and belong to no MultiCasskop any more: nothing proves that the deletion does not orphan them; to delete them, run in each site: kubectl delete cassandracluster <name>";

/// Sites that are no longer in the resource but still have objects of it, and the deletions: only a cluster without
/// nodes is deleted.
pub(crate) fn left_out(wanted: &[Child], snapshot: &ObservedSites) -> (Vec<Draft>, Vec<Write>) {
    let mut drafts = Vec::new();
    let mut writes = Vec::new();
    for site in &snapshot.sites {
        if wanted.iter().any(|child| child.site == site.name) {
            continue;
        }
        let mut draft = Draft {
            name: site.name.clone(),
            ..Draft::default()
        };
        match (&site.observed, site.cluster()) {
            (Err(why), _) if had_cluster(&site.name, snapshot) && !is_given_up(site, snapshot) => {
                draft.health_problem = Some(format!(
                    "was removed from override, and its remaining nodes are not known: {why}; {}",
                    discard_volumes(&site.name)
                ));
            }
            (Ok(_), Some(cluster)) if owner(cluster) == Some(snapshot.uid()) => {
                if cluster.metadata.deletion_timestamp.is_some() {
                    draft.waiting = Some("its CassandraCluster to be gone".into());
                } else if has_nodes(cluster) {
                    draft.refused = Some(Refusal {
                        reason: Reason::SiteHasNodes,
                        message: format!(
                            "site {0} was taken out of override and still has nodes: put it back, take its data centers out of the replication of all keyspaces, set nodesPerRacks: 0 on them, and take it out when they are gone",
                            site.name
                        ),
                    });
                } else {
                    let waiting = "its CassandraCluster, which has no nodes left, to go";
                    draft.waiting = Some(waiting.into());
                    writes.extend(deletion(&mut draft, cluster, snapshot));
                }
            }
            _ => continue,
        }
        drafts.push(draft);
    }
    (drafts, writes)
}

/// The deletion of the cluster of a site. A `deletePVC` that the resource no longer sets is first withdrawn from the
/// cluster, and the operator of the site carries that out: until then Kubernetes deletes the volumes with the cluster.
fn deletion(
    draft: &mut Draft,
    cluster: &CassandraCluster,
    snapshot: &ObservedSites,
) -> Option<Write> {
    let before = Box::new(cluster.clone());
    let is_set = cluster.spec.delete_pvc == Some(true);
    let what = if deletes_volumes(&snapshot.multi, &draft.name).unwrap_or(is_set) && is_set {
        SiteObject::Delete(before)
    } else if is_set {
        draft.waiting = Some("deletePVC of its CassandraCluster to be withdrawn".into());
        let mut after = before.clone();
        after.spec.delete_pvc = Some(false);
        SiteObject::Change { before, after }
    } else if awaits_owners(cluster) {
        if is_orphan(&draft.name, snapshot) {
            SiteObject::Change {
                after: Box::new(let_go(cluster)),
                before,
            }
        } else {
            draft.waiting = Some(format!(
                "the operator of the site to report that no volume is deleted with its CassandraCluster; to leave the cluster in its site, set the annotation {}: {}",
                names::ORPHAN,
                draft.name
            ));
            return None;
        }
    } else {
        SiteObject::Delete(before)
    };
    Some(Write {
        site: draft.name.clone(),
        what,
    })
}

/// Whether nothing proves that the cluster owns no volumes: the report of its operator about this generation, or `Ready`
/// where the CRD of the site does not have the number.
fn awaits_owners(cluster: &CassandraCluster) -> bool {
    let Some(status) = &cluster.status else {
        return true;
    };
    let mut conditions = status.conditions.iter();
    let is_ready = conditions.any(|one| one.type_ == condition::READY && one.status == "True");
    let is_free = status.owned_volumes.map_or(is_ready, |owned| owned == 0);
    status.observed_generation != cluster.metadata.generation || !is_free
}

fn recorded_cluster<'a>(site: &str, snapshot: &'a ObservedSites) -> Option<&'a ChildStatus> {
    let sites = snapshot.multi.status.iter();
    let recorded = sites.flat_map(|status| &status.sites);
    recorded
        .filter(|recorded| recorded.name == site)
        .find_map(|recorded| recorded.cluster.as_ref())
}

fn had_cluster(site: &str, snapshot: &ObservedSites) -> bool {
    recorded_cluster(site, snapshot).is_some()
}

/// Whether the user allows the cluster of an unreachable site to be left behind.
fn is_given_up(site: &SiteView, snapshot: &ObservedSites) -> bool {
    is_orphan(&site.name, snapshot)
}

fn is_orphan(site: &str, snapshot: &ObservedSites) -> bool {
    let orphans = snapshot.multi.annotations().get(names::ORPHAN);
    orphans.is_some_and(|orphans| orphans.split(',').any(|orphan| orphan.trim() == site))
}

fn discard_volumes(site: &str) -> String {
    format!(
        "the removal continues when the site answers; to abandon its remaining objects, set the annotation {}: \"{site}\"",
        names::ORPHAN
    )
}

/// The next step of a deletion. The finalizer is removed when no cluster is left to handle.
pub fn goes(snapshot: &ObservedSites) -> Plan {
    let how = witness::deletion(&snapshot.multi, snapshot.witness.as_ref());
    let is_asked = snapshot.multi.spec.delete_cassandra_cluster != Some(false);
    let deletes = is_asked && how == Deletion::Cascades;
    let mut drafts = Vec::new();
    let mut writes = Vec::new();
    for site in &snapshot.sites {
        let mut draft = Draft {
            name: site.name.clone(),
            ..Draft::default()
        };
        match (&site.observed, site.cluster()) {
            (Err(why), _) if had_cluster(&site.name, snapshot) && !is_given_up(site, snapshot) => {
                draft.health_problem = Some(format!("{why}; {}", discard_volumes(&site.name)));
            }
            (Ok(_), Some(cluster)) if owner(cluster) == Some(snapshot.uid()) => {
                draft.waiting = Some("its CassandraCluster to go".into());
                let gone = cluster.metadata.deletion_timestamp.is_some();
                match (deletes, gone) {
                    (true, false) => writes.extend(deletion(&mut draft, cluster, snapshot)),
                    (false, _) => writes.push(Write {
                        site: site.name.clone(),
                        what: SiteObject::Change {
                            before: Box::new(cluster.clone()),
                            after: Box::new(let_go(cluster)),
                        },
                    }),
                    (true, true) => {}
                }
            }
            _ => continue,
        }
        drafts.push(draft);
    }
    let finalizer = !drafts.is_empty();
    let status = status::leaving(snapshot, &drafts);
    let is_freeing = writes.iter().any(
        |write| matches!(&write.what, SiteObject::Change { after, .. } if owner(after).is_none()),
    );
    let kept = is_freeing.then_some(how).filter(|_| is_asked);
    let present = snapshot.witness.clone().map(Box::new);
    Plan {
        hand_over: Vec::new(),
        witness: present.filter(|_| !finalizer).map(WitnessWrite::Delete),
        kept: kept.and_then(|how| match how {
            Deletion::Cascades => None,
            Deletion::Orphans => Some(ORPHANED),
            Deletion::InDoubt => Some(IN_DOUBT),
        }),
        status: if finalizer {
            status
        } else {
            MultiCasskopStatus {
                sites: Vec::new(),
                ..status
            }
        },
        writes,
        finalizer,
        requeue: SOON,
    }
}

/// The cluster without the marks of the `MultiCasskop`.
fn let_go(cluster: &CassandraCluster) -> CassandraCluster {
    let mut free = cluster.clone();
    free.labels_mut().remove(names::MULTI_LABEL);
    for key in [names::MULTI_OWNER, names::MULTI_APPLIED, names::SITE] {
        free.annotations_mut().remove(key);
    }
    free
}
