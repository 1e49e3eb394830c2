//! One more node in each rack, compared with the time that Cassandra itself takes to start and join.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use casskop_e2e::{Cluster, cassandra, kubectl, machine, proxied::Api};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    RACKS, log,
    node::{Nodes, STORAGE_SERVICE},
    operate::resize,
    table::{Row, Table, Unit},
};

/// Time between two polls of the old nodes for joining nodes.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Measures the growth.
pub fn measure(table: &mut Table, api: &Api, demo: &Cluster) {
    let old = Nodes::find(&demo.kubectl, RACKS.len()).expect("the ring is there");
    let ended = AtomicBool::new(false);
    let ((grown, writes), joining) = thread::scope(|scope| {
        let joining = scope.spawn(|| last_seen_joining(&old, &ended));
        let grown = resize(api, demo, 2, 2 * RACKS.len());
        ended.store(true, Ordering::Relaxed);
        (grown, joining.join().expect("the nodes are asked"))
    });
    let joined = demo
        .pods()
        .into_iter()
        .filter(|pod| kubectl::name(pod).ends_with("-1"));
    let own: f64 = joined.map(|pod| own_join(demo, &pod, &joining)).sum();
    let row = Row::median("grow 3 → 6 nodes", Unit::Seconds, &[grown]);
    let row = row.beside(Unit::Seconds, &[grown], "own starts and joins", &[own]);
    table.add(row.target("≤ 1.2 × own"));
    table.add(Row::counts("  API writes for it", &[writes]));
}

/// Seconds from the start of a node's process until it serves clients and the existing nodes report it as a member.
fn own_join(demo: &Cluster, pod: &Value, joining: &BTreeMap<String, Timestamp>) -> f64 {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let began = machine::cassandra_began(&text(&pod["metadata"]["uid"]));
    let log = cassandra::log(&demo.kubectl, &kubectl::name(pod));
    let serves = "Starting listening for CQL clients";
    let serves = log.lines().find(|line| line.contains(serves));
    let serves = serves.and_then(log::cassandra);
    let known = joining.get(&text(&pod["status"]["podIP"])).copied();
    log::seconds(
        began.expect("its process runs"),
        serves.max(known).expect("it serves clients"),
    )
}

/// The last time at which any of these nodes reported another one as joining, by its address.
fn last_seen_joining(nodes: &Nodes, ended: &AtomicBool) -> BTreeMap<String, Timestamp> {
    let request = json!({ "type": "read", "mbean": STORAGE_SERVICE, "attribute": "JoiningNodes" });
    let mut last = BTreeMap::new();
    while !ended.load(Ordering::Relaxed) {
        let answers = nodes.urls.iter().filter_map(|url| nodes.ask(url, &request));
        for answer in answers {
            let joining = answer.as_array().into_iter().flatten();
            let joining = joining.filter_map(Value::as_str);
            last.extend(joining.map(|ip| (ip.to_owned(), Timestamp::now())));
        }
        thread::sleep(ASK_EVERY);
    }
    last
}
