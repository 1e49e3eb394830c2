//! Parsers of single values, and exit codes of `--help`.

use casskop_common::{intent, operations};

use crate::text;

/// Exit codes of the commands that request or wait.
pub const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 timed out, 130 interrupted (the operation continues).";
/// Exit codes of the commands that show something or write one annotation.
pub const SHORT_EXIT_CODES: &str = "Exit codes: 0 done, 1 failed or refused, 2 wrong usage.";

/// Help of a command: its text, and the exit codes below it.
pub fn help(text: &str, exit_codes: &str) -> String {
    format!("{text}\n{exit_codes}")
}

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

/// The name of an object; other text must not reach the path of a request.
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

/// The name of a namespace, as the API server takes it (RFC 1123 label).
///
/// # Errors
/// When it is none.
pub fn namespace(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let framed = text.starts_with('-') || text.ends_with('-');
    if text.is_empty() || text.len() > 63 || framed || !text.chars().all(known) {
        return Err(
            "a namespace has at most 63 lower-case letters, digits and '-' between them".into(),
        );
    }
    Ok(text.to_owned())
}

/// The name of a site: it is a key of a Secret and the name of a file, and files that begin with a dot are none.
///
/// # Errors
/// When it is none.
pub fn site(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if text.is_empty() || text.len() > 253 || text.starts_with('.') || !text.chars().all(known) {
        return Err(
            "the name of a site has letters, digits, '-', '_' and '.', and does not begin with '.'"
                .into(),
        );
    }
    Ok(text.to_owned())
}

/// The address of an API server.
///
/// # Errors
/// When it is none.
pub fn url(text: &str) -> Result<String, String> {
    let host = text
        .strip_prefix("https://")
        .or(text.strip_prefix("http://"));
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '@';
    match host {
        Some(host) if !host.is_empty() && !host.contains(odd) => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err("an address is written as https://HOST:PORT".into()),
    }
}

/// An image reference.
///
/// # Errors
/// When it is none.
pub fn image(text: &str) -> Result<String, String> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii();
    if text.is_empty() || text.contains(odd) {
        return Err("an image is written as name:tag or name@sha256:digest".into());
    }
    Ok(text.to_owned())
}
