//! Parsers of single values. Annotations may come from Git, so no value is trusted.

use clap::builder::ArgExt;

use crate::names::BACKUP_SNAPSHOT;

/// Marks an argument whose value names a part of a cluster, so that the completion of a command line can use the
/// status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterValue {
    /// A data center.
    DataCenter,
    /// A rack, as `RACK` or `DC.RACK`.
    Rack,
    /// A pod.
    Pod,
    /// A host id of Cassandra.
    HostId,
    /// A keyspace.
    Keyspace,
    /// A store of backups.
    Store,
}

impl ArgExt for ClusterValue {}

/// Maximum length of a keyspace or table name in Cassandra.
const MAX_CASSANDRA_NAME: usize = 222;
/// Maximum length of the name of a Kubernetes object.
const MAX_OBJECT_NAME: usize = 253;

/// Length of a UUID in characters.
const UUID: usize = 36;

/// A data center, rack or pod.
pub(super) fn object_name(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if text.is_empty() || text.len() > MAX_OBJECT_NAME || !text.chars().all(known) {
        return Err("a name has lower-case letters, digits, '-' and '.'".into());
    }
    Ok(text.to_owned())
}

/// A data center of any ring, including one that no `CassandraCluster` describes.
pub(super) fn data_center(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.len() > MAX_OBJECT_NAME || !text.chars().all(known) {
        return Err("a data center has letters, digits, '-', '_' and '.'".into());
    }
    Ok(text.to_owned())
}

/// A UUID: a host ID of Cassandra, or the UID of a Kubernetes object.
pub(super) fn uid(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_hexdigit() || c == '-';
    if text.len() != UUID || !text.chars().all(known) {
        return Err(
            "a UUID is written as 36 characters, such as 6799ee6c-3588-4dfa-9842-091edc5e9706"
                .into(),
        );
    }
    Ok(text.to_ascii_lowercase())
}

/// A keyspace or table, within the limits that Cassandra sets for names.
pub(super) fn cassandra_name(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() || text.len() > MAX_CASSANDRA_NAME || !text.chars().all(known) {
        return Err("a keyspace or table has letters, digits and '_'".into());
    }
    Ok(text.to_owned())
}

/// A snapshot; its name becomes a directory name.
pub(super) fn snapshot_name(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let first = text
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric());
    if !first || text.len() > MAX_CASSANDRA_NAME || !text.chars().all(known) {
        return Err(
            "a snapshot has letters, digits, '_', '-' and '.', the first one a letter or digit"
                .into(),
        );
    }
    Ok(text.to_owned())
}

/// A snapshot to be taken, which no backup takes for its own.
pub(super) fn new_snapshot_name(text: &str) -> Result<String, String> {
    if text.starts_with(BACKUP_SNAPSHOT) {
        return Err(format!(
            "a name that begins with '{BACKUP_SNAPSHOT}' is that of a backup's snapshot, which the next backup clears"
        ));
    }
    snapshot_name(text)
}

/// Bytes per second, as a Kubernetes quantity.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    let bytes = crate::quantity::parse(text).and_then(|bytes| u64::try_from(bytes).ok());
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "a rate is a quantity of bytes per second above 0, such as 20Mi".into())
}

/// A duration in the format of Cassandra: a number and `m`, `h` or `d`.
pub(super) fn duration(text: &str) -> Result<String, String> {
    let number = text.trim_end_matches(['m', 'h', 'd']);
    let unit = text.len() - number.len();
    let valid = number.len() <= 6 && number.parse::<u32>().is_ok_and(|number| number > 0);
    if unit == 1 && valid {
        return Ok(text.to_owned());
    }
    Err("a time is a number and a unit: 90m, 12h or 7d".into())
}
