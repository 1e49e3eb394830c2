//! One node more in each rack, beside what Cassandra itself takes to start and join.

use casskop_e2e::{Cluster, cassandra, kubectl};
use serde_json::Value;

use crate::{
    RACKS,
    api::Api,
    log,
    operate::resize,
    table::{Row, Table, Unit},
};

/// Measures it.
pub fn measure(table: &mut Table, api: &Api, demo: &Cluster) {
    let (grown, writes) = resize(api, demo, 2, 2 * RACKS.len());
    let joined = demo
        .pods()
        .into_iter()
        .filter(|pod| kubectl::name(pod).ends_with("-1"));
    let own: f64 = joined.map(|pod| own_join(demo, &pod)).sum();
    let row = Row::median("grow 3 → 6 nodes", Unit::Seconds, &[grown]);
    let row = row.beside(Unit::Seconds, &[grown], "own starts and joins", &[own]);
    table.add(row.target("≤ 1.2 × own"));
    table.add(Row::counts("  API writes for it", &[writes]));
}

/// From the first line of a node's log until it is a member in its own eyes.
fn own_join(demo: &Cluster, pod: &Value) -> f64 {
    let log = cassandra::log(&demo.kubectl, &kubectl::name(pod));
    let ip = pod["status"]["podIP"].as_str().unwrap_or_default();
    let member = format!("{ip}:7000 state jump to NORMAL");
    let began = log.lines().find_map(log::cassandra);
    let joined = log.lines().find(|line| line.contains(&member));
    let joined = joined.and_then(log::cassandra);
    log::seconds(
        began.expect("the log has times"),
        joined.expect("the node has joined"),
    )
}
