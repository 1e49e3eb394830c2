//! Requests by the clock.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::collections::BTreeMap;

use casskop_e2e::{Cluster, operator::Shell, plugin::casskop, shared_ring, wait::until};
use jiff::Timestamp;
use serde_json::{Value, json};

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn each_slot_has_one_request_and_those_missed_have_one_together() {
    let (space, demo) = shared_ring();
    let mut operator = Shell::start(&space);
    demo.change(&json!({ "schedules": [{
        "name": "minutely", "cron": "* * * * *", "request": "flush --keyspace system_auth",
    }] }));
    let first = made(&demo, 1);
    operator.kill();
    let seen = made(&demo, 0);
    let missed = slot(seen.last().expect("a request"));
    until("two slots to pass", || {
        let now = Timestamp::now();
        let passed = now.duration_since(missed).as_secs() / 60;
        (passed > 2)
            .then_some(())
            .ok_or_else(|| format!("{passed} of 3, it is {now}"))
    });
    operator.run();
    let after = made(&demo, seen.len() + 1);
    let made_up = slot(&after[seen.len()]);
    let left_out = made_up.duration_since(missed).as_secs() / 60 - 1;
    assert!(left_out >= 1, "one for all that were missed: {after:?}");
    assert!(after.starts_with(&first), "{after:?}");

    let status = casskop(&space.kubectl, &["status", "demo"]).ok();
    assert!(
        status.contains("minutely  flush --keyspace system_auth"),
        "{status}"
    );
    demo.change(&json!({ "schedules": [{
        "name": "minutely", "cron": "* * * * *", "request": "flush", "suspend": true,
    }] }));
    demo.shows("no next slot", |cluster| {
        cluster["status"]["schedules"][0]["nextSlot"]
            .is_null()
            .then_some(())
    });
    each_node_was_called_once(&operator);
    what_is_wrong_is_told(&demo);
    demo.change(&json!({ "schedules": null }));
    drop(operator);
    demo.settles();
}

/// The ids of at least so many requests of the schedule that succeeded, oldest first.
fn made(demo: &Cluster, count: usize) -> Vec<String> {
    demo.shows(&format!("{count} requests of the schedule"), |cluster| {
        let list = |key: &str| cluster["status"][key].as_array().into_iter().flatten();
        let all = list("operations").chain(list("operationHistory"));
        let is_made =
            |one: &&Value| one["requestedBy"] == "schedule" && one["phase"] == "Succeeded";
        let id = |one: &Value| one["id"].as_str().map(str::to_owned);
        let mut ids: Vec<String> = all.filter(is_made).filter_map(id).collect();
        ids.sort();
        (ids.len() >= count).then_some(ids)
    })
}

/// The slot of a request.
fn slot(id: &str) -> Timestamp {
    let slot = id.rsplit('-').next().unwrap_or_default();
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%MZ", slot);
    let time = time.unwrap_or_else(|error| panic!("{id}: {error}"));
    let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).expect("a time");
    zoned.timestamp()
}

/// A kill may repeat the call that was made last.
fn each_node_was_called_once(operator: &Shell) {
    let mut calls: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for call in operator.calls() {
        *calls.entry(call).or_default() += 1;
    }
    calls.retain(|(id, ..), _| id.starts_with("minutely-"));
    assert!(calls.len() >= 6, "{calls:?}");
    let repeated: usize = calls.values().map(|count| count - 1).sum();
    assert!(repeated <= 1, "{calls:?}");
}

fn what_is_wrong_is_told(demo: &Cluster) {
    let wrong = |schedule: &Value| demo.change(&json!({ "schedules": [schedule] }));
    wrong(&json!({ "name": "wrong", "cron": "0 25 * * *", "request": "flush" }));
    let words = ["schedules: wrong", "0..=23"];
    demo.tells("SpecAccepted", "False", &words);
    wrong(
        &json!({ "name": "wrong", "cron": "0 2 * * *", "request": "replace --pod demo-dc1-rack1-0" }),
    );
    let words = ["replace cannot be scheduled"];
    demo.tells("SpecAccepted", "False", &words);
    let zone = "Mars/Olympus";
    wrong(&json!({ "name": "wrong", "cron": "0 2 * * *", "request": "flush", "timeZone": zone }));
    demo.tells("SpecAccepted", "False", &[zone, "IANA"]);
}
