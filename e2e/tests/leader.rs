//! Two instances of the operator: one leads. The leader is stopped, killed and frozen, and the other one goes on.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Stdio},
    time::Instant,
};

use casskop_e2e::{
    Kubectl, cassandra, fresh_id,
    instances::{
        CLOSELY, Two, called_at, cleaned, no_step_is_left_out, report_takeover, time_of, works,
    },
    kubectl, machine, operator, shared_ring,
    wait::{until, until_every},
};
use serde_json::Value;

const KEYSPACES: usize = 12;
/// Attempts to freeze the leader while an operation runs.
const ROUNDS: usize = 5;

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_leader_that_is_stopped_hands_over() {
    let (space, demo) = shared_ring();
    let two = Two::run(&space);
    let (first, _) = two.leader(None);
    let transitions = two.lease()["leaseTransitions"].as_i64();
    until("the waiting instance to be ready", || {
        let pods = operator::pods(&space.kubectl);
        let ready = pods.iter().filter(|pod| operator::is_ready(pod)).count();
        (ready == 2).then_some(()).ok_or(format!("{ready} ready"))
    });
    until("its container to have a log", || {
        let log = two.log(&first, &[]);
        when(&log, "this instance leads").map(drop).ok_or(log)
    });
    let follower = Follower::of(&space.kubectl, &first);
    let began = Instant::now();
    space.kubectl.ok(&["delete", "pod", &first, "--wait=false"]);
    let (second, _) = two.leader(Some(&first));
    report_takeover("a clean stop", began);
    let log = follower.end();
    let released = when(&log, "the Lease is released").expect("the leader releases the Lease");
    // The Lease is visible before the new leader writes its log, and that before kubelet shows it.
    let led = until("the log of the new leader", || {
        let log = two.log(&second, &[]);
        when(&log, "this instance leads").ok_or(log)
    });
    assert!(released <= led, "released {released}, led {led}");
    let after = two.lease()["leaseTransitions"].as_i64();
    assert_eq!(after, transitions.map(|count| count + 1));
    works(&demo);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_leader_that_is_killed_is_followed() {
    let (space, demo) = shared_ring();
    let two = Two::run(&space);
    let (first, uid) = two.leader(None);
    let renewed = two.lease()["renewTime"].clone();
    let began = Instant::now();
    machine::signal_operator(&uid, "-KILL");
    // The next container of the same pod may be faster than the other pod.
    let next = until_every(CLOSELY, "a leader", || {
        let leads = |pod: &Value| {
            let name = kubectl::name(pod);
            let log = two.log(&name, &[]);
            let restarted = name != first || restarts(pod) > 0;
            (restarted && log.contains("this instance leads")).then_some(name)
        };
        let pods = operator::pods(&space.kubectl);
        pods.iter().find_map(leads).ok_or("nobody leads".to_owned())
    });
    report_takeover(&format!("a kill of {first}, followed by {next}"), began);
    assert_ne!(two.lease()["renewTime"], renewed);
    works(&demo);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_leader_that_wakes_up_late_does_nothing() {
    let (space, demo) = shared_ring();
    let keyspaces: Vec<String> = (1..=KEYSPACES)
        .map(|number| format!("e2e_lead_{number}"))
        .collect();
    cassandra::fill(&space.kubectl, "demo-dc1-rack1-0", &keyspaces);
    let two = Two::run(&space);
    for round in 1.. {
        let (first, uid) = two.leader(None);
        let before = cleaned(&demo);
        let pod = space.kubectl.get("pod", &first).expect("it leads");
        let restarted = restarts(&pod);
        // kubelet may remove a container that has ended, with its log and its exit code, before it is looked at.
        let follower = Follower::of(&space.kubectl, &first);
        let id = fresh_id("frozen");
        demo.request("cleanup", &id);
        two.calls(&first, &id);
        machine::signal_operator(&uid, "-STOP");
        let began = Instant::now();
        let operation = demo.operation("cleanup", &id).expect("it is recorded");
        if !operation["finishedAt"].is_null() {
            assert!(round < ROUNDS, "the operation is always over too early");
            machine::signal_operator(&uid, "-CONT");
            demo.is_looked_at();
            continue;
        }
        let (second, _) = two.leader(Some(&first));
        let acquired = two.lease()["acquireTime"].clone();
        report_takeover(&format!("a frozen {first}, followed by {second}"), began);
        machine::signal_operator(&uid, "-CONT");
        let log = follower.end();
        let ended = until("the process that has woken up to be started anew", || {
            let pod = space.kubectl.get("pod", &first).ok_or("it is gone")?;
            let last = pod["status"]["containerStatuses"][0]["lastState"]["terminated"].clone();
            let is_new = restarts(&pod) > restarted;
            is_new.then_some(last).ok_or(pod["status"].to_string())
        });
        assert_ne!(ended["exitCode"], 0, "{ended}");
        assert!(log.contains("leadership is lost"), "{log}");
        let calls = called_at(&log, &id);
        assert!(!calls.is_empty(), "{log}");
        // Both times are of one clock, and of one format.
        let acquired = acquired.as_str().expect("the new leader records it");
        let late = calls.iter().any(|time| time.as_str() >= acquired);
        assert!(!late, "it called after {acquired}:\n{log}");
        let done = demo.succeeds("cleanup", &id);
        no_step_is_left_out(&done, &before, &cleaned(&demo), 1);
        return;
    }
}

/// Reads the log of a pod of the operator until its container ends.
struct Follower {
    kubectl: Child,
    lines: BufReader<ChildStdout>,
    log: String,
}

impl Follower {
    /// It has begun to read when this returns.
    fn of(kubectl: &Kubectl, pod: &str) -> Self {
        let words = [
            "-n",
            &kubectl.namespace,
            "logs",
            "-f",
            pod,
            "-c",
            "operator",
        ];
        let mut command = kubectl.site.inside("kubectl");
        let started = command.args(words).stdout(Stdio::piped()).spawn();
        let mut kubectl = started.expect("kubectl starts");
        let mut lines = BufReader::new(kubectl.stdout.take().expect("it is piped"));
        let mut log = String::new();
        lines.read_line(&mut log).expect("kubectl reads the log");
        Self {
            kubectl,
            lines,
            log,
        }
    }

    /// The whole log, after the end of the container.
    fn end(mut self) -> String {
        let read = self.lines.read_to_string(&mut self.log);
        read.expect("kubectl reads the log");
        std::mem::take(&mut self.log)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It has ended with the container, or nobody reads on.
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

/// The time of the last line with these words in the log of an operator.
fn when(log: &str, words: &str) -> Option<String> {
    let line = log.lines().rev().find(|line| line.contains(words));
    line.map(time_of)
}

fn restarts(pod: &Value) -> i64 {
    let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_i64();
    restarts.unwrap_or_default()
}
