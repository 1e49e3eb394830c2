//! Names of metrics in expressions of Prometheus.

use std::collections::BTreeSet;

/// Metrics of others: of the kubelet, of the JVM, and of Prometheus itself. The end-to-end tests see those of the JVM in a real scrape.
const OTHERS: [&str; 5] = [
    "jvm_gc_collection_seconds_sum",
    "jvm_memory_used_bytes",
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
    "up",
];
/// Begins of the names of metrics.
const BEGINS: [&str; 5] = ["casskop_", "cassandra_", "jvm_", "kubelet_", "process_"];

/// Whether an expression is about metrics, and all of them are known.
pub fn is_known(expression: &str, known: &BTreeSet<String>) -> bool {
    let mut metrics = metrics(expression).peekable();
    metrics.peek().is_some()
        && metrics.all(|metric| {
            let name = metric.trim_end_matches("_bucket");
            known.contains(name) || OTHERS.contains(&name)
        })
}

/// The metrics of an expression, outside of quoted texts.
fn metrics(expression: &str) -> impl Iterator<Item = &str> {
    let bare = expression.split('"').step_by(2);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = bare.flat_map(move |text| text.split(move |c| !is_part(c)));
    words.filter(|word| *word == "up" || BEGINS.iter().any(|begin| word.starts_with(begin)))
}
