//! Waivers of checks. Pure.

use casskop_common::intent::Controls;

use super::request_ref::CurrentRequest;
use crate::{
    error::{CliError, Result},
    text::{self, PROGRAM, plain},
};

/// Refuses checks that the operation does not have, and checks that do not block it.
///
/// # Errors
/// The first such check, with the checks that block the operation.
pub fn refuse(
    current: &CurrentRequest,
    checks: &[String],
    what: &str,
    name: &str,
    connection_args: &str,
) -> Result<()> {
    let Some(operation) = &current.operation else {
        return Err(CliError::failed(format!(
            "the checks of {what} are not known: the operator has not observed it yet"
        ))
        .hint(format!(
            "find the cause: {PROGRAM} explain {name}{connection_args}"
        )));
    };
    if operation.checks.is_empty() {
        return Err(
            CliError::failed(format!("{what} waits for no check")).hint(format!(
                "find the cause: {PROGRAM} explain {name}{connection_args}"
            )),
        );
    }
    let known: Vec<&str> = operation
        .checks
        .iter()
        .map(|check| check.name.as_str())
        .collect();
    let failing = current.failing();
    for word in checks {
        let Some(check) = operation.checks.iter().find(|check| check.name == *word) else {
            let error = CliError::failed(format!("{what} has no check {}", plain(word)));
            return Err(match text::nearest(word, known.iter().copied()) {
                Some(nearest) => error.hint(format!("did you mean {nearest}?")),
                None => error.hint(format!("its checks: {}", plain(&text::list(&known)))),
            });
        };
        if !failing.contains(&word.as_str()) && !check.waived {
            let error = CliError::failed(format!(
                "the check {word} does not block {what}: {}",
                plain(&check.evidence)
            ));
            return Err(if failing.is_empty() {
                error.hint(format!(
                    "find the cause: {PROGRAM} explain {name}{connection_args}"
                ))
            } else {
                error.hint(format!("those that do: {}", text::list(&failing)))
            });
        }
    }
    Ok(())
}

/// The checks that are waived for a request already.
pub fn waived(controls: &Controls, current: &CurrentRequest) -> Vec<String> {
    let quoted = controls.waive.clone().filter(|(id, _)| *id == current.id);
    quoted.map(|(_, checks)| checks).unwrap_or_default()
}
