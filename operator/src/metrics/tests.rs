//! The committed references of the metrics, and the alerts on them.

mod dashboards;
mod expressions;

use std::{
    collections::BTreeSet, convert::Infallible, fmt::Write, fs, net::TcpListener, path::PathBuf,
    sync::Arc, time::Duration,
};

use casskop_common::api;
use casskop_core::pod_config::metrics;
use serde_json::Value;

use super::Metrics;
use crate::node_api::{Access, Credentials, Endpoint, Measured, NodeApi, Nodes};

fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All metrics, with a value of each that has labels.
async fn scraped() -> String {
    let metrics = Metrics::default();
    metrics.operation("flush", "Failed");
    metrics.site("paris", true);
    let pass = std::future::ready(Ok::<(), Option<Infallible>>(()));
    let passed = metrics.reconciliation(Duration::MAX, None, pass).await;
    passed.expect("it is Ok");
    // A port at which nothing listens any more.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let credentials = Arc::new(Credentials {
        username: "u".into(),
        password: "p".into(),
        older: Vec::new(),
    });
    let endpoint = Endpoint {
        port,
        ..Endpoint::new("127.0.0.1", Access::Jolokia(credentials))
    };
    let nodes = Measured::new(Nodes::default(), metrics.node_requests());
    nodes.read(endpoint).await.expect_err("nothing listens");
    metrics.text()
}

#[tokio::test]
async fn requests_to_nodes_are_counted_and_measured() {
    let text = scraped().await;
    for sample in [
        r#"casskop_node_requests_total{request="state",transport="Jolokia",result="error"} 1"#,
        r#"casskop_node_request_duration_seconds_count{request="state",transport="Jolokia"} 1"#,
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample}\n{text}");
    }
}

/// Name, type and help of each metric, as a scrape shows them.
async fn described() -> Vec<(String, String, String)> {
    let text = scraped().await;
    let of = |word: &str, line: &str| {
        let rest = line.strip_prefix(word)?.strip_prefix(' ')?;
        let (name, value) = rest.split_once(' ')?;
        Some((name.to_owned(), value.to_owned()))
    };
    let helps = text.lines().filter_map(|line| of("# HELP", line));
    let types = text.lines().filter_map(|line| of("# TYPE", line));
    let both = helps.zip(types).map(|((name, help), (typed, kind))| {
        assert_eq!(name, typed);
        // The library writes the suffix of a counter into its samples, and ends each help with a full stop.
        let name = if kind == "counter" {
            name + "_total"
        } else {
            name
        };
        (name, kind, help.trim_end_matches('.').to_owned())
    });
    let mut both: Vec<_> = both.collect();
    both.sort();
    both
}

#[tokio::test]
async fn committed_reference_is_up_to_date() {
    let path = "docs/reference/metrics.md";
    let mut text = "# Metrics of the operator\n\nWritten from the code by `make docs`; alerts on them: [runbooks](../runbooks.md).\n\n| metric | type | meaning |\n|---|---|---|\n".to_owned();
    for (name, kind, help) in described().await {
        writeln!(text, "| `{name}` | {kind} | {help} |").expect("a string takes it");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(file(path), &text).expect("docs/reference is a folder");
    }
    assert_eq!(read(path), text, "run: make docs");
}

/// Names of the conventions of Prometheus: the unit comes last, and is a base unit.
#[tokio::test]
async fn names_follow_the_conventions() {
    for (name, kind, _) in described().await {
        assert!(name.starts_with("casskop_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        let is_time = name.contains("duration") || name.contains("timestamp");
        assert!(!is_time || name.ends_with("_seconds"), "{name}");
    }
}

/// The rules of the agent of Cassandra's metrics.
fn rules() -> Vec<Value> {
    let settings = metrics::settings(&api::Metrics::default()).expect("settings");
    let settings: Value = serde_saphyr::from_str(&settings).expect("YAML");
    settings["rules"].as_array().expect("rules").clone()
}

#[test]
fn committed_reference_of_cassandra_is_up_to_date() {
    let path = "docs/reference/cassandra-metrics.md";
    let of = |rule: &Value, field: &str| rule[field].as_str().expect("a text").to_owned();
    let rows: BTreeSet<_> = rules()
        .iter()
        .map(|rule| {
            let labels = rule["labels"].as_object();
            let labels = labels.into_iter().flatten();
            let labels: Vec<String> = labels.map(|(label, _)| format!("`{label}`")).collect();
            let row = [of(rule, "name"), of(rule, "type").to_lowercase()];
            (row, labels.join(", "), of(rule, "help"))
        })
        .collect();
    let mut text = "# Metrics of Cassandra\n\nWritten from the settings of the agent by `make docs`; how to have them: [metrics of Cassandra](../cassandra-metrics.md).\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for ([name, kind], labels, help) in rows {
        writeln!(text, "| `{name}` | {kind} | {labels} | {help} |").expect("a string takes it");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(file(path), &text).expect("docs/reference is a folder");
    }
    assert_eq!(read(path), text, "run: make docs");
}

/// All metrics of the operator and of Cassandra.
async fn known() -> BTreeSet<String> {
    let ours = described().await.into_iter().map(|(name, ..)| name);
    let of_cassandra = rules().into_iter();
    let of_cassandra = of_cassandra.map(|rule| rule["name"].as_str().expect("a name").to_owned());
    ours.chain(of_cassandra).collect()
}

/// Each alert is about metrics that exist, has a page that says what to do, and a test for promtool.
#[tokio::test]
async fn alerts_have_their_metrics_and_runbooks() {
    let known = known().await;
    let runbooks = read("docs/runbooks.md");
    let tests = read("testbed/promtool/alerts.yaml");
    let files = ["alerts.yaml", "cassandra-alerts.yaml"];
    let rules_of = |name| read(&format!("manifests/monitoring/{name}"));
    let files = files.map(|name| serde_saphyr::from_str::<Value>(&rules_of(name)).expect("YAML"));
    let groups = files.iter().map(|file| &file["spec"]["groups"]);
    let groups = groups.flat_map(|groups| groups.as_array().expect("groups"));
    let mut rules = groups
        .flat_map(|group| group["rules"].as_array().expect("rules"))
        .peekable();
    assert!(rules.peek().is_some());
    for rule in rules {
        let name = rule["alert"].as_str().expect("an alert");
        let expression = rule["expr"].as_str().expect("an expression");
        assert!(
            expressions::is_known(expression, &known),
            "{name}: {expression}"
        );
        let anchor = format!("#{}", name.to_lowercase());
        let url = rule["annotations"]["runbook_url"]
            .as_str()
            .unwrap_or_default();
        assert!(
            url.ends_with(&format!("docs/runbooks.md{anchor}")),
            "{name}: {url}"
        );
        assert!(runbooks.contains(&format!("## {name}\n")), "{name}");
        assert!(tests.contains(&format!("  - name: {name}\n")), "{name}");
        assert!(rule["annotations"]["summary"].is_string(), "{name}");
        let severity = rule["labels"]["severity"].as_str();
        assert!(
            matches!(severity, Some("critical" | "warning" | "info")),
            "{name}"
        );
    }
}
