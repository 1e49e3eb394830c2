//! The schedules of a cluster: what is requested when. Pure.

use casskop_common::api::{CassandraCluster, Schedule, ScheduleStatus};
use jiff::Timestamp;

use super::{operations::titled, options::View};
use crate::{
    terminal::{
        colors::Tone,
        columns::{Cell, lay},
    },
    text::plain,
    time::between,
};

/// A line for each schedule: `nightly  flush --keyspace orders  next in 14h: 2026-12-02T02:00:00Z  last 10h ago`.
pub fn list(cluster: &CassandraCluster, view: View) -> Vec<String> {
    let reported = cluster.status.iter().flat_map(|status| &status.schedules);
    let row = |schedule: &Schedule| -> Vec<Cell> {
        let status = reported.clone().find(|one| one.name == schedule.name);
        let (next, tone) = next(schedule, status, view.now);
        vec![
            (plain(&schedule.name).into_owned(), Tone::Plain),
            (plain(&schedule.request).into_owned(), Tone::Plain),
            (next, tone),
            (past(status, view.now), Tone::Dim),
        ]
    };
    let rows: Vec<_> = cluster.spec.schedules.iter().map(row).collect();
    let text = lay(&rows, 2, view.style);
    titled(
        "Schedules",
        text.lines().map(str::to_owned).collect(),
        view.style,
    )
}

fn next(schedule: &Schedule, status: Option<&ScheduleStatus>, now: Timestamp) -> (String, Tone) {
    // A refused spec is written, and the accepted one is in force.
    let is_observed = |status: &&ScheduleStatus| {
        status.cron == schedule.cron && status.time_zone == schedule.time_zone
    };
    let is_suspended = schedule.suspend == Some(true);
    let status = status.filter(is_observed);
    let next = status.and_then(|status| status.next_slot.as_ref());
    match next.map(|next| next.0) {
        None if is_suspended && status.is_some() => ("suspended".into(), Tone::Busy),
        None => ("not observed".into(), Tone::Busy),
        Some(next) if is_suspended => (format!("to be suspended, next is {next}"), Tone::Busy),
        Some(next) if next <= now => (
            format!("due for {}: {next}", between(next, now)),
            Tone::Busy,
        ),
        Some(next) => (
            format!("next in {}: {next}", between(now, next)),
            Tone::Plain,
        ),
    }
}

fn past(status: Option<&ScheduleStatus>, now: Timestamp) -> String {
    let last = status.and_then(|status| status.last_slot.as_ref());
    let missed = status.and_then(|status| status.last_missed_slot.as_ref());
    let last_text = last.map(|last| format!("last {} ago", between(last.0, now)));
    let missed_after = |missed: &Timestamp| last.is_none_or(|last| last.0 < *missed);
    let missed = missed.map(|missed| missed.0).filter(missed_after);
    let missed = missed.map(|missed| format!("left out {missed}, too late"));
    let parts: Vec<String> = last_text.into_iter().chain(missed).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::colors::{Color, Style};

    #[test]
    fn each_schedule_says_what_comes_when() {
        let cluster: CassandraCluster = serde_saphyr::from_str(
            "
apiVersion: db.orange.com/v2
kind: CassandraCluster
metadata: { name: demo }
spec:
  schedules:
    - { name: nightly, cron: '0 2 * * *', request: flush --keyspace orders }
    - { name: weekly, cron: '0 3 * * SUN', request: repair --primary-range, startingDeadlineSeconds: 3600 }
    - { name: often, cron: '*/10 * * * *', request: snapshot }
    - { name: later, cron: '0 4 * * *', request: cleanup, suspend: true }
    - { name: new, cron: '0 5 * * *', request: scrub }
status:
  schedules:
    - { name: nightly, cron: '0 2 * * *', nextSlot: '2026-11-23T02:00:00Z', lastSlot: '2026-11-22T02:00:00Z' }
    - { name: weekly, cron: '0 3 * * SUN', nextSlot: '2026-11-29T03:00:00Z', lastSlot: '2026-11-15T03:00:00Z', lastMissedSlot: '2026-11-22T03:00:00Z' }
    - { name: often, cron: '*/10 * * * *', nextSlot: '2026-11-22T17:00:00Z' }
    - { name: later, cron: '0 4 * * *' }
",
        )
        .unwrap();
        let view = View {
            now: "2026-11-22T17:05:18Z".parse().unwrap(),
            wide: false,
            style: Style::new(Color::Never, false),
        };
        insta::assert_snapshot!(list(&cluster, view).join("\n"));
    }
}
