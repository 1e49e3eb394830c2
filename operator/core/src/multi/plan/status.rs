//! The status. It is written only if it differs from the previous one, so no value may change on its own.

use casskop_common::api::{
    CassandraCluster, ChildStatus, MultiCasskopStatus, Reachability, SiteStatus, condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::ResourceExt;

use crate::{
    multi::{
        children,
        observed::{self, ObservedSites, SiteView},
        plan::{Draft, conditions, handover, operations, size},
    },
    refusal::Refusal,
    verdict::intent_errors,
};

/// The status.
pub(crate) fn decide(
    snapshot: &ObservedSites,
    drafts: &[Draft],
    refused: Option<&Refusal>,
    first_site: Option<String>,
    operations: operations::Decision,
    writes: bool,
) -> MultiCasskopStatus {
    let old = snapshot.multi.status.clone().unwrap_or_default();
    let sites: Vec<SiteStatus> = drafts.iter().map(|draft| site(draft, snapshot)).collect();
    let mut status = MultiCasskopStatus {
        observed_generation: snapshot.multi.metadata.generation,
        first_site: old.first_site.or(first_site),
        summary: summary(&sites),
        sites,
        conditions: conditions::conditions(snapshot, drafts, refused, &operations, writes),
        intent_errors: {
            let invalid = snapshot.intents.invalid.iter();
            intent_errors(invalid.chain(&operations.rejections))
        },
        operations: operations.current,
        operation_history: operations.history,
        paused: snapshot.intents.reconcile_paused,
    };
    size::fit(&mut status);
    status
}

/// The status during a deletion.
pub(crate) fn leaving(snapshot: &ObservedSites, drafts: &[Draft]) -> MultiCasskopStatus {
    let old = snapshot.multi.status.clone().unwrap_or_default();
    let nothing = operations::Decision::default();
    let sites: Vec<SiteStatus> = drafts.iter().map(|draft| site(draft, snapshot)).collect();
    MultiCasskopStatus {
        summary: summary(&sites),
        sites,
        conditions: conditions::conditions(snapshot, drafts, None, &nothing, true),
        ..old
    }
}

fn summary(sites: &[SiteStatus]) -> String {
    let available = |site: &&SiteStatus| {
        let up = site
            .cluster
            .as_ref()
            .is_some_and(|cluster| cluster.available);
        up && site.reachability == Reachability::Reachable
    };
    format!("{}/{}", sites.iter().filter(available).count(), sites.len())
}

fn site(draft: &Draft, snapshot: &ObservedSites) -> SiteStatus {
    let old = snapshot
        .multi
        .status
        .iter()
        .flat_map(|status| &status.sites);
    let old = old.clone().find(|old| old.name == draft.name);
    let view = snapshot.site(&draft.name);
    let state = view.and_then(|view| view.observed.as_ref().ok());
    let reachability = match state {
        Some(_) => Reachability::Reachable,
        None => Reachability::Unknown,
    };
    let since = old
        .filter(|old| old.reachability == reachability)
        .and_then(|old| old.since.clone())
        .unwrap_or(Time(snapshot.now));
    let ours = |cluster: &&CassandraCluster| observed::owner(cluster) == Some(snapshot.uid());
    let cluster = match state {
        Some(state) => state.cluster.as_ref().filter(ours).map(child),
        // The last known state is kept: it describes the missing site.
        None => old.and_then(|old| old.cluster.clone()),
    };
    let waits = draft
        .waiting
        .as_ref()
        .map(|what| format!("waits for {what}"));
    let refused = draft
        .refused
        .as_ref()
        .map(|refused| refused.message.clone());
    let message = draft.health_problem.clone().or(refused).or(waits);
    SiteStatus {
        name: draft.name.clone(),
        reachability,
        // A cluster that is created in this reconciliation counts already: it may have members before the next
        // reconciliation.
        created: old.is_some_and(|old| old.created) || draft.after.is_some() || cluster.is_some(),
        since: Some(since),
        message: message
            .or_else(|| cluster.as_ref().map(|cluster| cluster.message.clone()))
            .unwrap_or_default(),
        paused: is_paused(old, view, snapshot),
        cluster,
    }
}

/// Whether a site has, or is to have, the pause of this resource. The record stays until the site was seen without it: a
/// write that takes it away may be lost, refused or late.
fn is_paused(old: Option<&SiteStatus>, view: Option<&SiteView>, snapshot: &ObservedSites) -> bool {
    let status = snapshot.multi.status.as_ref();
    let was_paused = old.is_some_and(|old| old.paused) || status.is_some_and(|old| old.paused);
    let has_it = || match view.map(|view| &view.observed) {
        None | Some(Err(_)) => true,
        Some(Ok(state)) => state.cluster.as_ref().is_some_and(handover::is_paused),
    };
    snapshot.intents.reconcile_paused || (was_paused && has_it())
}

fn child(cluster: &CassandraCluster) -> ChildStatus {
    let status = cluster.status.clone().unwrap_or_default();
    let nodes = &status.cassandra_node_status;
    let well = nodes
        .values()
        .filter(|node| node.ready && node.state == "NORMAL");
    let message_where = |kind: &str, holds: bool| {
        let (status, message) = observed::condition(cluster, kind)?;
        (status == holds).then(|| message.to_owned())
    };
    let message = message_where(condition::SPEC_ACCEPTED, false)
        .or_else(|| message_where(condition::DEGRADED, true))
        .or_else(|| message_where(condition::PROGRESSING, true))
        .or_else(|| message_where(condition::AVAILABLE, true))
        .unwrap_or_else(|| {
            "the operator of the site has not observed it yet: check that it runs there".into()
        });
    ChildStatus {
        uid: cluster.uid().unwrap_or_default(),
        generation: cluster.metadata.generation,
        observed_generation: status.observed_generation,
        phase: status.phase,
        available: observed::is_available(cluster),
        dcs: children::dcs(cluster),
        nodes: count(nodes.len()),
        ready_nodes: count(well.count()),
        message,
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
