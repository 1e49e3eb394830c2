//! Metrics of Cassandra: a real scrape of each version has what dashboards and alerts are about, and they come and go with
//! `spec.metrics`.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{collections::BTreeSet, fs, time::Instant};

use casskop_e2e::{
    Cluster, Space,
    cassandra::{self, scrape},
    cluster,
    figures::report_figure,
    kubectl,
    space::workspace,
    wait::until,
};
use serde_json::{Value, json};

const SERVICE: &str = "metrics-exporter-jmx";
/// Series of a node without tables, and of a table.
const MOST: usize = 500;
const OF_A_TABLE: usize = 15;

fn with_metrics(name: &str, version: &str) -> Value {
    let mut manifest = cluster::ring(name, &[("dc1", &["rack1"])]);
    manifest["spec"]["cassandraImage"] = json!(cluster::image(version));
    manifest["spec"]["metrics"] = json!({ "tables": ["shop.*"] });
    manifest
}

/// Name and labels of each series.
fn series(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| Some(line.rsplit_once(' ')?.0))
        .collect()
}

fn name(series: &str) -> &str {
    series.split('{').next().unwrap_or_default()
}

/// The metrics of nodes that the dashboards and the alerts are about.
fn used() -> BTreeSet<String> {
    let files = ["dashboards/source.yaml", "cassandra-alerts.yaml"];
    let texts = files.map(|file| {
        let path = workspace().join("manifests/monitoring").join(file);
        fs::read_to_string(path).expect("the file is there")
    });
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = texts.iter().flat_map(|text| text.split(|c| !is_part(c)));
    let of_nodes = words.filter(|word| word.starts_with("cassandra_") || word.starts_with("jvm_"));
    of_nodes.map(str::to_owned).collect()
}

/// Those that appear with the first hint that is delivered, and the first stream.
fn comes_with_its_event(metric: &str) -> bool {
    [
        "cassandra_hints_failed",
        "cassandra_hints_timed_out",
        "cassandra_streaming",
    ]
    .iter()
    .any(|begin| metric.starts_with(begin))
}

/// A ring of one node whose scrape has everything; returns its pod.
fn has_all_metrics(space: &Space, ring: &Cluster, version: &str) -> String {
    let pod = ring.pod_names().remove(0);
    let table = [
        "CREATE KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}",
        "CREATE TABLE shop.item (id int PRIMARY KEY, text text)",
        "INSERT INTO shop.item (id, text) VALUES (1, 'one')",
    ];
    cassandra::write(&space.kubectl, &pod, &table);
    let text = until("the table in a scrape", || {
        let text = scrape(&space.kubectl, &pod)?;
        let writes = r#"cassandra_table_writes_total{keyspace="shop",table="item"} 1.0"#;
        if text.lines().any(|line| line == writes) {
            Ok(text)
        } else {
            Err(text)
        }
    });
    let all = series(&text);
    let names: BTreeSet<&str> = all.iter().map(|series| name(series)).collect();
    let used = used();
    let missing = used.iter().filter(|used| !names.contains(used.as_str()));
    let missing: Vec<_> = missing
        .filter(|metric| !comes_with_its_event(metric))
        .collect();
    assert!(missing.is_empty(), "{version}: {missing:?} in\n{text}");
    let of_tables = all
        .iter()
        .filter(|series| name(series).starts_with("cassandra_table_"));
    let of_tables: Vec<_> = of_tables.collect();
    let is_asked_for = |series: &&&str| series.contains(r#"keyspace="shop""#);
    assert!(of_tables.iter().all(is_asked_for), "{of_tables:?}");
    assert_eq!(of_tables.len(), OF_A_TABLE, "{version}: {of_tables:?}");
    let others = all.len() - of_tables.len();
    assert!(others < MOST, "{version}: {others} series");
    let began = Instant::now();
    scrape(&space.kubectl, &pod).expect("a scrape");
    report_figure(&format!(
        "Cassandra {version}: {others} series of a node, {} bytes, a scrape through the API server {} ms",
        text.len(),
        began.elapsed().as_millis()
    ));
    pod
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn metrics_come_and_go_with_the_spec() {
    let space = Space::open("e2e-metrics");
    let ring = space.cluster("metrics");
    ring.apply(&with_metrics("metrics", "5.0"));
    ring.settles();
    let pod = has_all_metrics(&space, &ring, "5.0");
    let found = space
        .kubectl
        .get("endpoints", SERVICE)
        .expect("the Service");
    let ports = &found["subsets"][0]["ports"];
    assert_eq!(ports[0]["port"], json!(9500), "{found}");
    let labelled = space
        .kubectl
        .list("services", "k8s-app=exporter-cassandra-jmx");
    assert_eq!(kubectl::names(&labelled), [SERVICE]);

    let members = ring.host_ids();
    ring.change(&json!({ "metrics": null }));
    until("the port and the Service to go", || {
        let service = space.kubectl.get("service", SERVICE);
        let scraped = scrape(&space.kubectl, &pod);
        if service.is_none() && scraped.is_err() {
            Ok(())
        } else {
            Err(format!("{service:?} {scraped:?}"))
        }
    });
    ring.settles();
    assert_eq!(ring.host_ids(), members);
    assert!(scrape(&space.kubectl, &pod).is_err());
    let ports = ring.pods()[0]["spec"]["containers"][0]["ports"].to_string();
    assert!(!ports.contains("9500"), "{ports}");
    ring.delete();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn earlier_versions_have_the_same_metrics() {
    let space = Space::open("e2e-metrics-versions");
    for (name, version) in [("four-one", "4.1"), ("four-zero", "4.0")] {
        let ring = space.cluster(name);
        ring.apply(&with_metrics(name, version));
        ring.settles();
        has_all_metrics(&space, &ring, version);
        ring.delete();
    }
}
