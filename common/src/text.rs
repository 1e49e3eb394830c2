//! Singular and plural in messages, and their length.

/// `1 node`, `2 nodes`.
pub fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// `the node`, `all 2 nodes`.
pub fn all(number: usize, noun: &str) -> String {
    match number {
        1 => format!("the {noun}"),
        _ => format!("all {number} {noun}s"),
    }
}

/// `the node is`, `all 2 nodes are`.
pub fn all_are(number: usize, noun: &str) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", all(number, noun))
}

/// Longest list of names in a message.
const LISTED: usize = 8;

/// Names, separated by commas; a long list ends with the number of those left out.
pub fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let shown = names.iter().take(LISTED).map(AsRef::as_ref);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The first characters of a text; a cut shows.
pub fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(listed(&["a", "b"]), "a, b");
        assert_eq!(listed(&["x"; 10]), "x, x, x, x, x, x, x, x and 2 more");
    }

    #[test]
    fn a_noun_follows_its_number() {
        assert_eq!(count(0, "node"), "0 nodes");
        assert_eq!(count(1, "node"), "1 node");
        assert_eq!(count(2, "node"), "2 nodes");
        assert_eq!(all_are(1, "node"), "the node is");
        assert_eq!(all_are(3, "node"), "all 3 nodes are");
    }
}
