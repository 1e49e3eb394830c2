//! Names and sizes as messages print them: lists, the nearest name, text without control characters.

use std::borrow::Cow;

pub use casskop_common::text::count;

/// The plugin as it is called on a command line.
pub const PROGRAM: &str = "kubectl casskop";
/// Names that are listed in a message before it counts the rest.
const LISTED: usize = 12;
/// Likeness from which on a word is taken for a mistyped other one.
const ALIKE: f64 = 0.8;

/// `a, b, c and 20 more`.
pub fn list<I: IntoIterator<Item = S>, S: AsRef<str>>(names: I) -> String {
    let names: Vec<S> = names.into_iter().collect();
    let listed: Vec<&str> = names.iter().take(LISTED).map(AsRef::as_ref).collect();
    match names.len() {
        0 => "none".into(),
        len if len <= LISTED => listed.join(", "),
        len => format!("{} and {} more", listed.join(", "), len - LISTED),
    }
}

/// The name that is most like `word`, if one is and no other is as much.
pub fn nearest<'a, I: IntoIterator<Item = &'a str>>(word: &str, names: I) -> Option<&'a str> {
    let mut alike: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|left, right| right.0.total_cmp(&left.0));
    match alike[..] {
        [first, second, ..] if first.0 <= second.0 => None,
        [first, ..] => Some(first.1),
        [] => None,
    }
}

/// Text of others on one line and without control characters: it must not steer the terminal.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        let spaced: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Cow::Owned(spaced.split_whitespace().collect::<Vec<_>>().join(" "))
    } else {
        Cow::Borrowed(text)
    }
}

/// A size with the unit that suits it: `812 B`, `1.2 GiB`.
pub fn bytes(bytes: i64) -> String {
    let mut units = ["KiB", "MiB", "GiB", "TiB", "PiB"].into_iter();
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut size = bytes as f64;
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = "B";
    while size >= 1023.95
        && let Some(larger) = units.next()
    {
        (size, unit) = (size / 1024.0, larger);
    }
    format!("{size:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let written: Vec<String> = [0, 1023, 1024, 1_048_575, 1_288_490_189, i64::MAX]
            .map(bytes)
            .into();
        assert_eq!(
            written,
            [
                "0 B",
                "1023 B",
                "1.0 KiB",
                "1.0 MiB",
                "1.2 GiB",
                "8192.0 PiB"
            ]
        );
    }

    #[test]
    fn names() {
        assert_eq!(nearest("dc11", ["dc1", "dc2", "paris"]), Some("dc1"));
        assert_eq!(nearest("london", ["dc1", "paris"]), None);
        assert_eq!(
            nearest("rack9", ["rack1", "rack2"]),
            None,
            "either may be meant"
        );
        assert_eq!(list(["a", "b"]), "a, b");
        assert_eq!(
            list((0..14).map(|n| n.to_string())),
            "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more"
        );
    }

    #[test]
    fn text_of_others_cannot_steer_the_terminal() {
        assert_eq!(plain("gone\u{1b}[2J\n  really"), "gone [2J really");
        assert_eq!(plain("as  it  is"), "as  it  is");
    }
}
