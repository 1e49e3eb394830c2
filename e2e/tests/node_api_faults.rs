//! Answers of a real node that break off, are late, or are malformed: the step is retried, or the failure is
//! reported. Success is reported only after the node confirmed it, and no other request is blocked.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Cluster,
    agents::{Played, Proxy},
    cassandra, fresh_id,
    operator::Shell,
    shared_ring,
    wait::until,
};
use serde_json::Value;

const KEYSPACE: &str = "e2e_faults";
const POD: &str = "demo-dc1-rack1-0";
const CLEANUP: &str = "forceKeyspaceCleanup";

/// Faults of one answer, and the end of the operation: success after a retry, or a failure with these words.
const FAULTS: [(&str, Result<(), &str>); 9] = [
    ("reset", Ok(())),
    ("truncated", Ok(())),
    ("cut", Ok(())),
    ("empty", Ok(())),
    ("closed", Ok(())),
    ("400", Ok(())),
    ("2", Ok(())),
    ("500", Err("no space")),
    ("401", Err("HTTP 401")),
];

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn an_answer_that_fails_is_never_taken_for_success() {
    let (space, demo) = shared_ring();
    cassandra::fill(&space.kubectl, POD, &[KEYSPACE.to_owned()]);
    // Only tables on disk are cleaned.
    let flush = fresh_id("disk");
    demo.request("flush", &flush);
    demo.succeeds("flush", &flush);
    let operator = Shell::start(&space);
    let other = Played::start(&space, 1, 1);
    let mut proxy = Proxy::before(&demo, POD);
    for (fault, end) in FAULTS {
        let before = cleaned(&demo);
        let met = proxy.met(fault);
        proxy.fails(fault, 1, CLEANUP);
        let ended = demo.ends("cleanup", &ask(&demo, fault));
        assert_eq!(proxy.met(fault), met + 1, "{fault} was met");
        is_honest(&ended, end, cleaned(&demo) - before);
    }
    let pauses = [("hang", "no sign of it"), ("late", "no sign of it")];
    for (fault, why) in pauses {
        let before = cleaned(&demo);
        proxy.fails(fault, 1, CLEANUP);
        let id = ask(&demo, fault);
        until("the fault", || match proxy.met(fault) {
            0 => Err("not met yet".to_owned()),
            _ => Ok(()),
        });
        goes_on(&other.clusters[0]);
        let at_work = demo.operation("cleanup", &id).expect("it is recorded");
        assert_eq!(at_work["phase"], "Running", "{at_work:#}");
        is_honest(
            &demo.succeeds("cleanup", &id),
            Ok(()),
            cleaned(&demo) - before,
        );
        assert!(operator.log().contains(why), "{fault}");
    }
    nobody_answers(&mut proxy, &demo, &other.clusters[0]);
}

/// While the node does not answer, a request waits and reports the reason; then it continues.
fn nobody_answers(proxy: &mut Proxy, demo: &Cluster, other: &Cluster) {
    let before = cleaned(demo);
    proxy.fails("hang", u32::MAX, "");
    demo.tells("Available", "False", &[POD]);
    let id = ask(demo, "silent");
    demo.shows("what it waits for", |cluster| {
        let found = casskop_e2e::cluster::find_operation(cluster, "cleanup", &id)?;
        let message = found["message"].as_str()?;
        (message.contains("nodes-up") && message.contains(POD)).then_some(())
    });
    goes_on(other);
    let waits = demo.operation("cleanup", &id).expect("it is recorded");
    assert_eq!(waits["phase"], "Pending", "{waits:#}");
    assert_eq!(cleaned(demo), before);
    proxy.fails("none", 0, "");
    is_honest(
        &demo.succeeds("cleanup", &id),
        Ok(()),
        cleaned(demo) - before,
    );
    demo.settles();
}

fn ask(demo: &Cluster, fault: &str) -> String {
    let id = fresh_id(fault);
    demo.request(
        "cleanup",
        &format!("{id} --keyspace {KEYSPACE} --pod {POD}"),
    );
    id
}

/// Another cluster of the same operator.
fn goes_on(other: &Cluster) {
    let id = fresh_id("other");
    other.request("flush", &id);
    other.succeeds("flush", &id);
}

/// Success requires the confirmation of the node.
fn is_honest(ended: &Value, end: Result<(), &str>, done: usize) {
    match end {
        Ok(()) => {
            assert_eq!(ended["phase"], "Succeeded", "{ended:#}");
            assert!(done > 0, "nothing was cleaned: {ended:#}");
        }
        Err(words) => {
            assert_eq!(ended["phase"], "Failed", "{ended:#}");
            let error = ended["nodes"][0]["error"].as_str().unwrap_or_default();
            assert!(error.contains(words), "{ended:#}");
            assert_eq!(done, 0, "{ended:#}");
        }
    }
}

/// Successful cleanups of the keyspace in the node's log.
fn cleaned(demo: &Cluster) -> usize {
    let found = cassandra::cleanups(&cassandra::log(&demo.kubectl, POD));
    let done = found
        .iter()
        .filter(|cleanup| cleanup.keyspace == KEYSPACE && cleanup.is_done());
    done.count()
}
