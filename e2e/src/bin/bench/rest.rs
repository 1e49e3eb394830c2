//! Cost of the operator while nothing happens: memory, writes, calls to nodes.

use std::{collections::BTreeMap, thread, time::Duration};

use casskop_e2e::{Cluster, Kubectl, kubectl, operator, process::Process, proxied::Api};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    RACKS, log,
    table::{Row, Table, Unit},
    user,
};

/// Time until the operator has completed the consequences of a change.
const SETTLE: Duration = Duration::from_secs(15);

/// Memory of the operator, in MiB: resident, and the part of it that is not backed by files.
#[derive(Default)]
pub struct Memory {
    none: Vec<[f64; 2]>,
    one: Vec<[f64; 2]>,
    requests: Vec<[f64; 2]>,
}

impl Memory {
    /// Reads the memory while there are no clusters.
    pub fn without_clusters(&mut self, kubectl: &Kubectl) {
        thread::sleep(SETTLE);
        self.none.push(memory(kubectl));
    }

    /// Reads the memory with one cluster at rest.
    pub fn with_one_cluster(&mut self, kubectl: &Kubectl) {
        thread::sleep(SETTLE);
        self.one.push(memory(kubectl));
    }

    /// Reads the memory after many requests.
    pub fn after_requests(&mut self, kubectl: &Kubectl) {
        thread::sleep(SETTLE);
        self.requests.push(memory(kubectl));
    }

    /// Prints the memory.
    pub fn report(&self, table: &mut Table) {
        let row = |figure: &str, values: &[[f64; 2]]| {
            let values = |index: usize| values.iter().map(|value| value[index]).collect::<Vec<_>>();
            let anonymous: Vec<String> = values(1)
                .iter()
                .map(|value| format!("{value:.1}"))
                .collect();
            Row::median(figure, Unit::Mebibytes, &values(0))
                .note(&format!("of it anonymous: {}", anonymous.join(" ")))
        };
        table.add(row("operator RSS, no cluster", &self.none).target("≤ 10 MiB"));
        table.add(row("operator RSS, one cluster", &self.one).target("≤ 12 MiB"));
        table.add(row("  after the requests", &self.requests));
    }
}

/// Leaves the cluster at rest for a while and counts the operator's actions.
pub fn measure(table: &mut Table, api: &Api, demo: &Cluster, seconds: u32) {
    let (began, events, passes) = (Timestamp::now(), events(demo), reconciliations(api, demo));
    thread::sleep(Duration::from_secs(seconds.into()));
    let (ended, events_after, passes_after) = (
        Timestamp::now(),
        self::events(demo),
        reconciliations(api, demo),
    );
    let minutes = f64::from(seconds) / 60.0;
    let writes = log::writes(&user(demo), began, ended);
    let news = events_after
        .iter()
        .filter(|&(name, version)| events.get(name) != Some(version))
        .count();
    #[expect(clippy::cast_precision_loss, reason = "counts of some minutes")]
    let rate = |count: usize| [count as f64 / minutes];
    let over = format!("in {seconds} s");
    table.add(
        Row::median("API writes at rest", Unit::PerMinute, &rate(writes))
            .note(&format!("{writes} writes by the audit log {over}"))
            .target("0"),
    );
    table.add(
        Row::median("Events at rest", Unit::PerMinute, &rate(news))
            .note(&format!(
                "{news} by the operator, new or counted on, {over}"
            ))
            .target("0"),
    );
    let passes = passes_after - passes;
    let calls = passes * RACKS.len();
    table.add(
        Row::median(
            "Jolokia calls at rest, 3 nodes",
            Unit::PerMinute,
            &rate(calls),
        )
        .note(&format!(
            "{passes} looks at {} nodes, one call each, {over}",
            RACKS.len()
        ))
        .target("few, and said"),
    );
}

/// Events of the operator, which the audit log omits, with their versions.
fn events(demo: &Cluster) -> BTreeMap<String, Value> {
    let text = demo
        .kubectl
        .ok(&["get", "events.events.k8s.io", "-o", "json"]);
    let all = kubectl::json(&text)["items"].take();
    let all = all.as_array().into_iter().flatten();
    all.filter(|event| {
        let by = event["reportingController"].as_str();
        by.is_some_and(|by| by.contains(operator::NAME))
    })
    .map(|event| {
        (
            kubectl::name(event),
            event["metadata"]["resourceVersion"].clone(),
        )
    })
    .collect()
}

/// Number of reconciliations of the cluster, from the operator's metrics.
fn reconciliations(api: &Api, demo: &Cluster) -> usize {
    let pod = operator::ready_pod(&demo.kubectl);
    let text = api.text(&format!(
        "/api/v1/namespaces/{}/pods/{}:8080/proxy/metrics",
        demo.kubectl.namespace,
        kubectl::name(&pod)
    ));
    let counts = text.lines().filter_map(|line| {
        let (_, count) = line
            .strip_prefix("casskop_reconciliations_total")?
            .rsplit_once(' ')?;
        count.parse::<usize>().ok()
    });
    counts.sum()
}

/// Memory of the operator, from the kernel.
fn memory(kubectl: &Kubectl) -> [f64; 2] {
    let process = Process::of_operator(kubectl);
    ["VmRSS:", "RssAnon:"].map(|name| process.mebibytes(name))
}
