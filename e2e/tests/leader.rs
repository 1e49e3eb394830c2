//! Two instances of the operator: one leads. The leader is stopped, killed and frozen, and the other one goes on.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use casskop_e2e::{
    Cluster, Kubectl, Space,
    cassandra::{self, Cleanup},
    fresh_id, kubectl, machine, operator, shared_ring,
    wait::{until, until_every},
};
use serde_json::{Value, json};

const KEYSPACES: usize = 12;
/// Time between two polls of a log.
const CLOSELY: Duration = Duration::from_millis(20);
/// Attempts to freeze the leader while an operation runs.
const ROUNDS: usize = 5;

/// Two instances, until this value is dropped.
struct Two<'a>(&'a Kubectl);

impl<'a> Two<'a> {
    fn run(space: &'a Space) -> Self {
        operator::scale(&space.kubectl, 2);
        Self(&space.kubectl)
    }

    /// The pod that leads, with its UID, as soon as it is another one than `before`.
    fn leader(&self, before: Option<&str>) -> (String, String) {
        until_every(CLOSELY, "a leader", || {
            let holder = self.lease()["holderIdentity"].clone();
            let holder = holder.as_str().unwrap_or_default();
            match holder.split_once('_') {
                Some((pod, uid)) if Some(pod) != before => Ok((pod.to_owned(), uid.to_owned())),
                _ => Err(format!("held by {holder:?}")),
            }
        })
    }

    fn lease(&self) -> Value {
        let lease = self.0.get("lease", operator::NAME);
        lease.expect("the operator has made its Lease")["spec"].clone()
    }

    fn log(&self, pod: &str, more: &[&str]) -> String {
        let words = [&["logs", pod, "-c", "operator"], more].concat();
        self.0.ok(&words)
    }
}

impl Drop for Two<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let scale = json!({ "spec": { "replicas": 1 } });
            let _ = self.0.patch("deployment", operator::NAME, &scale);
        } else {
            operator::scale(self.0, 1);
        }
    }
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_leader_that_is_stopped_hands_over() {
    let (space, demo) = shared_ring();
    let two = Two::run(&space);
    let (first, _) = two.leader(None);
    let transitions = two.lease()["leaseTransitions"].as_i64();
    let (follower, pod) = (space.kubectl.clone(), first.clone());
    let log = thread::spawn(move || follower.ok(&["logs", "-f", &pod, "-c", "operator"]));
    until("the waiting instance to be ready", || {
        let pods = operator::pods(&space.kubectl);
        let ready = pods.iter().filter(|pod| operator::is_ready(pod)).count();
        (ready == 2).then_some(()).ok_or(format!("{ready} ready"))
    });
    let began = Instant::now();
    space.kubectl.ok(&["delete", "pod", &first, "--wait=false"]);
    let (second, _) = two.leader(Some(&first));
    told("a clean stop", began);
    let log = log.join().expect("kubectl reads the log");
    let released = when(&log, "the Lease is released");
    let led = when(&two.log(&second, &[]), "this instance leads");
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
    told(&format!("a kill of {first}, followed by {next}"), began);
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
        let id = fresh_id("frozen");
        demo.request("cleanup", &id);
        until_every(CLOSELY, "the first call", || {
            let calls = calls(&two.log(&first, &[]), &id);
            (calls > 0).then_some(()).ok_or("no call yet".to_owned())
        });
        machine::signal_operator(&uid, "-STOP");
        let began = Instant::now();
        let operation = demo.operation("cleanup", &id).expect("it is recorded");
        if !operation["finishedAt"].is_null() {
            assert!(round < ROUNDS, "the operation is always over too early");
            machine::signal_operator(&uid, "-CONT");
            demo.is_looked_at();
            continue;
        }
        let called = calls(&two.log(&first, &[]), &id);
        let (second, _) = two.leader(Some(&first));
        told(&format!("a frozen {first}, followed by {second}"), began);
        machine::signal_operator(&uid, "-CONT");
        let ended = until("the process that has woken up to end", || {
            let pod = space.kubectl.get("pod", &first).ok_or("it is gone")?;
            let last = pod["status"]["containerStatuses"][0]["lastState"]["terminated"].clone();
            if last.is_null() {
                Err(pod["status"].to_string())
            } else {
                Ok(last)
            }
        });
        assert_ne!(ended["exitCode"], 0, "{ended}");
        let log = two.log(&first, &["--previous"]);
        assert_eq!(
            calls(&log, &id),
            called,
            "it called after it had woken up:\n{log}"
        );
        let done = demo.succeeds("cleanup", &id);
        each_step_once(&done, &before, &cleaned(&demo));
        return;
    }
}

/// Short steps are recorded together, so the new leader goes back once, to the first step that was not recorded.
fn each_step_once(done: &Value, before: &Cleanups, after: &Cleanups) {
    let steps: Vec<&str> = done["plan"]["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mut back = 0;
    for (pod, all) in after {
        let new = &all[before[pod].len()..];
        assert!(new.iter().all(Cleanup::is_done), "{pod}: {new:?}");
        let order: Vec<usize> = new
            .iter()
            .filter_map(|one| steps.iter().position(|step| *step == one.keyspace))
            .collect();
        let ends = (order.first().copied(), order.last().copied());
        assert_eq!(ends, (Some(0), Some(steps.len() - 1)), "{pod}: {new:?}");
        for pair in order.windows(2) {
            assert!(
                pair[1] <= pair[0] + 1,
                "{pod}: a step was left out: {new:?}"
            );
            back += usize::from(pair[1] <= pair[0]);
        }
    }
    assert!(back <= 1, "it went back {back} times");
}

type Cleanups = BTreeMap<String, Vec<Cleanup>>;

fn cleaned(demo: &Cluster) -> Cleanups {
    let of = |pod: &String| cassandra::cleanups(&cassandra::log(&demo.kubectl, pod));
    let pods = demo.pod_names().into_iter();
    pods.map(|pod| (pod.clone(), of(&pod))).collect()
}

/// Number of calls for a request in the log of an operator.
fn calls(log: &str, id: &str) -> usize {
    let said = |line: &&str| line.contains("calling the node") && line.contains(id);
    log.lines().filter(said).count()
}

/// The time of the last line with these words in the log of an operator.
fn when(log: &str, words: &str) -> String {
    let line = log.lines().rev().find(|line| line.contains(words));
    let line = line.unwrap_or_else(|| panic!("no {words:?} in\n{log}"));
    let line: Value = serde_json::from_str(line).expect("logs are JSON");
    let time = line["timestamp"].as_str();
    time.expect("lines have a timestamp").to_owned()
}

fn restarts(pod: &Value) -> i64 {
    let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_i64();
    restarts.unwrap_or_default()
}

/// An operation succeeds with the present leader.
fn works(demo: &Cluster) {
    let id = fresh_id("led");
    demo.request("flush", &id);
    demo.succeeds("flush", &id);
}

#[expect(clippy::print_stderr, reason = "the times belong to what a run says")]
fn told(what: &str, began: Instant) {
    eprintln!(
        "{what}: the next leader after {:.1} s",
        began.elapsed().as_secs_f64()
    );
}
