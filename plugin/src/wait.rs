//! Waits for the end of a request and tells how far it is.

mod end;
mod progress;

use std::{future::pending, time::Duration};

use casskop_common::{
    api::{CassandraCluster, IntentError},
    names,
};
use kube::ResourceExt;
use tokio::time::{Instant, sleep_until};

use crate::{
    cli::{Output, PROGRAM},
    clusters::Clusters,
    error::{CliError, Result},
    follow::{Change, Follower},
    request::{self, Submitted},
    text::plain,
    time,
    ui::Ui,
};
use progress::Progress;

/// How long a request may lie there before its author is told that nobody takes it up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Changes it, for tests.
const PATIENCE_VARIABLE: &str = "CASSKOP_PATIENCE";

/// A request that is waited for.
pub struct Awaited {
    /// Name of the cluster.
    pub cluster: String,
    /// Kind of the operation.
    pub kind: String,
    /// Id of the request.
    pub id: String,
    /// Whether the plan is all that is asked for.
    pub dry_run: bool,
    /// How the result is printed.
    pub output: Output,
    /// The connection flags, for printed commands.
    pub again: String,
}

impl Awaited {
    /// The command that waits for it again.
    pub fn come_back(&self) -> String {
        let (cluster, kind, id, again) = (&self.cluster, &self.kind, &self.id, &self.again);
        format!("{PROGRAM} wait {cluster} {kind} --id {id}{again}")
    }

    /// The command that controls it.
    pub fn control(&self, control: &str) -> String {
        let (cluster, kind, id, again) = (&self.cluster, &self.kind, &self.id, &self.again);
        format!("{PROGRAM} {control} {cluster} {kind} --id {id}{again}")
    }
}

/// Waits until the request has come to its end.
///
/// # Errors
/// When it failed, was refused or taken back; after the timeout; or on Ctrl-C. The operation itself goes on.
pub async fn run(
    clusters: &Clusters,
    submitted: Submitted,
    awaited: &Awaited,
    timeout: Option<Duration>,
    ui: &Ui,
) -> Result<()> {
    let mut cluster = submitted.cluster;
    let mut follower = Follower::after(clusters, &cluster);
    // A complaint about the value before ours is not about ours.
    let old_complaint = if submitted.known {
        None
    } else {
        complaint(&cluster, &awaited.kind).cloned()
    };
    let mut progress = Progress::new(ui);
    progress.requested(awaited, submitted.known);
    let begun = Instant::now();
    let deadline = timeout.map(|timeout| begun + timeout);
    let mut impatient_at = Some(begun + patience());
    loop {
        let operation = request::find(&cluster, &awaited.kind, &awaited.id);
        if let Some(operation) = operation {
            impatient_at = None;
            if operation.phase.is_final() {
                progress.end();
                return end::conclude(operation, awaited, ui);
            }
        } else if let Some(error) = lost(&cluster, awaited, old_complaint.as_ref()) {
            progress.end();
            return Err(error);
        }
        let next = follower.next();
        tokio::pin!(next);
        let change = loop {
            if let Some(operation) = operation {
                progress.show(operation);
            }
            let why = tokio::select! {
                change = &mut next => break change.map_err(|error| {
                    progress.end();
                    end::stays(error, awaited)
                })?,
                () = at(deadline) => end::timed_out(operation, awaited, timeout.unwrap_or_default()),
                _ = tokio::signal::ctrl_c() => end::interrupted(awaited),
                () = at(impatient_at) => {
                    impatient_at = None;
                    if !is_behind_another(&cluster, awaited) {
                        progress.note(&nobody(clusters, awaited));
                    }
                    continue;
                }
                () = progress.tick() => continue,
            };
            progress.end();
            return Err(why);
        };
        match change {
            Change::Seen(seen) => {
                progress.recovered();
                cluster = seen;
            }
            Change::Trouble(why) => progress.trouble(&why),
            Change::Deleted => {
                progress.end();
                return Err(end::deleted(awaited));
            }
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

fn patience() -> Duration {
    let set = std::env::var(PATIENCE_VARIABLE).ok();
    set.and_then(|text| time::parse_duration(&text).ok())
        .unwrap_or(PATIENCE)
}

/// The operator's error about the annotation of a kind.
pub fn complaint<'a>(cluster: &'a CassandraCluster, kind: &str) -> Option<&'a IntentError> {
    let key = names::request_annotation(kind);
    let errors = &cluster.status.as_ref()?.intent_errors;
    errors.iter().find(|error| error.annotation == key)
}

/// Why the request will never be taken up, if that is so.
fn lost(
    cluster: &CassandraCluster,
    awaited: &Awaited,
    old: Option<&IntentError>,
) -> Option<CliError> {
    let (kind, id) = (&awaited.kind, &awaited.id);
    let key = names::request_annotation(kind);
    let name = &awaited.cluster;
    let Some(value) = cluster.annotations().get(&key) else {
        return Some(
            CliError::failed(format!("{kind} {id} was removed from cluster {name} before the operator took it up"))
                .hint(format!("if the cluster is managed in Git, commit the request: {PROGRAM} {kind} {name} --dry-run=client -o yaml")),
        );
    };
    if value.split_whitespace().next() != Some(id) {
        return Some(CliError::failed(format!(
            "{kind} {id} on cluster {name} was replaced by '{}' before the operator took it up",
            plain(value)
        )));
    }
    let complaint = complaint(cluster, kind).filter(|complaint| Some(*complaint) != old)?;
    Some(
        CliError::failed(format!("the operator does not take up the request: {}", plain(&complaint.message)))
            .hint("nothing was done, and the next request replaces this one; if it is new to the operator, update that"),
    )
}

/// Whether the operator is at work on the request before this one: it takes up one of a kind at a time.
fn is_behind_another(cluster: &CassandraCluster, awaited: &Awaited) -> bool {
    let mut newest = cluster.status.iter().flat_map(|status| &status.operations);
    newest.any(|other| other.kind == awaited.kind && !other.phase.is_final())
}

fn nobody(clusters: &Clusters, awaited: &Awaited) -> String {
    format!(
        "nobody has taken up the request yet: the operator does not run, is busy, or does not watch namespace {}; \
         see {PROGRAM} explain {}{}",
        clusters.place.namespace, awaited.cluster, awaited.again
    )
}
