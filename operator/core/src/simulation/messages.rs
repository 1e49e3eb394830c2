//! Invariants of the messages that hold after every reconciliation.

use casskop_common::{
    api::{CassandraClusterStatus, OperationMode},
    conditions::AVAILABLE,
};

/// Nouns that messages count.
const NOUNS: [&str; 14] = [
    "addresses",
    "clusters",
    "keyspaces",
    "members",
    "nodes",
    "pods",
    "racks",
    "replicas",
    "requests",
    "seconds",
    "sites",
    "tables",
    "volumes",
    "waves",
];

/// Checks that a noun follows its number.
pub fn check(message: &str) {
    let words = message.split(|letter: char| !letter.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    for pair in words.windows(2) {
        let is_plural_of_one = pair[0] == "1" && NOUNS.contains(&pair[1]);
        assert!(!is_plural_of_one, "{message}");
    }
}

/// Checks each message of a status, and that `Available` tells what the table of the nodes shows.
pub fn check_cluster(status: &CassandraClusterStatus) {
    let conditions = status.conditions.iter().map(|known| &known.message);
    let operations = status.operations.iter().map(|known| &known.message);
    let checks = status.operations.iter().flat_map(|known| &known.checks);
    let evidence = checks
        .chain(&status.blocked_by)
        .map(|check| &check.evidence);
    let nodes = status.cassandra_node_status.values();
    let nodes = nodes.filter_map(|node| node.message.as_ref());
    conditions
        .chain(operations)
        .chain(evidence)
        .chain(nodes)
        .for_each(|message| check(message));
    let mut available = status.conditions.iter();
    let available = available.find(|known| known.type_ == AVAILABLE && known.status == "True");
    if let Some(available) = available {
        let normal = OperationMode::Normal.to_string();
        let mut modes = status
            .cassandra_node_status
            .values()
            .map(|node| &node.state);
        let rows = modes.len();
        let are_normal = modes.all(|state| *state == normal);
        let claims_all =
            !available.message.contains("the other") && available.message.contains("NORMAL");
        if claims_all {
            assert!(are_normal, "{}: {status:#?}", available.message);
        }
        if let Some(number) = number_of_nodes(&available.message) {
            let normal = status.cassandra_node_status.values();
            let normal = normal
                .filter(|node| node.state == OperationMode::Normal.to_string())
                .count();
            assert!(
                if claims_all {
                    number == rows
                } else {
                    number <= normal && number < rows
                },
                "{}: {status:#?}",
                available.message
            );
        }
    }
}

/// The number in `all 3 nodes are` and `the other 3 nodes are`.
fn number_of_nodes(message: &str) -> Option<usize> {
    let (before, _) = message.split_once(" nodes are NORMAL")?;
    before.rsplit(' ').next()?.parse().ok()
}
