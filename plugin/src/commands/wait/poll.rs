//! Waits for the end of a request and reports its progress.

use std::{future::pending, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{end, progress::Progress};
use crate::{
    client::{
        clusters::Clusters,
        submit::Submitted,
        watch::{Change, ClusterWatch},
    },
    commands::arguments::Output,
    error::Result,
    model::{
        request,
        wait::{Awaited, complaint, is_behind_another, lost},
    },
    terminal::Ui,
    text::PROGRAM,
    time,
};

/// Time after which a warning reports that the operator has not recorded the request.
const WARN_AFTER: Duration = Duration::from_secs(10);
/// Changes this time, for tests.
const WARN_AFTER_VARIABLE: &str = "CASSKOP_PATIENCE";

/// Waits until the request has come to its end.
///
/// # Errors
/// When it failed, was refused or taken back; after the timeout; or on Ctrl-C. The operation itself goes on.
pub async fn run(
    clusters: &Clusters,
    submitted: Submitted,
    awaited: &Awaited,
    output: Output,
    timeout: Option<Duration>,
    ui: &Ui,
) -> Result<()> {
    let mut cluster = submitted.cluster;
    let mut watch = ClusterWatch::after(clusters, &cluster);
    // A complaint about the previous value is not about this request.
    let old_complaint = if submitted.known {
        None
    } else {
        complaint(&cluster, &awaited.kind).cloned()
    };
    let mut progress = Progress::new(ui);
    progress.requested(awaited, submitted.known);
    let begun = Instant::now();
    let deadline = timeout.map(|timeout| begun + timeout);
    let mut warn_at = Some(begun + warn_after());
    loop {
        let operation = request::find(&cluster, &awaited.kind, &awaited.id);
        if let Some(operation) = operation {
            warn_at = None;
            if operation.phase.is_final() {
                progress.end();
                return end::conclude(operation, awaited, output, ui);
            }
        } else if let Some(error) = lost(&cluster, awaited, old_complaint.as_ref()) {
            progress.end();
            return Err(error);
        }
        let next = watch.next();
        tokio::pin!(next);
        let change = loop {
            if let Some(operation) = operation {
                progress.show(operation);
            }
            let why = tokio::select! {
                change = &mut next => break change.map_err(|error| {
                    progress.end();
                    end::with_status_hint(error, awaited)
                })?,
                () = at(deadline) => end::timed_out(operation, awaited, timeout.unwrap_or_default()),
                _ = tokio::signal::ctrl_c() => end::interrupted(awaited),
                () = at(warn_at) => {
                    warn_at = None;
                    if !is_behind_another(&cluster, awaited) {
                        progress.note(&not_recorded(clusters, awaited));
                    }
                    continue;
                }
                () = progress.tick() => continue,
            };
            progress.end();
            return Err(why);
        };
        match change {
            Change::Updated(updated) => {
                progress.reconnected();
                cluster = updated;
            }
            Change::Disconnected(why) => progress.disconnected(&why),
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

fn warn_after() -> Duration {
    let set = std::env::var(WARN_AFTER_VARIABLE).ok();
    set.and_then(|text| time::parse_duration(&text).ok())
        .unwrap_or(WARN_AFTER)
}

fn not_recorded(clusters: &Clusters, awaited: &Awaited) -> String {
    format!(
        "the operator has not observed the request yet: the operator does not run, is busy, or does not watch namespace {}; \
         see {PROGRAM} explain {}{}",
        clusters.target.namespace, awaited.cluster, awaited.connection_args
    )
}
