//! Requests that the operator itself makes, in the words that stand in an annotation.

use casskop_common::{
    intent::Request,
    operations::{Arguments, OperationKind},
};

/// A request in the words that stand in an annotation.
pub(crate) fn of(kind: OperationKind, id: String, words: &[String]) -> Option<Request> {
    Some(Request {
        kind,
        id,
        arguments: Arguments::parse(kind.as_str(), words).ok()?,
    })
}

/// The same flag for each value.
pub(crate) fn flags(flag: &str, values: impl IntoIterator<Item = String>) -> Vec<String> {
    let diffs = values
        .into_iter()
        .flat_map(|value| [flag.to_owned(), value]);
    diffs.collect()
}
