//! `report.txt`: the contents of the bundle, and the parts that could not be read. Pure.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Cause, Entry, ReadFailure};
use crate::text::count;

/// The facts of the summary.
pub struct Summary<'a> {
    /// Name of the cluster.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Time of the bundle.
    pub time: &'a str,
    /// Version of the API server, if it could be read.
    pub server: Option<String>,
    /// The cluster, if it could be read.
    pub cluster: Option<&'a Value>,
    /// The files.
    pub entries: &'a [Entry],
    /// The reads that failed.
    pub failures: &'a [ReadFailure],
}

/// The text.
pub fn text(of: &Summary) -> String {
    let mut text = format!(
        "CassandraCluster {} in namespace {}, {}\n\n",
        of.name, of.namespace, of.time
    );
    let unknown = || "unknown".to_owned();
    let _ = writeln!(
        text,
        "Versions\n  plugin      {}",
        env!("CARGO_PKG_VERSION")
    );
    let _ = writeln!(
        text,
        "  Kubernetes  {}",
        of.server.clone().unwrap_or_else(unknown)
    );
    let _ = writeln!(
        text,
        "  Cassandra   {}",
        cassandra(of.cluster).unwrap_or_else(unknown)
    );
    text.push_str("\nFiles\n");
    for entry in of.entries {
        let lines = entry.content.lines().count();
        let _ = writeln!(text, "  {} ({})", entry.path, count(lines, "line"));
    }
    text.push_str("\nNot in it, ever: values of Secrets.\n");
    if of.failures.is_empty() {
        text.push_str("All other objects were read.\n");
        return text;
    }
    text.push_str("\nCould not be read\n");
    for failure in of.failures {
        let _ = writeln!(text, "  {}", line(failure));
    }
    text
}

/// A failed read on one line: `you may not list secrets in namespace shop`.
fn line(failure: &ReadFailure) -> String {
    let object = failure.object.as_ref();
    let object = object.map_or_else(String::new, |object| format!(" ({object})"));
    match &failure.cause {
        Cause::Forbidden => format!("you may not {}", failure.permission),
        Cause::Other(cause) => format!("{}{object}: {cause}", failure.permission),
    }
}

/// The versions that the nodes run, else the image of the spec.
fn cassandra(cluster: Option<&Value>) -> Option<String> {
    let cluster = cluster?;
    let nodes = cluster
        .pointer("/status/cassandraNodeStatus")
        .and_then(Value::as_object);
    let mut versions: Vec<&str> = nodes
        .into_iter()
        .flat_map(serde_json::Map::values)
        .filter_map(|node| node["version"].as_str())
        .collect();
    versions.sort_unstable();
    versions.dedup();
    let image = cluster
        .pointer("/spec/cassandraImage")
        .and_then(Value::as_str);
    match (versions.is_empty(), image) {
        (true, image) => image.map(|image| format!("{image} (image)")),
        (false, Some(image)) => Some(format!("{} (image {image})", versions.join(", "))),
        (false, None) => Some(versions.join(", ")),
    }
}
