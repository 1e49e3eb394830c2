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

/// How long a request may lie there before its author is told that nobody takes it up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Changes it, for tests.
const PATIENCE_VARIABLE: &str = "CASSKOP_PATIENCE";

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
            Change::Updated(seen) => {
                progress.recovered();
                cluster = seen;
            }
            Change::Disconnected(why) => progress.trouble(&why),
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

fn nobody(clusters: &Clusters, awaited: &Awaited) -> String {
    format!(
        "nobody has taken up the request yet: the operator does not run, is busy, or does not watch namespace {}; \
         see {PROGRAM} explain {}{}",
        clusters.target.namespace, awaited.cluster, awaited.connection_args
    )
}
