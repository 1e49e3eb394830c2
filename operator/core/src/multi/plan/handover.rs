//! Passes requests and controls of operations to the sites, as annotations of their clusters, and removes passed
//! annotations that were withdrawn. Requests that a user made in a site directly are not changed.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraCluster, MultiOperation, OperationPhase},
    intent::{Controls, Intents},
    names,
};
use kube_core::ResourceExt;

use crate::multi::{
    observed::{self, ObservedSites, SiteView},
    plan::{Draft, Write, operations},
};

/// The value of the annotation that pauses all changes.
const PAUSED: &str = "paused";

/// Controls of a request, with the words after the ID.
fn controls(controls: &Controls) -> BTreeMap<&'static str, String> {
    let plain = [
        ("pause", &controls.pause),
        ("cancel", &controls.cancel),
        ("retry", &controls.retry),
    ];
    let mut all: BTreeMap<&'static str, String> = plain
        .into_iter()
        .filter_map(|(name, id)| Some((name, id.clone()?)))
        .collect();
    if let Some((id, checks)) = &controls.waive {
        all.insert("waive", format!("{id} {}", checks.join(",")));
    }
    all
}

/// Adds the requests and controls to the desired clusters of the sites.
pub(crate) fn over(drafts: &mut [Draft], current: &[MultiOperation], snapshot: &ObservedSites) {
    let old = snapshot.multi.status.clone().unwrap_or_default();
    for draft in drafts {
        let Some(live) = snapshot.site(&draft.name).and_then(SiteView::cluster) else {
            continue;
        };
        let going = live.metadata.deletion_timestamp.is_some();
        if observed::owner(live) != Some(snapshot.uid()) || going {
            continue;
        }
        let after = draft.after.get_or_insert_with(|| live.clone());
        for operation in current {
            request(after, operation, live, &draft.name, snapshot);
            set_controls(after, operation, &snapshot.intents);
        }
        let mut sites = old.sites.iter();
        let was_paused = sites.any(|site| site.name == draft.name && site.paused);
        let was_paused = was_paused || old.paused;
        pause(after, snapshot.intents.reconcile_paused, was_paused);
    }
}

/// The writes that hand over requests and controls, and change nothing else of the clusters of these sites.
pub(crate) fn alone<'a>(
    sites: impl Iterator<Item = &'a str>,
    current: &[MultiOperation],
    snapshot: &ObservedSites,
) -> Vec<Write> {
    let unchanged = |name: &str| Draft {
        name: name.to_owned(),
        ..Draft::default()
    };
    let mut drafts: Vec<Draft> = sites.map(unchanged).collect();
    over(&mut drafts, current, snapshot);
    let writes = drafts.iter();
    writes.filter_map(|draft| draft.write(snapshot)).collect()
}

/// Whether the cluster of a site has the pause.
pub(crate) fn is_paused(cluster: &CassandraCluster) -> bool {
    let annotations = cluster.annotations();
    annotations
        .get(names::RECONCILE)
        .is_some_and(|value| value == PAUSED)
}

/// Whether the cluster of a site has a control of an operation.
pub(crate) fn has_control(
    cluster: &CassandraCluster,
    operation: &MultiOperation,
    control: &str,
) -> bool {
    let key = names::control_annotation(&operation.kind, control);
    let value = cluster.annotations().get(&key);
    value.is_some_and(|value| id(value) == operation.id)
}

fn request(
    after: &mut CassandraCluster,
    operation: &MultiOperation,
    live: &CassandraCluster,
    site: &str,
    snapshot: &ObservedSites,
) {
    let key = names::request_annotation(&operation.kind);
    let stands = after.annotations().get(&key);
    let is_it = stands.is_some_and(|value| id(value) == operation.id);
    if operation.phase == OperationPhase::Withdrawn {
        if is_it {
            after.annotations_mut().remove(&key);
        }
        return;
    }
    let handed = operation.sites.iter().any(|recorded| {
        recorded.site == site
            && recorded.requested
            && !recorded.phase.is_some_and(OperationPhase::is_final)
    });
    let known = observed::operation(live, &operation.kind, &operation.id).is_some();
    if handed && !known && !is_it {
        let value = operations::value(operation, site, snapshot);
        after.annotations_mut().insert(key, value);
    }
}

fn set_controls(after: &mut CassandraCluster, operation: &MultiOperation, intents: &Intents) {
    let none = Controls::default();
    let kind = operation.kind.known();
    let asked = kind.and_then(|kind| intents.controls.get(&kind));
    let standing = controls(asked.unwrap_or(&none));
    for control in &operation.controls {
        let key = names::control_annotation(&operation.kind, control);
        let value = standing.get(control.as_str());
        match value.filter(|value| id(value) == operation.id) {
            Some(value) => drop(after.annotations_mut().insert(key, value.clone())),
            None if has_control(after, operation, control) => {
                after.annotations_mut().remove(&key);
            }
            None => {}
        }
    }
}

fn pause(after: &mut CassandraCluster, paused: bool, was_paused: bool) {
    let annotations = after.annotations_mut();
    if paused {
        annotations.insert(names::RECONCILE.into(), PAUSED.into());
    } else if was_paused {
        annotations.remove(names::RECONCILE);
    }
}

/// The ID at the start of an annotation value.
fn id(value: &str) -> &str {
    value.split_whitespace().next().unwrap_or_default()
}
