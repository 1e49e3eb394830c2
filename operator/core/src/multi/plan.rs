//! Deciding: what each site is to have next. Pure: no client, no clock, no randomness.
//!
//! The ring forms in one site; the others join it one after the other. From then on each is for itself: one that cannot
//! be reached keeps nobody waiting.

mod conditions;
mod first;
mod hand;
mod operations;
mod removal;
mod seeds;
mod site;
mod status;

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
        observed::{SiteView, Snapshot},
    },
    refusal::Refusal,
};
pub use conditions::tell_failure;
pub use removal::goes;

/// How long a site that did not answer is left in peace: the time to the next look at it.
pub const PAUSE: Duration = Duration::from_secs(5);
/// Time to the next look while something is in the making.
const SOON: Duration = Duration::from_secs(2);
/// Time to the next look when everything is as asked: what is ours in the sites is not watched but for the clusters.
const AT_REST: Duration = Duration::from_secs(60);

/// What is done next.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The status, written before anything else: it has what must not be lost.
    pub status: MultiCasskopStatus,
    /// What is written, in order.
    pub writes: Vec<Write>,
    /// Whether this resource has its finalizer.
    pub finalizer: bool,
    /// When to look again if nothing happens.
    pub requeue: Duration,
}

/// Something to write in a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Write {
    /// The site.
    pub site: String,
    /// What is written.
    pub what: What,
}

/// What is written in a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum What {
    /// Its `CassandraCluster` is made.
    Create(Box<CassandraCluster>),
    /// Its `CassandraCluster` becomes another, from the very one that was looked at.
    Change {
        /// As it was seen.
        before: Box<CassandraCluster>,
        /// As it becomes.
        after: Box<CassandraCluster>,
    },
    /// The very `CassandraCluster` that was looked at goes.
    Delete(Box<CassandraCluster>),
    /// The Service that names the seeds of other sites.
    Service(Box<Service>),
    /// Seeds of another site.
    Slice(Box<EndpointSlice>),
    /// Seeds of a site that is no longer part of the ring go.
    DropSlice(Box<EndpointSlice>),
}

/// What was found out about a site on the way.
#[derive(Clone, Debug, Default)]
struct Draft {
    name: String,
    /// What it waits for.
    waiting: Option<String>,
    /// What somebody should mend.
    trouble: Option<String>,
    /// Why what is asked of this site is not carried out.
    refused: Option<Refusal>,
    /// Its cluster, as it will be.
    after: Option<CassandraCluster>,
}

/// Decides what to do next.
pub fn decide(snapshot: &Snapshot) -> Plan {
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
        // What cannot be carried out changes nothing; what runs is told and keeps its seeds.
        Err(_) => running(snapshot),
    };
    let operations = operations::decide(snapshot);
    hand::over(&mut drafts, &operations.current, snapshot);
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
    if snapshot.intents.reconcile_paused {
        writes.retain(Write::is_handing_over);
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
        status,
        writes,
    }
}

/// The clusters that are wanted.
fn wanted(snapshot: &Snapshot) -> Result<&[Child], Refusal> {
    let children = snapshot.children.as_deref().map_err(Clone::clone)?;
    first::refuse_same_cluster(children, snapshot)?;
    Ok(children)
}

/// Of the clusters that may be made now only the first one is: Cassandra lets one node join at a time.
fn one_at_a_time(drafts: impl Iterator<Item = Draft>, snapshot: &Snapshot) -> Vec<Draft> {
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

fn running(snapshot: &Snapshot) -> Vec<Draft> {
    let told = snapshot.multi.status.iter();
    let told = told.flat_map(|status| &status.sites);
    told.map(|site| {
        let seen = snapshot.site(&site.name).map(|view| &view.seen);
        Draft {
            name: site.name.clone(),
            trouble: seen.and_then(|seen| seen.as_ref().err().cloned()),
            ..Draft::default()
        }
    })
    .collect()
}

impl Draft {
    /// What of the cluster of the site is written.
    fn write(&self, snapshot: &Snapshot) -> Option<Write> {
        let after = self.after.clone().map(Box::new)?;
        let before = snapshot.site(&self.name).and_then(SiteView::cluster);
        let what = match before {
            None => What::Create(after),
            Some(before) if *before == *after => return None,
            Some(before) => What::Change {
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

impl Write {
    /// Whether all that is written are annotations: requests and controls of operations.
    fn is_handing_over(&self) -> bool {
        let What::Change { before, after } = &self.what else {
            return false;
        };
        before.spec == after.spec
    }
}

fn requeue(drafts: &[Draft], writes: &[Write], snapshot: &Snapshot) -> Duration {
    let moves = drafts.iter().any(|draft| draft.waiting.is_some()) || !writes.is_empty();
    if moves {
        SOON
    } else if snapshot.sites.iter().any(|site| site.seen.is_err()) {
        PAUSE
    } else {
        AT_REST
    }
}

/// A complaint about an annotation.
fn complaint(annotation: String, message: impl Into<String>) -> Invalid {
    Invalid {
        annotation,
        message: message.into(),
    }
}

impl std::fmt::Display for What {
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
