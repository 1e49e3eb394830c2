//! Heap options: the start script of the image wants both sizes, and Java the first one not above the second.

use std::collections::BTreeMap;

use super::{BY_JAVA, COMMON, words};

const MEBIBYTE: i64 = 1024 * 1024;

/// The heap options that the user's lack, by file: in the common one if every version of Java lacks the same.
pub(super) fn missing(
    max_bytes: i64,
    users: &BTreeMap<&'static str, Vec<String>>,
) -> Vec<(&'static str, Vec<String>)> {
    let heaps = BY_JAVA.map(|file| {
        let lines = [COMMON, file]
            .into_iter()
            .filter_map(|file| users.get(file));
        heap(max_bytes, &words(lines.flatten()))
    });
    let [one, other] = &heaps;
    if one == other {
        vec![(COMMON, one.clone())]
    } else {
        BY_JAVA.into_iter().zip(heaps).collect()
    }
}

/// The heap options that the user's lack: the start script of the image ends unless it finds both `-Xms` and `-Xmx`, and
/// Java ends if the heap is to start larger than it may grow.
fn heap(max_bytes: i64, users: &[&str]) -> Vec<String> {
    let ours = |bytes: i64| format!("{}M", (bytes / MEBIBYTE).max(1));
    match (last(users, "-Xms"), last(users, "-Xmx")) {
        (Some(_), Some(_)) => Vec::new(),
        (None, Some(max)) => vec![format!("-Xms{max}")],
        (Some(initial), None) if bytes(initial).is_some_and(|initial| initial <= max_bytes) => {
            vec![format!("-Xmx{}", ours(max_bytes))]
        }
        (Some(initial), None) => vec![format!("-Xmx{initial}")],
        (None, None) => vec![
            format!("-Xms{}", ours(max_bytes / 4)),
            format!("-Xmx{}", ours(max_bytes)),
        ],
    }
}

/// Whether a line switches G1 on.
pub(super) fn uses_g1<'a>(lines: impl Iterator<Item = &'a str>) -> bool {
    let mut options = lines.filter(|line| line.starts_with('-'));
    options.any(|line| line.split_whitespace().any(|word| word == "-XX:+UseG1GC"))
}

/// The start script of the image ends if it finds `-Xmn` beside G1. These options are the same size for Java.
pub(super) fn young_generation_beside_g1(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        word.strip_prefix("-Xmn").map_or_else(
            || word.to_owned(),
            |size| format!("-XX:NewSize={size} -XX:MaxNewSize={size}"),
        )
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Checks the sizes of the heap.
pub(super) fn check(words: &[&str]) -> Result<(), String> {
    for option in ["-Xms", "-Xmx", "-Xmn"] {
        if let Some(size) = last(words, option)
            && bytes(size).is_none()
        {
            return Err(format!(
                "{option}{size} has no size that Java reads: write a whole number above 0 with k, m or g, as in {option}512m"
            ));
        }
    }
    check_order(words)
}

/// Checks that the heap starts with at most its maximum.
pub(in crate::pod_config) fn check_order(words: &[&str]) -> Result<(), String> {
    match (last(words, "-Xms"), last(words, "-Xmx")) {
        (Some(initial), Some(max)) if bytes(initial) > bytes(max) => Err(format!(
            "the heap starts with {initial} (-Xms, initial_heap_size) and may grow to {max} (-Xmx, max_heap_size): \
             set an initial size of at most the maximum"
        )),
        _ => Ok(()),
    }
}

/// The value of an option; the last one counts.
pub(in crate::pod_config) fn last<'a>(words: &[&'a str], option: &str) -> Option<&'a str> {
    words
        .iter()
        .rev()
        .find_map(|word| word.strip_prefix(option))
}

/// A size as Java reads it, in bytes; nothing if it is none, or 0.
pub(in crate::pod_config) fn bytes(size: &str) -> Option<i64> {
    let digits = size.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match size[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1024,
        "m" => MEBIBYTE,
        "g" => 1024 * MEBIBYTE,
        "t" => 1024 * 1024 * MEBIBYTE,
        _ => return None,
    };
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse::<i64>().ok()?;
    number.checked_mul(unit).filter(|&bytes| bytes > 0)
}
