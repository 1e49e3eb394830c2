//! A rolling restart of every node, compared with deleting the same pods by hand one after the other.

use std::time::Instant;

use casskop_e2e::{Cluster, kubectl, operator::is_ready, proxied::Api};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    log,
    operate::operate,
    table::{Row, Table, Unit},
    user,
};

const ROUNDS: usize = 2;

/// Measures both alternately.
pub fn measure(table: &mut Table, api: &Api, demo: &Cluster) {
    let (mut ours, mut singles, mut writes) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let from = Timestamp::now();
        ours.push(operate(api, demo, "restart", ""));
        writes.push(log::writes(&user(demo), from, Timestamp::now()));
        demo.settles();
        let each = demo.pods().iter().map(|pod| by_hand(api, demo, pod)).sum();
        singles.push(each);
    }
    let row = Row::median("rolling restart, 3 nodes", Unit::Seconds, &ours);
    let row = row.beside(Unit::Seconds, &ours, "single restarts, summed up", &singles);
    table.add(row.target("≤ 1.10 × the sum"));
    table.add(Row::counts("  API writes for it", &writes));
}

/// Seconds from the manual deletion of a pod until its successor is Ready. The next deletion follows when all nodes
/// report each other as up again, which is not part of the value.
fn by_hand(api: &Api, demo: &Cluster, pod: &Value) -> f64 {
    let name = kubectl::name(pod);
    let path = format!(
        "/api/v1/namespaces/{}/pods?fieldSelector=metadata.name={name}",
        demo.kubectl.namespace
    );
    let began = Instant::now();
    demo.kubectl.ok(&["delete", "pod", &name, "--wait=false"]);
    let ended = api.watch(&path, |now| {
        now["metadata"]["uid"] != pod["metadata"]["uid"] && is_ready(now)
    });
    demo.settles();
    (ended - began).as_secs_f64()
}
