//! Parsers of single values. Annotations come from Git: nothing in them is trusted.

/// Longest name of a keyspace or table that Cassandra accepts.
const MAX_CASSANDRA_NAME: usize = 222;
/// Longest name of a Kubernetes object.
const MAX_OBJECT_NAME: usize = 253;

/// A data center, rack or pod.
pub(super) fn object_name(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if text.is_empty() || text.len() > MAX_OBJECT_NAME || !text.chars().all(known) {
        return Err("a name has lower-case letters, digits, '-' and '.'".into());
    }
    Ok(text.to_owned())
}

/// A keyspace or table, as Cassandra itself restricts their names.
pub(super) fn cassandra_name(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() || text.len() > MAX_CASSANDRA_NAME || !text.chars().all(known) {
        return Err("a keyspace or table has letters, digits and '_'".into());
    }
    Ok(text.to_owned())
}
