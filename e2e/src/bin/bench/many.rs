//! Many clusters: the time until a request reaches a node when there are twenty of them, the cost of the operator
//! when the nodes of fifty more hang, and the effect on the others. Objects, status and API server are real; the
//! nodes are simulated, because no machine runs seventy Cassandras.

use std::{thread, time::Duration};

use casskop_e2e::{
    Cluster, Space,
    agents::{Behaviour, Played},
    cluster::OPERATIONS,
    fresh_id,
    process::Process,
    proxied::Api,
    wait::until,
};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    forget, path, say,
    table::{Row, Table, Unit},
};

/// Namespace of the clusters.
const OURS: &str = "bench-many";
const WELL: usize = 20;
const HANGING: usize = 50;
const ROUNDS: usize = 5;
/// Pauses between two requests, of different length, so that the requests arrive at any point of the operator's
/// cycle.
const PAUSES: [u64; 4] = [70, 110, 150, 190];
/// Seconds of observation of the operator while nodes hang: each of them is polled several times.
const WATCHED: usize = 60;

/// Measures all values.
pub fn measure(table: &mut Table, api: &Api) {
    forget(OURS);
    let space = Space::open(OURS);
    say("20 clusters");
    let well = Played::start(&space, 3, WELL);
    let apart = requests(api, &well, &PAUSES);
    let at_once = requests(api, &well, &[0]);
    report(table, "annotation → node called, 20 clusters", &apart);
    report(table, "  all of them asked at once", &at_once);
    say("50 more");
    let mut hanging = Played::start(&space, 4, HANGING);
    well.run();
    let before = Cost::now(&space);
    hanging.behave(Behaviour::Hang);
    let id = fresh_id("hangs");
    let sent: Vec<&Cluster> = hanging.clusters.iter().collect();
    for cluster in &sent {
        request(api, cluster, &id);
    }
    for cluster in &sent {
        cluster.reaches("flush", &id, &["Pending"]);
    }
    say("50 of 70 hang");
    let mut most = before;
    for _ in 0..WATCHED {
        most = most.or_more(Cost::now(&space));
        thread::sleep(Duration::from_secs(1));
    }
    let beside = requests(api, &well, &PAUSES);
    most = most.or_more(Cost::now(&space));
    report(table, "  while 50 others hang", &beside);
    let ratio = "before they hang";
    let row = Row::median(
        "operator threads, 50 nodes hang, most",
        Unit::Count,
        &[most.threads],
    );
    table.add(row.beside(Unit::Count, &[most.threads], ratio, &[before.threads]));
    let row = Row::median(
        "operator RSS, 50 nodes hang, most",
        Unit::Mebibytes,
        &[most.rss],
    );
    table.add(row.beside(Unit::Mebibytes, &[most.rss], ratio, &[before.rss]));
    let told = hanging.told().len();
    assert_eq!(told, 0, "a node that hangs was told something");
    drop((well, hanging));
    forget(OURS);
}

/// Resource usage of the operator.
#[derive(Clone, Copy)]
struct Cost {
    threads: f64,
    rss: f64,
}

impl Cost {
    fn now(space: &Space) -> Self {
        let process = Process::of_operator(&space.kubectl);
        Self {
            threads: process.field("Threads:"),
            rss: process.mebibytes("VmRSS:"),
        }
    }

    fn or_more(self, other: Self) -> Self {
        Self {
            threads: self.threads.max(other.threads),
            rss: self.rss.max(other.rss),
        }
    }
}

/// Requests a flush of every cluster, several times; returns the seconds from just before the annotation is sent to
/// the call.
fn requests(api: &Api, well: &Played, pauses: &[u64]) -> Vec<f64> {
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let before = well.told().len();
        let id = fresh_id("many");
        let asked: Vec<Timestamp> = (0..well.clusters.len())
            .map(|index| {
                thread::sleep(Duration::from_millis(pauses[index % pauses.len()]));
                let now = Timestamp::now();
                request(api, &well.clusters[index], &id);
                now
            })
            .collect();
        until("every node to be told", || {
            match well.told().len() - before {
                told if told == asked.len() => Ok(()),
                told => Err(format!("{told} of {} were", asked.len())),
            }
        });
        for told in &well.told()[before..] {
            took.push(told.at.duration_since(asked[told.cluster]).as_secs_f64());
        }
        for cluster in &well.clusters {
            cluster.succeeds("flush", &id);
        }
    }
    took
}

fn request(api: &Api, cluster: &Cluster, id: &str) {
    let key = format!("{OPERATIONS}flush");
    let patch = json!({ "metadata": { "annotations": { key: id } } });
    api.merge(&path(cluster), &patch);
}

fn report(table: &mut Table, figure: &str, values: &[f64]) {
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        table.add(Row::quantile(
            &format!("{figure}, {name}"),
            Unit::Millis,
            values,
            share,
        ));
    }
}
