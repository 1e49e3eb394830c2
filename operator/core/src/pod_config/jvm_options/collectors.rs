//! Garbage collectors: the user's replaces that of the image, because Java ends with two.

use std::collections::BTreeMap;

use super::{COMMON, words};

/// Options that select a garbage collector. Java ends if two of them are on.
const COLLECTORS: [&str; 6] = [
    "UseG1GC",
    "UseZGC",
    "UseShenandoahGC",
    "UseParallelGC",
    "UseSerialGC",
    "UseConcMarkSweepGC",
];

/// The options that switch the collectors of the image off, if the user's options select another one.
pub(super) fn replaced(
    by_java: &'static str,
    users: &BTreeMap<&'static str, Vec<String>>,
    images_own: &BTreeMap<&'static str, String>,
) -> Vec<String> {
    let of_file = |file| words(users.get(file).into_iter().flatten());
    let (common, own) = (of_file(COMMON), of_file(by_java));
    // The file of the version of Java is the more special one.
    let wanted = match on(&own) {
        own if own.is_empty() => on(&common),
        own => own,
    };
    let images = |file| {
        let lines = images_own
            .get(file)
            .into_iter()
            .flat_map(|text| text.lines());
        let lines = lines.filter(|line| line.starts_with('-'));
        lines.flat_map(str::split_whitespace)
    };
    let before = images(COMMON).chain(common).chain(images(by_java));
    let mut others = on(&before.collect::<Vec<_>>());
    others.retain(|collector| !wanted.is_empty() && !wanted.contains(collector));
    let off = others.iter().map(|collector| format!("-XX:-{collector}"));
    off.collect()
}

/// The garbage collectors that are on after all options; the last option of each one counts.
pub(in crate::pod_config) fn on(words: &[&str]) -> Vec<&'static str> {
    let is_on = |collector: &&str| {
        let mut options = words
            .iter()
            .rev()
            .filter_map(|word| word.strip_prefix("-XX:"));
        let switch = options.find_map(|option| option.strip_suffix(*collector));
        switch == Some("+")
    };
    COLLECTORS.into_iter().filter(is_on).collect()
}

/// Checks that one options file selects at most one collector.
pub(super) fn check(words: &[&str]) -> Result<(), String> {
    match &on(words)[..] {
        [one, other, ..] => Err(format!(
            "-XX:+{one} and -XX:+{other} select two garbage collectors, and Java starts with one: remove one of them"
        )),
        _ => Ok(()),
    }
}
