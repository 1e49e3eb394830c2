//! The operator is killed (`kill -9`) repeatedly during a cleanup over several keyspaces and nodes. After its return,
//! every keyspace of every node is cleaned exactly as planned: Cassandra's log is the reference.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use casskop_e2e::{
    Cluster, Space,
    cassandra::{self, Cleanup},
    figures::report_figure,
    fresh_id,
    operator::Shell,
    shared_ring,
    wait::until_every,
};
use serde_json::Value;

const KEYSPACES: usize = 6;
/// Time between two polls of the operator's log; a node call takes some 100 ms.
const CLOSELY: Duration = Duration::from_millis(5);

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn killed_in_the_middle_of_a_cleanup_it_skips_nothing() {
    let (space, demo) = prepared();
    let mut operator = Shell::start(&space);
    let mut random = Random::new();
    for round in 0..4 {
        let kills = 1 + round % 3;
        let id = fresh_id("killed");
        let before = cleaned(&demo);
        demo.request("cleanup", &id);
        for _ in 0..kills {
            // The kill happens at a random moment: some calls later, and at any point of a call.
            let calls = operator.calls().len();
            let later = calls + 1 + random.below(7);
            let ended = until_every(CLOSELY, "the operator to call nodes", || {
                match operator.calls().len() {
                    seen if seen >= later => Ok(false),
                    _ if operator.has_ended(&id) => Ok(true),
                    seen => Err(format!("{seen} of {later} calls")),
                }
            });
            thread::sleep(Duration::from_millis(random.below(150) as u64));
            operator.kill();
            operator.run();
            if ended {
                break;
            }
        }
        let done = demo.succeeds("cleanup", &id);
        as_planned(&done, &before, &cleaned(&demo), kills);
    }
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn killed_before_it_wrote_anything_down_it_begins_when_it_is_back() {
    let (space, demo) = prepared();
    let mut operator = Shell::start(&space);
    demo.is_looked_at();
    operator.kill();
    let id = fresh_id("asleep");
    let before = cleaned(&demo);
    demo.request("cleanup", &id);
    operator.run();
    let done = demo.succeeds("cleanup", &id);
    as_planned(&done, &before, &cleaned(&demo), 0);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_running_cleanup_is_paused_and_goes_on() {
    let (space, demo) = prepared();
    let operator = Shell::start(&space);
    let id = fresh_id("paused");
    let before = cleaned(&demo);
    demo.request("cleanup", &id);
    in_the_middle(&demo, &operator, &id, || demo.request("cleanup.pause", &id));

    let paused = demo.shows("the first node to end and the others to wait", |cluster| {
        let operation = casskop_e2e::cluster::find_operation(cluster, "cleanup", &id)?;
        let phases = casskop_e2e::cluster::node_phases(&operation);
        let at_rest = phases.iter().all(|(_, phase)| phase != "Running");
        (operation["phase"] == "Paused" && at_rest).then_some(operation)
    });
    let phases = casskop_e2e::cluster::node_phases(&paused);
    let phases: Vec<&str> = phases.iter().map(|(_, phase)| phase.as_str()).collect();
    assert_eq!(phases, ["Succeeded", "Pending", "Pending"], "{paused:#}");
    // The operation stays paused: a restart of the operator does not change that.
    let mut operator = operator;
    operator.kill();
    operator.run();
    demo.is_looked_at();
    assert_eq!(
        demo.operation("cleanup", &id).expect("it is there")["phase"],
        "Paused"
    );

    demo.annotate("cleanup.pause", None).ok();
    let done = demo.succeeds("cleanup", &id);
    as_planned(&done, &before, &cleaned(&demo), 0);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_running_cleanup_is_cancelled_and_leaves_nothing_over() {
    let (space, demo) = prepared();
    let operator = Shell::start(&space);
    let id = fresh_id("cancelled");
    let before = cleaned(&demo);
    demo.request("cleanup", &id);
    in_the_middle(&demo, &operator, &id, || {
        demo.request("cleanup.cancel", &id);
    });
    let ended = demo.ends("cleanup", &id);
    assert_eq!(ended["phase"], "Cancelled", "{ended:#}");
    // Short steps may be done before the operator has observed the annotation; no other node starts.
    let phases = casskop_e2e::cluster::node_phases(&ended);
    let skipped: Vec<&str> = phases
        .iter()
        .filter(|(_, phase)| phase == "Skipped")
        .map(|(pod, _)| pod.as_str())
        .collect();
    assert!(
        skipped.ends_with(&["demo-dc1-rack2-0", "demo-dc1-rack3-0"]),
        "{phases:?}"
    );
    let new = news(&before, &cleaned(&demo));
    assert!(!new["demo-dc1-rack1-0"].is_empty(), "{new:?}");
    assert!(
        new["demo-dc1-rack2-0"].is_empty() && new["demo-dc1-rack3-0"].is_empty(),
        "{new:?}"
    );
    demo.annotate("cleanup.cancel", None).ok();

    // No state is left over: the next operation runs completely.
    let id = fresh_id("after");
    let before = cleaned(&demo);
    demo.request("cleanup", &id);
    let done = demo.succeeds("cleanup", &id);
    as_planned(&done, &before, &cleaned(&demo), 0);
}

/// The shared ring with some keyspaces.
fn prepared() -> (Space, Cluster) {
    let (space, demo) = shared_ring();
    let keyspaces: Vec<String> = (1..=KEYSPACES)
        .map(|number| format!("e2e_kill_{number}"))
        .collect();
    cassandra::fill(&space.kubectl, "demo-dc1-rack1-0", &keyspaces);
    let id = fresh_id("disk");
    demo.request("flush", &id);
    demo.succeeds("flush", &id);
    (space, demo)
}

/// Runs an action while the operator, at work on the first node, is frozen.
fn in_the_middle(demo: &Cluster, operator: &Shell, id: &str, act: impl FnOnce()) {
    until_every(CLOSELY, "the operator to call the first node", || {
        let calls = operator.calls();
        let begun = calls.iter().any(|(request, ..)| request == id);
        if begun {
            Ok(())
        } else {
            Err(format!("{calls:?}"))
        }
    });
    operator.freeze(true);
    let calls = operator.calls();
    let nodes = calls
        .iter()
        .filter(|(request, pod, _)| request == id && !pod.ends_with("rack1-0"));
    assert_eq!(
        nodes.count(),
        0,
        "too late, the second node has begun: {calls:?}"
    );
    act();
    let _ = demo.get();
    operator.freeze(false);
}

/// The cleanups in each node's log.
fn cleaned(demo: &Cluster) -> BTreeMap<String, Vec<Cleanup>> {
    let of = |pod: &String| cassandra::cleanups(&cassandra::log(&demo.kubectl, pod));
    let pods = demo.pod_names();
    pods.into_iter()
        .map(|pod| (pod.clone(), of(&pod)))
        .collect()
}

/// The cleanups that are not in the earlier log.
fn news(
    before: &BTreeMap<String, Vec<Cleanup>>,
    after: &BTreeMap<String, Vec<Cleanup>>,
) -> BTreeMap<String, Vec<Cleanup>> {
    let new = after
        .iter()
        .map(|(pod, all)| (pod.clone(), all[before[pod].len()..].to_vec()));
    new.collect()
}

/// Compares the plan with the cleanups of the nodes: every step of every node, in order, node after node, each once
/// except the last ones before the operator was killed: the operator continues from the last recorded step.
fn as_planned(
    done: &Value,
    before: &BTreeMap<String, Vec<Cleanup>>,
    after: &BTreeMap<String, Vec<Cleanup>>,
    kills: usize,
) {
    let list = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let steps = list(&done["plan"]["steps"]);
    assert!(steps.len() >= KEYSPACES, "{steps:?}");
    let waves: Vec<Vec<String>> = done["plan"]["waves"]
        .as_array()
        .expect("waves")
        .iter()
        .map(list)
        .collect();
    assert_eq!(waves.concat().len(), 3);

    let new = news(before, after);
    let mut back = 0;
    let mut last_end = String::new();
    for pod in waves.concat() {
        let log = &new[&pod];
        assert!(log.iter().all(Cleanup::is_done), "{pod}: {log:?}");
        let done: Vec<usize> = log
            .iter()
            .map(|cleanup| {
                let step = steps.iter().position(|step| *step == cleanup.keyspace);
                step.unwrap_or_else(|| panic!("{pod}: {cleanup:?} was not planned: {steps:?}"))
            })
            .collect();
        assert_eq!(
            (done.first(), done.last()),
            (Some(&0), Some(&(steps.len() - 1))),
            "{pod}: {log:?}"
        );
        for pair in done.windows(2) {
            assert!(
                pair[1] <= pair[0] + 1,
                "{pod}: a keyspace was left out: {log:?}"
            );
            back += usize::from(pair[1] <= pair[0]);
        }
        let first = &log[0].began;
        assert!(
            *first >= last_end,
            "{pod} began at {first}, before the node before it ended at {last_end}"
        );
        last_end = log
            .iter()
            .filter_map(|cleanup| Some(cleanup.ended.as_ref()?.0.clone()))
            .max()
            .unwrap_or_default();
    }
    assert!(
        back <= kills,
        "it went back {back} times after {kills} kills: {new:?}"
    );
}

/// Random kill times; the seed is printed, so that a failure can be reproduced.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let given = std::env::var("E2E_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let clock = now.map_or(1, |now| u64::from(now.subsec_nanos()) | 1);
        let seed = given.unwrap_or(clock);
        report_figure(&format!("random moments by E2E_SEED={seed}"));
        Self(seed)
    }

    /// A number from 0 to below `limit` (xorshift).
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit
    }
}
