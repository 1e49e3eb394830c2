//! Plan: the next change in each site. Pure functions without client, clock or randomness.
//!
//! The ring is formed in one site, and the other sites join it one after the other. Afterwards the sites are
//! independent: an unreachable site does not block the others.

mod conditions;
mod encryption;
mod first;
mod handover;
mod operations;
mod removal;
mod seeds;
mod site;
pub(crate) mod size;
mod status;
mod stored;

use std::time::Duration;

use casskop_common::{
    api::{CassandraCluster, MultiCasskopStatus},
    intent::Invalid,
};
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube_core::ResourceExt;
use serde::Serialize;

use crate::{
    multi::{
        children::Child,
        observed::{ObservedSites, SiteView},
        witness::{self, WitnessWrite},
    },
    refusal::Refusal,
};
pub use conditions::report_failure;
pub use removal::goes;
pub use stored::not_kept;

/// Time to the next reconciliation if a site did not answer, and minimum time between two attempts to reach such a
/// site.
pub const PAUSE: Duration = Duration::from_secs(5);
/// Time to the next reconciliation while a change is in progress.
const SOON: Duration = Duration::from_secs(2);
/// Time to the next reconciliation if all sites match the spec: of the operator's objects in the sites, only the
/// clusters are watched.
const AT_REST: Duration = Duration::from_secs(60);

/// The next changes.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The status, written before anything else, because it records facts that must not be lost.
    pub status: MultiCasskopStatus,
    /// Writes in the sites, in order.
    pub writes: Vec<Write>,
    /// Of these writes the part that hands over requests and controls of operations, for sites that get nothing else.
    pub hand_over: Vec<Write>,
    /// The write of the ConfigMap that shows whether a deletion orphans, before the writes in the sites.
    pub witness: Option<WitnessWrite>,
    /// Why the clusters of the sites stay, although the resource is deleted; published as an event.
    pub kept: Option<&'static str>,
    /// Whether this resource has its finalizer.
    pub finalizer: bool,
    /// Time to the next reconciliation if no event comes first.
    pub requeue: Duration,
}

/// A write in a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Write {
    /// The site.
    pub site: String,
    /// The change.
    pub what: SiteObject,
}

/// A change in a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum SiteObject {
    /// Creates its `CassandraCluster`.
    Create(Box<CassandraCluster>),
    /// Patches its `CassandraCluster`, if its UID and version are still the observed ones.
    Change {
        /// The observed cluster.
        before: Box<CassandraCluster>,
        /// The desired cluster.
        after: Box<CassandraCluster>,
    },
    /// Deletes the observed `CassandraCluster`, by UID and version.
    Delete(Box<CassandraCluster>),
    /// Applies the Service for the seeds of other sites.
    Service(Box<Service>),
    /// Applies the slice with the seeds of another site.
    Slice(Box<EndpointSlice>),
    /// Deletes the slice of a site that is no longer part of the ring.
    DropSlice(Box<EndpointSlice>),
}

impl SiteObject {
    /// Whether it brings the addresses of seeds to a site. They change with the pods, whatever the spec is.
    pub fn is_address(&self) -> bool {
        matches!(self, Self::Service(_) | Self::Slice(_))
    }
}

/// The rejection of a write by the API server of a site: the content of the object is at fault, or would not be kept.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// The site.
    pub site: String,
    /// The message: the attempted change and the reason.
    pub message: String,
}

/// The plan after rejections. A new spec that one site rejects is applied to no site: all sites keep their state, and the
/// generation does not count as observed. Of an older one, the sites that reject their change wait, and no other does.
/// Requests, controls and addresses are handed over in any case.
pub fn refuse(mut plan: Plan, rejections: &[Rejection], snapshot: &ObservedSites) -> Plan {
    let Some(first) = rejections.first() else {
        return plan;
    };
    report_failure(&mut plan.status, &first.message, true, snapshot);
    let old = snapshot.multi.status.as_ref();
    let observed = old.and_then(|old| old.observed_generation);
    let is_new = observed != snapshot.multi.metadata.generation;
    let is_rejected = |write: &Write| rejections.iter().any(|one| one.site == write.site);
    let is_held = |write: &Write| !write.what.is_address() && (is_new || is_rejected(write));
    let (held, mut writes): (Vec<_>, Vec<_>) = plan.writes.into_iter().partition(is_held);
    let hand_over = plan.hand_over.iter().filter(|write| {
        let is_part = held.iter().any(|held| held.site == write.site);
        is_part && !held.contains(write)
    });
    writes.extend(hand_over.cloned());
    if is_new {
        plan.status.observed_generation = observed;
        plan.status.first_site = old.and_then(|old| old.first_site.clone());
    }
    Plan {
        writes,
        // The rehearsal is repeated until a person has corrected something.
        requeue: plan.requeue.max(PAUSE),
        ..plan
    }
}

/// Intermediate result for a site.
#[derive(Clone, Debug, Default)]
struct Draft {
    name: String,
    /// The event that the site waits for.
    waiting: Option<String>,
    /// Problem that needs a correction by an administrator.
    health_problem: Option<String>,
    /// Reason why the desired state of the site is not applied.
    refused: Option<Refusal>,
    /// The desired cluster, with the parts that depend on other sites.
    after: Option<CassandraCluster>,
}

