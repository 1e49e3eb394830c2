//! The `CassandraCluster` of one site: whether it can be created now, its owner, and its differences from the desired
//! one.

use casskop_common::{
    api::{CassandraCluster, Drift},
    conditions::Reason,
    names,
};
use kube_core::ResourceExt;

use crate::{
    digest::digest,
    multi::{
        children::Child,
        observed::{ObservedSites, SiteView, is_formed, owner},
        plan::{Draft, encryption, first, seeds},
    },
    refusal::Refusal,
};

/// The next change of a site in the resource.
pub(crate) fn draft(
    child: &Child,
    view: &SiteView,
    first: Option<&str>,
    snapshot: &ObservedSites,
) -> Draft {
    let mut draft = Draft {
        name: child.site.clone(),
        ..Draft::default()
    };
    let state = match &view.observed {
        Ok(state) => state,
        Err(why) => {
            draft.health_problem = Some(why.clone());
            return draft;
        }
    };
    let (wanted, step) = wanted(child, state.cluster.as_ref(), snapshot);
    let Some(live) = &state.cluster else {
        let why = why_not_yet(child, first, snapshot);
        draft.after = why.is_none().then_some(wanted);
        draft.waiting = why.or_else(|| Some("its CassandraCluster to be made".into()));
        return draft;
    };
    if live.metadata.deletion_timestamp.is_some() {
        draft.waiting = Some("its CassandraCluster, which is being deleted, to be gone".into());
        return draft;
    }
    if let Some(refused) = why_not_ours(live, &child.site, snapshot) {
        draft.refused = Some(refused);
        return draft;
    }
    let (after, by_hand) = changed(live, wanted, snapshot);
    draft.health_problem = by_hand;
    draft.waiting = step;
    draft.after = Some(after);
    draft
}

/// The desired cluster with the seeds of the other sites, and the digest of its spec without those seeds; and what the next
/// step of the encryption between nodes waits for.
fn wanted(
    child: &Child,
    live: Option<&CassandraCluster>,
    snapshot: &ObservedSites,
) -> (CassandraCluster, Option<String>) {
    let mut wanted = child.cluster.clone();
    let step = encryption::tell(&mut wanted, live, snapshot);
    let digest = digest(&wanted.spec);
    wanted
        .annotations_mut()
        .insert(names::MULTI_APPLIED.into(), digest);
    let others = seeds::of_others(&child.site, snapshot);
    wanted.spec.seeds.extend(others);
    (wanted, step)
}

/// The reason why the cluster of a site is not created yet. A cluster that was created before is re-created
/// immediately: with the seeds of the other sites it cannot form another ring.
fn why_not_yet(child: &Child, first: Option<&str>, snapshot: &ObservedSites) -> Option<String> {
    if snapshot.was_made(&child.site) {
        return None;
    }
    let Some(first) = first else {
        let unknown = first::unknown(snapshot, snapshot.children()).join(", ");
        return Some(format!(
            "{unknown} to answer: it may have formed a ring already, and there must not be two; if it never will, take it out of override"
        ));
    };
    let others = || snapshot.ours().filter(|(site, _)| site.name != child.site);
    let any_was_made = snapshot
        .sites
        .iter()
        .any(|site| snapshot.was_made(&site.name));
    if first == child.site && !any_was_made && others().next().is_none() {
        return None;
    }
    if !others().any(|(_, cluster)| is_formed(cluster)) {
        return Some(format!("the ring to form in {first}"));
    }
    // Cassandra supports only one joining node at a time.
    let joining = others().find(|(_, cluster)| !is_formed(cluster));
    joining.map(|(site, _)| format!("{} to join the ring", site.name))
}

/// The reason why an existing cluster is not changed.
fn why_not_ours(live: &CassandraCluster, site: &str, snapshot: &ObservedSites) -> Option<Refusal> {
    let owner = owner(live);
    if owner == Some(snapshot.uid()) {
        return None;
    }
    let adopted = snapshot.multi.annotations().get(names::ADOPT);
    let (whose, word) = match owner {
        Some(uid) => (
            format!("belongs to the MultiCasskop with the UID {uid}"),
            uid,
        ),
        None => ("belongs to no MultiCasskop".to_owned(), "unowned"),
    };
    if adopted.is_some_and(|adopted| adopted == word) {
        return None;
    }
    Some(Refusal {
        reason: Reason::OwnedByAnother,
        message: format!(
            "CassandraCluster {} of site {site} {whose}, and is left alone: to take it over, set the annotation {}: \"{word}\" on this resource",
            live.name_any(),
            names::ADOPT
        ),
    })
}

/// The desired cluster, and a message about manual changes that are kept.
fn changed(
    live: &CassandraCluster,
    wanted: CassandraCluster,
    snapshot: &ObservedSites,
) -> (CassandraCluster, Option<String>) {
    let applied =
        |cluster: &CassandraCluster| cluster.annotations().get(names::MULTI_APPLIED).cloned();
    let is_ours = owner(live) == Some(snapshot.uid());
    let only_by_hand = is_ours && applied(live) == applied(&wanted);
    let keeps = snapshot.multi.spec.drift == Some(Drift::Report) && only_by_hand;
    let mut after = live.clone();
    after.labels_mut().extend(wanted.labels().clone());
    after.annotations_mut().extend(wanted.annotations().clone());
    after.spec.seeds.clone_from(&wanted.spec.seeds);
    let by_hand = (keeps && after.spec != wanted.spec).then(|| {
        format!(
            "its spec was changed by hand, and is left so (drift: Report): {}",
            differences(&after, &wanted)
        )
    });
    if !keeps {
        after.spec = wanted.spec;
    }
    (after, by_hand)
}

/// The first fields that differ, at most three.
pub(super) fn differences(live: &CassandraCluster, wanted: &CassandraCluster) -> String {
    let value =
        |cluster: &CassandraCluster| serde_json::to_value(&cluster.spec).unwrap_or_default();
    let patch = json_patch::diff(&value(wanted), &value(live));
    let paths: Vec<String> = patch
        .0
        .iter()
        .take(3)
        .map(|operation| format!("spec{}", operation.path().to_string().replace('/', ".")))
        .collect();
    paths.join(", ")
}
