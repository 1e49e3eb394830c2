//! Failures of the leader that repeat the promise of `leader`: its node is drained, its machine is lost, its clock is
//! wrong, and it is frozen at each point of its work.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::time::{Duration, Instant};

use casskop_e2e::{
    Kubectl, Space, cassandra,
    crash::{Writes, has_ended},
    fresh_id,
    instances::{Two, calls, cleaned, leader, lease, no_step_is_left_out, report_takeover, works},
    kubectl,
    machine::LostMachine,
    operator::{self, Shell},
    shared_ring,
    wait::{until, until_every},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// Renewals by a leader with a wrong clock, one per second: longer than two terms.
const RENEWALS: usize = 35;
const SECOND: Duration = Duration::from_secs(1);

/// The node that a pod of the operator runs on.
fn node_of(kubectl: &Kubectl, pod: &str) -> String {
    let pod = kubectl.get("pod", pod).expect("the pod of the leader");
    let node = pod["spec"]["nodeName"].as_str();
    node.expect("it runs").to_owned()
}

/// The nodes of the two instances differ.
fn on_two_nodes(space: &Space) {
    let pods = operator::pods(&space.kubectl);
    let names = pods.iter().map(kubectl::name);
    let mut nodes: Vec<String> = names.map(|pod| node_of(&space.kubectl, &pod)).collect();
    nodes.dedup();
    assert_eq!(
        nodes.len(),
        2,
        "a testbed of two nodes spreads them: NODES=2"
    );
}

#[test]
#[ignore = "needs a testbed of two machines: make clean; NODES=2 make test-e2e"]
fn a_drained_node_hands_over() {
    let (space, demo) = shared_ring();
    let two = Two::run(&space);
    on_two_nodes(&space);
    let (first, _) = two.leader(None);
    let node = node_of(&space.kubectl, &first);
    let began = Instant::now();
    let selector = format!("--pod-selector=app.kubernetes.io/name={}", operator::NAME);
    space.kubectl.ok(&["drain", &node, &selector]);
    two.leader(Some(&first));
    report_takeover("a drained node", began);
    works(&demo);
    space.kubectl.ok(&["uncordon", &node]);
}

/// Without its kubelet the leader goes on leading; without its machine it is followed.
#[test]
#[ignore = "needs a testbed of two machines: make clean; NODES=2 make test-e2e"]
fn a_lost_machine_is_followed() {
    let (space, demo) = shared_ring();
    let keyspaces: Vec<String> = (1..=12)
        .map(|number| format!("e2e_lead_{number}"))
        .collect();
    cassandra::fill(&space.kubectl, "demo-dc1-rack1-0", &keyspaces);
    let two = Two::run(&space);
    on_two_nodes(&space);
    let (first, uid) = two.leader(None);
    let node = node_of(&space.kubectl, &first);
    {
        let _kubelet = LostMachine::lose(&space.kubectl, &node, &[]);
        works(&demo);
        assert_eq!(two.leader(None).0, first);
    }
    let before = cleaned(&demo);
    let id = fresh_id("lost");
    demo.request("cleanup", &id);
    two.calls(&first, &id);
    let began = Instant::now();
    let machine = LostMachine::lose(&space.kubectl, &node, &[uid]);
    two.leader(Some(&first));
    report_takeover("a lost machine", began);
    drop(machine);
    let done = demo.succeeds("cleanup", &id);
    no_step_is_left_out(&done, &before, &cleaned(&demo), 1);
    demo.settles();
}

/// A Lease whose holder has another clock: it expires when it is not renewed, and not by the time in it.
#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn clocks_an_hour_apart_do_not_matter() {
    let (space, demo) = shared_ring();
    let kubectl = &space.kubectl;
    for hours in [-1, 1] {
        operator::scale(kubectl, 0);
        let renew = || {
            let clock = Timestamp::now() + SignedDuration::from_hours(hours);
            let renewed = json!({ "spec": {
                "holderIdentity": "another_clock", "leaseDurationSeconds": 15,
                "acquireTime": format!("{clock:.6}"), "renewTime": format!("{clock:.6}"),
            } });
            kubectl.patch("lease", operator::NAME, &renewed).ok();
        };
        renew();
        operator::scale(kubectl, 1);
        for _ in 0..RENEWALS {
            let holder = lease(kubectl, operator::NAME)["holderIdentity"].clone();
            assert_eq!(holder, "another_clock", "{hours} h: it was still renewed");
            renew();
            std::thread::sleep(SECOND);
        }
        let began = Instant::now();
        leader(kubectl, operator::NAME, Some("another"));
        report_takeover(&format!("a leader with a clock {hours} h off"), began);
        works(&demo);
    }
}

/// The leader is frozen at the first point of its first term, at the second point of its second term, and so on: right
/// after a write or a call. It resumes when the other instance leads.
#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_leader_that_is_frozen_at_each_point_skips_nothing() {
    let (space, demo) = shared_ring();
    let keyspaces: Vec<String> = (1..=8)
        .map(|number| format!("e2e_frozen_{number}"))
        .collect();
    cassandra::fill(&space.kubectl, "demo-dc1-rack1-0", &keyspaces);
    let mut instances = ["one", "two"].map(|name| Shell::instance(&space, name));
    let mut writes = Writes::from_now(&operator::user(&space.kubectl));
    let (mut first, _) = leader(&space.kubectl, operator::NAME, Some("shell"));
    let before = cleaned(&demo);
    let id = fresh_id("frozen");
    let named = keyspaces
        .iter()
        .map(|keyspace| format!("--keyspace {keyspace}"));
    let named: Vec<String> = named.collect();
    demo.request("cleanup", &format!("{id} {}", named.join(" ")));
    let mut freezes = 0;
    loop {
        let index = usize::from(first != "one");
        let seen = writes.seen() + calls(&instances[index].log(), &id);
        let mut polls = 0;
        let ended = until_every(Duration::from_millis(2), "the leader to go on", || {
            let points = writes.seen() + calls(&instances[index].log(), &id) - seen;
            polls += 1;
            match points {
                _ if polls % 300 == 0 && has_ended(&demo, "cleanup", &id) => Ok(true),
                points if points > freezes => Ok(false),
                points => Err(format!("{points} points after {freezes} freezes")),
            }
        });
        if ended {
            break;
        }
        instances[index].freeze(true);
        let called = calls(&instances[index].log(), &id);
        let began = Instant::now();
        let (next, _) = leader(&space.kubectl, operator::NAME, Some(&first));
        report_takeover(&format!("freeze {freezes} of {first}"), began);
        instances[index].freeze(false);
        let code = until("the process that has resumed to end", || {
            instances[index].exit_code().ok_or("it runs".to_owned())
        });
        assert_ne!(code, 0);
        let log = instances[index].log();
        assert_eq!(calls(&log, &id), called, "it called after it resumed");
        instances[index].dies();
        freezes += 1;
        first = next;
    }
    assert!(freezes > 2, "{freezes} freezes");
    let done = demo.succeeds("cleanup", &id);
    no_step_is_left_out(&done, &before, &cleaned(&demo), freezes);
}