/// Decides about the next changes.
pub fn decide(snapshot: &ObservedSites) -> Plan {
    let wanted = wanted(snapshot);
    let first = first::first_site(snapshot, wanted.as_deref().unwrap_or_default());
    let mut drafts: Vec<Draft> = match &wanted {
        Ok(children) => {
            let present = children.iter().filter_map(|child| {
                let view = snapshot.site(&child.site)?;
                Some(site::draft(child, view, first.as_deref(), snapshot))
            });
            one_at_a_time(present, snapshot)
        }
        // A refused resource changes nothing; existing sites are reported and keep their seeds.
        Err(_) => running(snapshot),
    };
    let operations = operations::decide(snapshot);
    handover::over(&mut drafts, &operations.current, snapshot);
    let mut writes: Vec<Write> = drafts
        .iter()
        .filter_map(|draft| draft.write(snapshot))
        .collect();
    if let Ok(children) = &wanted {
        let (left, removals) = removal::left_out(children, snapshot);
        drafts.extend(left);
        writes.extend(removals);
    }
    writes.extend(seeds::writes(snapshot));
    let names = drafts.iter().map(|draft| draft.name.as_str());
    let hand_over = handover::alone(names, &operations.current, snapshot);
    if snapshot.intents.reconcile_paused {
        writes.clone_from(&hand_over);
    }
    let refused = wanted.as_ref().err();
    let status = status::decide(
        snapshot,
        &drafts,
        refused,
        first,
        operations,
        !writes.is_empty(),
    );
    Plan {
        requeue: requeue(&drafts, &writes, snapshot),
        finalizer: true,
        witness: witness::keep(&snapshot.multi, snapshot.witness.as_ref()),
        kept: None,
        status,
        hand_over,
        writes,
    }
}

/// The desired clusters.
fn wanted(snapshot: &ObservedSites) -> Result<&[Child], Refusal> {
    let children = snapshot.children.as_deref().map_err(Clone::clone)?;
    first::refuse_same_cluster(children, snapshot)?;
    Ok(children)
}

/// Of the clusters that can be created now, creates only the first: Cassandra supports only one joining node at a time.
fn one_at_a_time(drafts: impl Iterator<Item = Draft>, snapshot: &ObservedSites) -> Vec<Draft> {
    let is_new = |draft: &Draft| {
        let live = snapshot.site(&draft.name).and_then(SiteView::cluster);
        draft.after.is_some() && live.is_none()
    };
    let mut made: Option<String> = None;
    let mut all: Vec<Draft> = drafts.collect();
    for draft in all.iter_mut().filter(|draft| is_new(draft)) {
        match &made {
            None => made = Some(draft.name.clone()),
            Some(other) => {
                draft.after = None;
                draft.waiting = Some(format!("{other} to join the ring"));
            }
        }
    }
    all
}

fn running(snapshot: &ObservedSites) -> Vec<Draft> {
    let recorded = snapshot.multi.status.iter();
    let recorded = recorded.flat_map(|status| &status.sites);
    recorded
        .map(|site| {
            let observed = snapshot.site(&site.name).map(|view| &view.observed);
            Draft {
                name: site.name.clone(),
                health_problem: observed.and_then(|observed| observed.as_ref().err().cloned()),
                ..Draft::default()
            }
        })
        .collect()
}

impl Draft {
    /// The write for the cluster of the site, if it changes.
    fn write(&self, snapshot: &ObservedSites) -> Option<Write> {
        let after = self.after.clone().map(Box::new)?;
        let before = snapshot.site(&self.name).and_then(SiteView::cluster);
        let what = match before {
            None => SiteObject::Create(after),
            Some(before) if *before == *after => return None,
            Some(before) => SiteObject::Change {
                before: Box::new(before.clone()),
                after,
            },
        };
        Some(Write {
            site: self.name.clone(),
            what,
        })
    }
}

fn requeue(drafts: &[Draft], writes: &[Write], snapshot: &ObservedSites) -> Duration {
    let moves = drafts.iter().any(|draft| draft.waiting.is_some()) || !writes.is_empty();
    if moves {
        SOON
    } else if snapshot.sites.iter().any(|site| site.observed.is_err()) {
        PAUSE
    } else {
        AT_REST
    }
}

/// An error in an annotation.
fn rejection(annotation: String, message: impl Into<String>) -> Invalid {
    Invalid {
        annotation,
        message: message.into(),
    }
}

impl std::fmt::Display for SiteObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (verb, kind, name) = match self {
            Self::Create(cluster) => ("new", "CassandraCluster", cluster.name_any()),
            Self::Change { after, .. } => ("changed", "CassandraCluster", after.name_any()),
            Self::Delete(cluster) => ("deleted", "CassandraCluster", cluster.name_any()),
            Self::Service(service) => ("applied", "Service", service.name_any()),
            Self::Slice(slice) => ("applied", "EndpointSlice", slice.name_any()),
            Self::DropSlice(slice) => ("deleted", "EndpointSlice", slice.name_any()),
        };
        write!(f, "{verb} {kind} {name}")
    }
}
