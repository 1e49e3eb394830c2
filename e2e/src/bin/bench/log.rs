//! The records of the measured time, with times of one clock: the API server's audit log of the testbed and the
//! operator's log.

use std::{fs, path::PathBuf};

use casskop_e2e::{Kubectl, command::setting};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::Value;

/// Entries of the audit log that contain `text`, in the order of their arrival.
pub fn audit(text: &str) -> Vec<Value> {
    let folder = PathBuf::from(setting("IN")).with_file_name("logs");
    let files =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut entries = Vec::new();
    // A full log is rotated to a longer name.
    for file in files.flatten() {
        if !file.file_name().to_string_lossy().starts_with("audit") {
            continue;
        }
        let log = fs::read_to_string(file.path()).unwrap_or_default();
        let lines = log.lines().filter(|line| line.contains(text));
        entries.extend(lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()));
    }
    entries.sort_by_key(received);
    entries
}

/// The time when the API server received a request.
pub fn received(entry: &Value) -> Timestamp {
    time(&entry["requestReceivedTimestamp"])
}

/// The time when the API server answered the request.
pub fn answered(entry: &Value) -> Timestamp {
    time(&entry["stageTimestamp"])
}

/// Whether an entry is about the status of a `CassandraCluster`.
pub fn is_status(entry: &Value) -> bool {
    let object = &entry["objectRef"];
    object["resource"] == "cassandraclusters" && object["subresource"] == "status"
}

/// Writes by a user in a period, without those of events.
pub fn writes(user: &str, began: Timestamp, ended: Timestamp) -> usize {
    let entries = audit(user);
    let times = entries.iter().map(received);
    times.filter(|at| (began..ended).contains(at)).count()
}

/// The time of a line in Cassandra's log; its clock is that of this machine, in UTC.
pub fn cassandra(line: &str) -> Option<Timestamp> {
    let (_, rest) = line.split_once("] ")?;
    let at: DateTime = rest.get(..23)?.replace(',', ".").parse().ok()?;
    let zoned = at.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

/// Lines of the operator's log with this message.
pub fn operator(kubectl: &Kubectl, message: &str) -> Vec<Value> {
    let log = kubectl.ok(&["logs", "deployment/casskop-operator"]);
    let lines = log.lines().filter(|line| line.contains(message));
    lines
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .collect()
}

/// A time in the format of the logs.
pub fn time(text: &Value) -> Timestamp {
    let text = text.as_str().unwrap_or_default();
    text.parse()
        .unwrap_or_else(|error| panic!("the time {text:?}: {error}"))
}

/// Seconds from one time to another.
pub fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cassandra_have_a_time() {
        let line = "INFO  [GossipStage:1] 2026-11-22 20:35:47,384 Gossiper.java:1 - Node is UP";
        let at = cassandra(line).map(|at| at.to_string());
        assert_eq!(at.as_deref(), Some("2026-11-22T20:35:47.384Z"));
        assert_eq!(cassandra("\tat java.base/Thread.run"), None);
    }
}
