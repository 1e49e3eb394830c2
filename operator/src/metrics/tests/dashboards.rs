//! The dashboards for Grafana, from their one source.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{expressions::is_known, file, known, read};

/// Where source and dashboards are.
const FOLDER: &str = "manifests/monitoring";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dashboard {
    /// Name of the file, and unique id.
    name: String,
    title: String,
    /// The metric whose labels `namespace` and `cluster` can be chosen; none: a dashboard of the operator.
    by: Option<String>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    title: String,
    panels: Vec<Panel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Panel {
    title: String,
    unit: String,
    query: String,
    legend: String,
}

impl Panel {
    fn expression(&self) -> String {
        self.query
            .replace("$ring", r#"namespace="$namespace", cluster="$cluster""#)
            .replace("$every", "$__rate_interval")
    }
}

fn source() -> Vec<Dashboard> {
    serde_saphyr::from_str(&read(&format!("{FOLDER}/dashboards/source.yaml"))).expect("dashboards")
}

fn prometheus() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn variables(by: Option<&String>) -> Vec<Value> {
    let source = json!({ "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus" });
    let choice = |name: &str, query: String| {
        json!({
            "name": name, "type": "query", "datasource": prometheus(),
            "query": { "query": query, "refId": name }, "refresh": 2, "sort": 1,
        })
    };
    let chosen = by.into_iter().flat_map(|metric| {
        let cluster = format!("label_values({metric}{{namespace=\"$namespace\"}}, cluster)");
        [
            choice("namespace", format!("label_values({metric}, namespace)")),
            choice("cluster", cluster),
        ]
    });
    [source].into_iter().chain(chosen).collect()
}

/// Two panels side by side, below the title of their row.
fn panels(rows: &[Row]) -> Vec<Value> {
    let (mut all, mut y) = (Vec::new(), 0);
    for row in rows {
        let at = json!({ "x": 0, "y": y, "w": 24, "h": 1 });
        all.push(json!({ "id": all.len() + 1, "type": "row", "title": row.title, "gridPos": at, "panels": [] }));
        y += 1;
        for pair in row.panels.chunks(2) {
            for (panel, x) in pair.iter().zip([0, 12]) {
                all.push(json!({
                    "id": all.len() + 1, "type": "timeseries", "title": panel.title,
                    "datasource": prometheus(),
                    "gridPos": { "x": x, "y": y, "w": 12, "h": 8 },
                    "fieldConfig": { "defaults": { "unit": panel.unit }, "overrides": [] },
                    "options": { "tooltip": { "mode": "multi", "sort": "desc" } },
                    "targets": [{
                        "refId": "A", "datasource": prometheus(),
                        "expr": panel.expression(), "legendFormat": panel.legend,
                    }],
                }));
            }
            y += 8;
        }
    }
    all
}

fn grafana(dashboard: &Dashboard) -> Value {
    json!({
        "uid": dashboard.name, "title": dashboard.title, "tags": ["cassandra", "casskop"],
        "schemaVersion": 39, "editable": true, "graphTooltip": 1, "refresh": "30s",
        "time": { "from": "now-3h", "to": "now" },
        "templating": { "list": variables(dashboard.by.as_ref()) },
        "panels": panels(&dashboard.rows),
    })
}

#[test]
fn committed_reference_dashboards_are_up_to_date() {
    for dashboard in source() {
        let path = format!("{FOLDER}/dashboards/{}.json", dashboard.name);
        let text = serde_json::to_string_pretty(&grafana(&dashboard)).expect("JSON") + "\n";
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(file(&path), &text).expect("the folder is there");
        }
        assert_eq!(read(&path), text, "run: make docs");
    }
}

#[tokio::test]
async fn dashboards_show_metrics_that_exist() {
    let known = known().await;
    for dashboard in source() {
        let panels = dashboard.rows.iter().flat_map(|row| &row.panels);
        let queries = panels.map(Panel::expression).chain(dashboard.by.clone());
        for query in queries {
            assert!(is_known(&query, &known), "{}: {query}", dashboard.name);
        }
    }
}
