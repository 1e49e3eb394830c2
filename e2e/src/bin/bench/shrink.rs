//! One node fewer in each rack, compared with the time that Cassandra itself takes to leave.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    thread::{self, JoinHandle},
};

use casskop_e2e::{Cluster, proxied::Api};
use jiff::Timestamp;

use crate::{
    RACKS, log,
    operate::{operate, resize},
    table::{Row, Table, Unit},
};

/// Measures the shrinking, after the cleanup that the growth requires.
pub fn measure(table: &mut Table, api: &Api, demo: &Cluster) {
    operate(api, demo, "cleanup", "");
    demo.settles();
    let leaving = demo.pod_names().into_iter();
    let leaving = leaving.filter(|pod| pod.ends_with("-1"));
    let logs: Vec<_> = leaving.map(|pod| follow(demo, &pod)).collect();
    let (shrunk, writes) = resize(api, demo, 1, RACKS.len());
    let own = logs
        .into_iter()
        .map(|log| log.join().expect("the log is read to its end"));
    let own: f64 = own.map(|(began, ended)| log::seconds(began, ended)).sum();
    let row = Row::median("shrink 6 → 3 nodes", Unit::Seconds, &[shrunk]);
    let row = row.beside(Unit::Seconds, &[shrunk], "own decommissions", &[own]);
    table.add(row.target("≤ 1.2 × own"));
    table.add(Row::counts("  API writes for it", &[writes]));
}

/// Follows the log of a node to its end: the start and the end of its decommission.
fn follow(demo: &Cluster, pod: &str) -> JoinHandle<(Timestamp, Timestamp)> {
    let mut kubectl = demo.kubectl.site.inside("kubectl");
    kubectl
        .args(["-n", &demo.kubectl.namespace, "logs", "-f", "--tail=1"])
        .args([pod, "-c", "cassandra"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = kubectl.spawn().expect("kubectl starts");
    let output = child.stdout.take().expect("it is piped");
    thread::spawn(move || {
        let (mut began, mut ended) = (None, None);
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line.contains("DECOMMISSIONING") || line.contains("LEAVING") {
                began = began.or_else(|| log::cassandra(&line));
            }
            if line.contains("DECOMMISSIONED") {
                ended = ended.or_else(|| log::cassandra(&line));
            }
        }
        let _ = child.wait();
        let told = began.zip(ended);
        told.expect("the log says when the node began to leave, and when it had left")
    })
}
