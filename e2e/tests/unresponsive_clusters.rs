//! Clusters whose nodes hang, beside a healthy one: it does not wait for them, and each of them reports its problem.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    agents::{Behaviour, Played},
    fresh_id, shared_ring,
};

const HANGING: usize = 20;

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn clusters_that_hang_keep_no_other_waiting() {
    let (space, demo) = shared_ring();
    let mut hanging = Played::start(&space, 2, HANGING);
    hanging.behave(Behaviour::Hang);
    let id = fresh_id("hangs");
    for cluster in &hanging.clusters {
        cluster.request("flush", &id);
    }
    for cluster in &hanging.clusters {
        cluster.shows("what it waits for", |cluster| {
            let found = casskop_e2e::cluster::find_operation(cluster, "flush", &id)?;
            let waits = found["message"].as_str()?.contains("nodes-up");
            (waits && found["phase"] == "Pending").then_some(())
        });
    }
    for _ in 0..3 {
        let id = fresh_id("well");
        demo.request("flush", &format!("{id} --keyspace system_auth"));
        demo.succeeds("flush", &id);
    }
    assert!(hanging.told().is_empty(), "nobody was told anything");
    // When the nodes answer again, each request is executed without a new request.
    hanging.behave(Behaviour::Answer);
    for cluster in &hanging.clusters {
        cluster.succeeds("flush", &id);
    }
    let mut told: Vec<usize> = hanging.told().iter().map(|told| told.cluster).collect();
    told.sort_unstable();
    assert_eq!(told, (0..HANGING).collect::<Vec<_>>(), "each once");
}
