//! `events`: those of a cluster and of its objects, and no others.

use serde_json::{Value, json};

use crate::{
    fake::{Api, Reply, failure, merge},
    run::{fixture, run, run_alone},
};

fn event(kind: &str, name: &str, time: &str, reason: &str) -> Value {
    json!({ "metadata": { "name": format!("{name}.1"), "namespace": "shop", "resourceVersion": "7" },
        "type": "Normal", "reason": reason, "note": format!("{reason} happened"), "eventTime": time,
        "regarding": { "kind": kind, "name": name } })
}

/// Serves the cluster, events of its objects and of others, in two pages, and one to come.
pub fn with_events() -> Api {
    let mut warned = event(
        "Pod",
        "demo-dc1-rack2-0",
        "2026-11-22T16:00:00.000000Z",
        "Unhealthy",
    );
    merge(
        &mut warned,
        &json!({ "type": "Warning", "note": "no answer\u{1b}[2J",
            "series": { "count": 12, "lastObservedTime": "2026-11-22T17:05:00.000000Z" } }),
    );
    let mut old = event("StatefulSet", "demo-dc1-rack1", "", "SuccessfulCreate");
    merge(
        &mut old,
        &json!({ "eventTime": null, "deprecatedLastTimestamp": "2026-11-22T16:30:00Z", "deprecatedCount": 2 }),
    );
    let early = "2026-11-22T16:10:00.000000Z";
    let first = [
        warned,
        event(
            "CassandraCluster",
            "demo",
            "2026-11-22T17:00:00.000000Z",
            "OperationRunning",
        ),
        event("Pod", "demo2-dc1-rack1-0", early, "Scheduled"),
    ];
    let second = [
        old,
        event("Pod", "demo-dc1-rack10-0", early, "Scheduled"),
        event(
            "PersistentVolumeClaim",
            "data-demo-dc1-rack1-0",
            early,
            "Bound",
        ),
    ];
    Api::start(move |asked| {
        let page = |items: &[Value], more: &str| {
            json!({ "kind": "EventList", "apiVersion": "events.k8s.io/v1",
                "metadata": { "resourceVersion": "7", "continue": more }, "items": items })
        };
        if !asked.path.contains("/events?") {
            return Reply::Json(200, fixture("healthy.yaml"));
        }
        if asked.path.contains("watch=true") {
            let come = event(
                "Pod",
                "demo-dc1-rack1-1",
                "2026-11-22T17:05:18.000000Z",
                "Started",
            );
            let other = event(
                "Pod",
                "other-dc1-rack1-1",
                "2026-11-22T17:05:18.000000Z",
                "Started",
            );
            let events = [other, come].map(|event| json!({ "type": "ADDED", "object": event }));
            let gone = json!({ "type": "ERROR", "object": { "kind": "Status", "code": 403, "reason": "Forbidden",
                "message": "events.events.k8s.io is forbidden: User \"jane\" cannot watch resource \"events\"" } });
            return Reply::Watch([&events[..], &[gone]].concat(), true);
        }
        if asked.path.contains("continue=") {
            return Reply::Json(200, page(&second, ""));
        }
        Reply::Json(200, page(&first, "more"))
    })
}

#[test]
fn events() {
    insta::assert_snapshot!(run(&with_events(), &["events", "demo"]));
}

#[test]
fn events_for_programs() {
    insta::assert_snapshot!(run(&with_events(), &["events", "demo", "-o", "yaml"]));
}

/// Goes on with those to come, until it may not any more.
#[test]
fn events_to_come() {
    let shown = [
        run(&with_events(), &["events", "demo", "--watch"]),
        run_alone(&["events", "demo", "--watch", "-o", "json"], &[]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn no_events() {
    let api = Api::start(|asked| {
        if asked.path.contains("/events?") {
            return Reply::Json(200, json!({ "metadata": {}, "items": [] }));
        }
        Reply::Json(200, fixture("healthy.yaml"))
    });
    insta::assert_snapshot!(run(&api, &["events", "demo"]));
}

#[test]
fn without_the_right_to_see_events() {
    let api = Api::start(|asked| {
        if asked.path.contains("/events?") {
            let what = "events.events.k8s.io is forbidden: User \"jane\" cannot list resource \"events\" in API group \"events.k8s.io\" in the namespace \"shop\"";
            return failure(403, "Forbidden", what);
        }
        Reply::Json(200, fixture("healthy.yaml"))
    });
    insta::assert_snapshot!(run(&api, &["events", "demo"]));
}
