//! Progress of an operation from site to site. The phase is computed from the phases in the sites, so that a retry in a
//! site resumes the operation without further state.

use casskop_common::{
    api::{MultiOperation, OperationPhase, SiteOperation},
    intent::Controls,
    operations::{Arguments, RecordedKind},
    text::count,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::multi::{
    observed::{self, ObservedSites, SiteView},
    plan::{handover, operations::targets},
};

/// Whether a site has the request and has not ended it.
pub(crate) fn is_at_work(operation: &MultiOperation) -> bool {
    operation.phase != OperationPhase::Withdrawn && operation.sites.iter().any(works)
}

fn works(site: &SiteOperation) -> bool {
    site.requested && !site.phase.is_some_and(OperationPhase::is_final)
}

/// Value of the request annotation for a site.
pub(crate) fn value(operation: &MultiOperation, site: &str, snapshot: &ObservedSites) -> String {
    let words = targets::words(&operation.arguments, site, snapshot);
    format!("{} {words}", operation.id).trim_end().to_owned()
}

/// Records the reports of the sites, and passes the request to the next site. `busy` is another kind of operation in
/// progress.
pub(crate) fn go_on(
    operation: &mut MultiOperation,
    controls: &Controls,
    busy: Option<&RecordedKind>,
    snapshot: &ObservedSites,
) {
    if operation.sites.is_empty() || operation.phase == OperationPhase::Withdrawn {
        return;
    }
    for site in &mut operation.sites {
        record_report(site, &operation.kind, &operation.id, snapshot);
    }
    let quotes = |control: &Option<String>| control.as_deref() == Some(&operation.id);
    let (paused, cancelled) = (quotes(&controls.pause), quotes(&controls.cancel));
    let waived = controls.waive.as_ref().map(|(id, _)| id.clone());
    let set = [
        ("pause", paused),
        ("cancel", cancelled),
        ("retry", quotes(&controls.retry)),
        ("waive", quotes(&waived)),
    ];
    let before = std::mem::take(&mut operation.controls);
    let is_kept =
        |name: &str| before.iter().any(|known| known == name) && lingers(operation, name, snapshot);
    let kept = set.iter().filter(|(name, is_set)| *is_set || is_kept(name));
    operation.controls = kept.map(|(name, _)| (*name).to_owned()).collect();
    let known = Arguments::recorded(&operation.kind, &operation.arguments);
    let is_plan = known.is_some_and(|known| known.shared.dry_run.is_some());
    let held = paused || cancelled || snapshot.intents.reconcile_paused;
    if !held && worst(operation).is_none() {
        hand_on(operation, is_plan, busy, snapshot);
    }
    let (phase, message) = judge(operation, (paused, cancelled), busy);
    operation.finished_at = match (phase.is_final(), operation.finished_at.take()) {
        (true, None) => Some(Time(snapshot.now)),
        (true, at) => at,
        (false, _) => None,
    };
    operation.phase = phase;
    operation.message = message;
}

/// Whether a site has a control that was withdrawn, or may have it: the write that takes it away may be lost, refused or late.
fn lingers(operation: &MultiOperation, control: &str, snapshot: &ObservedSites) -> bool {
    let mut sites = operation
        .sites
        .iter()
        .filter_map(|site| snapshot.site(&site.site));
    sites.any(|view| match &view.observed {
        Err(_) => true,
        Ok(state) => {
            let cluster = state.cluster.as_ref();
            cluster.is_some_and(|cluster| handover::has_control(cluster, operation, control))
        }
    })
}

/// Records the report of a site. An unreachable site keeps its last phase.
fn record_report(
    site: &mut SiteOperation,
    kind: &RecordedKind,
    id: &str,
    snapshot: &ObservedSites,
) {
    let Some(view) = snapshot.site(&site.site) else {
        return;
    };
    if let Err(why) = &view.observed {
        if !site.phase.is_some_and(OperationPhase::is_final) {
            site.message = format!("cannot be reached: {why}");
        }
        return;
    }
    let cluster = view.cluster();
    let known = cluster.and_then(|cluster| observed::operation(cluster, kind, id));
    match known {
        Some(known) => {
            site.requested = true;
            site.phase = Some(known.phase);
            site.message.clone_from(&known.message);
        }
        // An operation that ended and is no longer in the status of the site keeps its phase.
        None if site.phase.is_some_and(OperationPhase::is_final) => {}
        None if site.requested => {
            site.message = "the operator of the site to observe the request".into();
        }
        None => site.message.clear(),
    }
}

/// The first unsuccessful site and its phase, in the order of the phases below.
fn worst(operation: &MultiOperation) -> Option<(OperationPhase, String)> {
    let bad = [
        OperationPhase::Failed,
        OperationPhase::Refused,
        OperationPhase::Cancelled,
        OperationPhase::Withdrawn,
    ];
    let ended = |phase: OperationPhase| {
        let mut sites = operation.sites.iter();
        sites.find(|site| site.phase == Some(phase))
    };
    bad.into_iter().find_map(|phase| {
        ended(phase).map(|site| (phase, format!("{}: {}", site.site, site.message)))
    })
}

/// Passes the request to one site at a time. A dry run changes nothing and is passed to all sites at the same time.
fn hand_on(
    operation: &mut MultiOperation,
    is_plan: bool,
    busy: Option<&RecordedKind>,
    snapshot: &ObservedSites,
) {
    let free = busy.is_none() && !operation.sites.iter().any(works);
    let can_take = |site: &&mut SiteOperation| {
        let view = snapshot.site(&site.site);
        let cluster = view.and_then(SiteView::cluster);
        let ours = |cluster| observed::owner(cluster) == Some(snapshot.uid());
        !site.requested && cluster.is_some_and(ours)
    };
    let next = operation.sites.iter_mut().filter(can_take);
    let next = next.take(match (is_plan, free) {
        (true, _) => usize::MAX,
        (false, true) => 1,
        (false, false) => 0,
    });
    for site in next {
        site.requested = true;
        site.message = "the operator of the site to observe the request".into();
    }
}

fn judge(
    operation: &MultiOperation,
    (paused, cancelled): (bool, bool),
    busy: Option<&RecordedKind>,
) -> (OperationPhase, String) {
    let sites = &operation.sites;
    let ended = sites
        .iter()
        .filter(|site| site.phase.is_some_and(OperationPhase::is_final))
        .count();
    let at_work = sites.iter().find(|site| works(site));
    if let Some(site) = at_work {
        let phase = if paused {
            OperationPhase::Paused
        } else {
            OperationPhase::Running
        };
        let done = format!(
            "{ended} of {} done; {}",
            count(sites.len(), "site"),
            site.site
        );
        return (phase, format!("{done}: {}", site.message));
    }
    if let Some((phase, why)) = worst(operation) {
        let left = sites.len() - ended;
        let rest = match left {
            0 => String::new(),
            left => format!("; left alone: {}", count(left, "site")),
        };
        return (phase, format!("{why}{rest}"));
    }
    if ended == sites.len() {
        let planned = sites
            .iter()
            .all(|site| site.phase == Some(OperationPhase::Planned));
        return if planned {
            (
                OperationPhase::Planned,
                format!("planned in {}; nothing was called", count(ended, "site")),
            )
        } else {
            (
                OperationPhase::Succeeded,
                format!("done in {}", count(ended, "site")),
            )
        };
    }
    if cancelled {
        let message = format!("cancelled after {ended} of {}", count(sites.len(), "site"));
        return (OperationPhase::Cancelled, message);
    }
    if paused {
        let message = format!("paused after {ended} of {}", count(sites.len(), "site"));
        return (OperationPhase::Paused, message);
    }
    let phase = if ended > 0 {
        OperationPhase::Running
    } else {
        OperationPhase::Pending
    };
    if let Some(kind) = busy {
        return (phase, format!("waits for {kind} to end in all sites"));
    }
    let left: Vec<String> = sites
        .iter()
        .filter(|site| !site.requested)
        .map(|site| match site.message.as_str() {
            "" => format!("{} has no cluster of ours yet", site.site),
            why => format!("{} {why}", site.site),
        })
        .collect();
    let done = format!("{ended} of {} done", count(sites.len(), "site"));
    (phase, format!("{done}; waits: {}", left.join("; ")))
}
