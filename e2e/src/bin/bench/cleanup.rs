//! A cleanup of every node by annotation, compared with the same calls made one after the other by hand.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use casskop_e2e::{Cluster, cassandra, proxied::Api};
use serde_json::{Value, json};

use crate::{
    RACKS,
    node::{Nodes, STORAGE_SERVICE},
    operate::operate,
    table::{Row, Table, Unit},
};

const KEYSPACES: usize = 9;
const ROUNDS: usize = 3;

/// Measures both alternately.
pub fn measure(table: &mut Table, api: &Api, demo: &Cluster) {
    let keyspaces: Vec<String> = (1..=KEYSPACES)
        .map(|index| format!("bench_{index}"))
        .collect();
    cassandra::fill(&demo.kubectl, &demo.pod_names()[0], &keyspaces);
    let nodes = Nodes::find(&demo.kubectl, RACKS.len()).expect("the ring is there");
    let flush = |keyspace: &str| {
        exec(
            "forceKeyspaceFlush(java.lang.String,[Ljava.lang.String;)",
            &json!([keyspace, []]),
        )
    };
    let cleanup = |keyspace: &str| {
        exec(
            "forceKeyspaceCleanup(int,java.lang.String,[Ljava.lang.String;)",
            &json!([0, keyspace, []]),
        )
    };
    // A cleanup has no work before there are files.
    for (url, keyspace) in each(&nodes, &keyspaces) {
        nodes.ask(url, &flush(keyspace)).expect("the node flushes");
    }
    let (mut ours, mut curl, mut loops) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        ours.push(by_annotation(api, demo, &keyspaces));
        let began = Instant::now();
        for (url, keyspace) in each(&nodes, &keyspaces) {
            by_curl(url, &nodes.login, &cleanup(keyspace));
        }
        curl.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        for (url, keyspace) in each(&nodes, &keyspaces) {
            let done = nodes.ask(url, &cleanup(keyspace));
            assert_eq!(done, Some(0.into()), "{keyspace}");
        }
        loops.push(began.elapsed().as_secs_f64());
    }
    let row = Row::median("cleanup, 3 nodes × 9 keyspaces", Unit::Seconds, &ours);
    let row = row.beside(Unit::Seconds, &ours, "curl, call by call", &curl);
    table.add(row.target("≤ 1.5 × curl"));
    let row = Row::median("  the same", Unit::Seconds, &ours);
    table.add(row.beside(Unit::Seconds, &ours, "one connection a node", &loops));
}

fn each<'a>(
    nodes: &'a Nodes,
    keyspaces: &'a [String],
) -> impl Iterator<Item = (&'a String, &'a String)> {
    let pairs = |url| keyspaces.iter().map(move |keyspace| (url, keyspace));
    nodes.urls.iter().flat_map(pairs)
}

fn exec(operation: &str, arguments: &Value) -> Value {
    json!({ "type": "exec", "mbean": STORAGE_SERVICE, "operation": operation, "arguments": arguments })
}

fn by_annotation(api: &Api, demo: &Cluster, keyspaces: &[String]) -> f64 {
    let flags: Vec<String> = keyspaces
        .iter()
        .map(|name| format!("--keyspace {name}"))
        .collect();
    operate(api, demo, "cleanup", &flags.join(" "))
}

fn by_curl(url: &str, login: &str, request: &Value) {
    let header = format!("Authorization: {login}");
    let output = Command::new("curl")
        .args(["-sSf", "-H", &header, "-d", &request.to_string(), url])
        .stdin(Stdio::null())
        .output()
        .expect("curl is installed");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(answer["value"], 0, "{answer}");
}
