//! Singular and plural in messages.

/// `1 node`, `2 nodes`.
pub fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// `the node is`, `all 2 nodes are`.
pub fn all_are(number: usize, noun: &str) -> String {
    match number {
        1 => format!("the {noun} is"),
        _ => format!("all {number} {noun}s are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_follows_its_number() {
        assert_eq!(count(0, "node"), "0 nodes");
        assert_eq!(count(1, "node"), "1 node");
        assert_eq!(count(2, "node"), "2 nodes");
        assert_eq!(all_are(1, "node"), "the node is");
        assert_eq!(all_are(3, "node"), "all 3 nodes are");
    }
}
