//! Parsers and help that several commands have.

use casskop_common::{intent, operations};

use crate::text;

/// Exit codes of whatever asks for something.
pub const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 timed out, 130 interrupted (the operation goes on).";
/// Exit codes of whatever only shows something, or writes one annotation.
pub const SHORT_EXIT_CODES: &str = "Exit codes: 0 done, 1 failed or refused, 2 wrong usage.";

/// The id of a request.
pub fn id(text: &str) -> Result<String, String> {
    intent::check_id(text).map(|()| text.to_owned())
}

/// A kind of operation, also those that only the operator asks for.
pub fn kind(text: &str) -> Result<String, String> {
    let kinds: Vec<&str> = operations::kinds().collect();
    if kinds.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(match text::nearest(text, kinds.iter().copied()) {
        Some(nearest) => format!("no operation is called so; did you mean {nearest}?"),
        None => format!("no operation is called so; there are {}", kinds.join(", ")),
    })
}

/// Keeps what could be no object's name out of the path of a request.
pub fn object_name(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if !text.is_empty()
        && text.len() <= 253
        && text.chars().all(known)
        && !text.starts_with(['-', '.'])
    {
        return Ok(text.to_owned());
    }
    Err("the name of a cluster has lower-case letters, digits and '-'".into())
}
