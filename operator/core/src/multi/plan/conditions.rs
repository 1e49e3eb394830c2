//! Conditions of the `MultiCasskop`, computed from those of its sites.

use casskop_common::{
    api::{MultiCasskopStatus, condition},
    conditions::Reason,
    text,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    multi::{
        children,
        observed::{self, ObservedSites, SiteView},
        plan::{Draft, operations},
    },
    refusal::Refusal,
    verdict::{self, Verdict},
};

/// All conditions; a condition that did not change keeps its transition time.
pub(crate) fn conditions(
    snapshot: &ObservedSites,
    drafts: &[Draft],
    refused: Option<&Refusal>,
    operations: &operations::Decision,
    writes: bool,
) -> Vec<Condition> {
    let invalid = snapshot.intents.invalid.iter();
    let verdicts = [
        available(snapshot, drafts),
        progressing(snapshot, drafts, refused, writes),
        degraded(snapshot, drafts),
        spec_accepted(snapshot, drafts, refused),
        Verdict::of_intents(
            invalid.chain(&operations.rejections),
            snapshot.intents.more_invalid,
        ),
    ];
    let standard = verdict::standard(&verdicts, stalled_site(snapshot, drafts));
    let old = old(snapshot);
    let generation = snapshot.multi.metadata.generation;
    standard
        .into_iter()
        .chain(verdicts)
        .map(|verdict| verdict.condition(old, generation, snapshot.now))
        .collect()
}

fn old(snapshot: &ObservedSites) -> &[Condition] {
    let status = snapshot.multi.status.as_ref();
    status
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default()
}

/// A site that is stalled. It does not block the other sites, but the spec is not fully applied until an administrator
/// acts.
fn stalled_site(snapshot: &ObservedSites, drafts: &[Draft]) -> Option<(Reason, String)> {
    drafts.iter().find_map(|draft| {
        let cluster = snapshot.site(&draft.name).and_then(SiteView::cluster)?;
        let (stalled, message) = observed::condition(cluster, condition::STALLED)?;
        stalled.then(|| (Reason::Blocked, format!("{}: {message}", draft.name)))
    })
}

/// Whether the nodes of every site are up. Unknown if a site does not answer.
fn available(snapshot: &ObservedSites, drafts: &[Draft]) -> Verdict {
    let not_yet = drafts.iter().find_map(|draft| {
        let view = snapshot.site(&draft.name)?;
        let state = view.observed.as_ref().ok()?;
        match &state.cluster {
            None => Some(format!("{}: there is no CassandraCluster yet", draft.name)),
            Some(cluster) if !observed::is_available(cluster) => {
                let reported = observed::condition(cluster, condition::AVAILABLE);
                let why = reported.map_or("its operator has not observed it yet", |(_, why)| why);
                Some(format!("{}: {why}", draft.name))
            }
            Some(_) => None,
        }
    });
    let unknown = drafts.iter().find(|draft| {
        snapshot
            .site(&draft.name)
            .is_none_or(|view| view.observed.is_err())
    });
    let (holds, reason, message) = match (not_yet, unknown) {
        (Some(why), _) => (Some(false), Reason::SiteNotAvailable, why),
        (None, Some(site)) => (
            None,
            Reason::SiteUnknown,
            format!("{} cannot be reached; all others are available", site.name),
        ),
        (None, None) => (
            Some(true),
            Reason::AllSitesAvailable,
            format!("the nodes of {} are up", text::all(drafts.len(), "site")),
        ),
    };
    Verdict {
        kind: condition::AVAILABLE,
        holds,
        reason,
        message,
    }
}

fn progressing(
    snapshot: &ObservedSites,
    drafts: &[Draft],
    refused: Option<&Refusal>,
    writes: bool,
) -> Verdict {
    let waiting = drafts.iter().find_map(|draft| {
        let waiting = draft.waiting.as_ref()?;
        Some(format!("{} waits for {waiting}", draft.name))
    });
    let of_sites = drafts.iter().find_map(|draft| {
        let cluster = snapshot.site(&draft.name).and_then(SiteView::cluster)?;
        let (holds, message) = observed::condition(cluster, condition::PROGRESSING)?;
        holds.then(|| format!("{}: {message}", draft.name))
    });
    let (holds, reason, message) = match (waiting.or(of_sites), refused) {
        (_, Some(_)) => (
            true,
            Reason::SpecRefused,
            "the spec is not carried out, see SpecAccepted".into(),
        ),
        (Some(why), None) => (true, Reason::SitesProgressing, why),
        (None, None) if writes => (
            true,
            Reason::SitesProgressing,
            "the desired state of the sites is written".into(),
        ),
        (None, None) => (false, Reason::UpToDate, "the sites match the spec".into()),
    };
    Verdict {
        kind: condition::PROGRESSING,
        holds: Some(holds),
        reason,
        message,
    }
}

