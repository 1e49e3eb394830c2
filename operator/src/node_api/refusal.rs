//! The refusals of Cassandra, told apart by their texts (4.0 to 5.0): no transport has error codes.

use casskop_core::node::NodeError;

/// Longest text of an error that is kept.
const LONGEST: usize = 500;

type MakeError = fn(String) -> NodeError;

/// The first line of Java's message, without the class names of the wrapping exceptions. The rest is a stack trace.
pub(super) fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or(text);
    line.rsplit("Exception: ")
        .next()
        .unwrap_or(line)
        .chars()
        .take(LONGEST)
        .collect()
}

/// The kind of an error of Cassandra, derived from its message.
pub(super) fn refusal(text: String) -> NodeError {
    let kinds: [(&str, MakeError); 5] = [
        ("still rebuilding", NodeError::StillRebuilding),
        ("Host ID not found", NodeError::UnknownHostId),
        ("already processing a removal", NodeError::RemovalInProgress),
        ("already exists", NodeError::SnapshotExists),
        ("is not a member", NodeError::NotAMember),
    ];
    let known = kinds.iter().find(|(words, _)| text.contains(words));
    let kind = known.map_or(NodeError::Cassandra as MakeError, |(_, kind)| *kind);
    kind(text)
}