fn degraded(snapshot: &ObservedSites, drafts: &[Draft]) -> Verdict {
    let own = drafts.iter().filter_map(|draft| {
        Some(format!(
            "{}: {}",
            draft.name,
            draft.health_problem.as_ref()?
        ))
    });
    let of_sites = drafts.iter().filter_map(|draft| {
        let cluster = snapshot.site(&draft.name).and_then(SiteView::cluster)?;
        let (holds, message) = observed::condition(cluster, condition::DEGRADED)?;
        holds.then(|| format!("{}: {message}", draft.name))
    });
    let all: Vec<String> = own.chain(of_sites).collect();
    let (holds, reason, message) = if all.is_empty() {
        (false, Reason::Healthy, "no site has a fault".to_owned())
    } else {
        (true, Reason::SitesUnhealthy, all.join("; "))
    };
    Verdict {
        kind: condition::DEGRADED,
        holds: Some(holds),
        reason,
        message,
    }
}

fn spec_accepted(snapshot: &ObservedSites, drafts: &[Draft], refused: Option<&Refusal>) -> Verdict {
    let of_sites = drafts.iter().filter_map(|draft| draft.refused.as_ref());
    let by_sites = drafts.iter().find_map(|draft| {
        let cluster = snapshot.site(&draft.name).and_then(SiteView::cluster)?;
        let (holds, message) = observed::condition(cluster, condition::SPEC_ACCEPTED)?;
        (!holds).then(|| format!("{} refuses its spec: {message}", draft.name))
    });
    let warnings = children::warnings(&snapshot.multi);
    let (holds, reason, message) = match (refused.into_iter().chain(of_sites).next(), by_sites) {
        (Some(refused), _) => (false, refused.reason, refused.message.clone()),
        (None, Some(message)) => (false, Reason::SiteSpecRefused, message),
        (None, None) if warnings.is_empty() => {
            (true, Reason::Accepted, "every field is carried out".into())
        }
        (None, None) => (true, Reason::AcceptedWithWarnings, warnings.join("; ")),
    };
    Verdict {
        kind: condition::SPEC_ACCEPTED,
        holds: Some(holds),
        reason,
        message,
    }
}

/// Reports a request that an API server rejected. A rejected spec is reported as such.
pub fn report_failure(
    status: &mut MultiCasskopStatus,
    failure: &str,
    is_spec: bool,
    snapshot: &ObservedSites,
) {
    let reason = if is_spec {
        Reason::InvalidCluster
    } else {
        Reason::ApplyFailed
    };
    let about = if is_spec {
        [
            (condition::SPEC_ACCEPTED, false),
            (condition::STALLED, true),
        ]
    } else {
        [(condition::DEGRADED, true), (condition::RECONCILING, true)]
    };
    let always = [(condition::READY, false), (condition::PROGRESSING, true)];
    if is_spec {
        // kstatus evaluates `Reconciling` first, and would not report that an administrator has to act.
        status
            .conditions
            .retain(|known| known.type_ != condition::RECONCILING);
    }
    let is_stalled = |status: &MultiCasskopStatus| {
        let mut known = status.conditions.iter();
        known.any(|known| known.type_ == condition::STALLED)
    };
    for (kind, holds) in about.into_iter().chain(always) {
        if kind == condition::RECONCILING && is_stalled(status) {
            continue;
        }
        let verdict = Verdict {
            kind,
            holds: Some(holds),
            reason,
            message: failure.chars().take(1000).collect(),
        };
        let generation = snapshot.multi.metadata.generation;
        let condition = verdict.condition(old(snapshot), generation, snapshot.now);
        match status
            .conditions
            .iter_mut()
            .find(|known| known.type_ == condition.type_)
        {
            Some(known) => *known = condition,
            None => status.conditions.push(condition),
        }
    }
}
