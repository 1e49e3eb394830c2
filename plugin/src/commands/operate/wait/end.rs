//! How a wait ends: the result, or why there is none and what to do.

use std::time::Duration;

use casskop_common::api::{OperationPhase, OperationStatus};

use super::super::{Order, come_back, control};
use crate::{
    cli::{Output, PROGRAM},
    client,
    error::{CliError, Kind, Result},
    manifest,
    text::plain,
    time,
    ui::{Ui, operation, plan},
};

/// The wait cannot go on; the request does.
pub fn stays(error: CliError, order: &Order) -> CliError {
    let (request, name) = (&order.request, &order.options.name);
    let again = client::again(&order.flags);
    error.hint(format!(
        "{} {} stays requested; look at it: {PROGRAM} status {name}{again}",
        request.kind, request.id
    ))
}

/// The cluster is gone.
pub fn deleted(order: &Order) -> CliError {
    let (request, name) = (&order.request, &order.options.name);
    CliError::failed(format!(
        "cassandracluster {name} was deleted while {} {} was waited for",
        request.kind, request.id
    ))
}

/// The result on stdout; an error if it is not a good one.
///
/// # Errors
/// That error.
pub fn conclude(ended: &OperationStatus, order: &Order, ui: &Ui) -> Result<()> {
    ui.data(&match order.options.output {
        Output::Yaml => manifest::yaml(ended)?,
        Output::Json => manifest::json(ended)?,
        Output::Name => manifest::object_name(&order.options.name),
        Output::Text if order.request.is_dry_run() => plan::render(ended, ui.out),
        Output::Text => operation::headline(ended, time::now(), ui.out),
    })?;
    match ended.phase {
        OperationPhase::Planned => {
            if order.options.output == Output::Text {
                ui.say("nothing was done; to do it, leave out --dry-run");
            }
            Ok(())
        }
        OperationPhase::Succeeded => Ok(()),
        _ => Err(bad_end(ended, order)),
    }
}

fn bad_end(ended: &OperationStatus, order: &Order) -> CliError {
    let name = &order.options.name;
    let what = format!("{} {} on cluster {name}", ended.kind, ended.id);
    let why = if ended.message.is_empty() {
        &ended.reason
    } else {
        &ended.message
    };
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(": {}", plain(why))
    };
    match ended.phase {
        OperationPhase::Failed => {
            let failed = ended
                .nodes
                .iter()
                .filter_map(|node| Some((&node.pod, node.error.as_ref()?)));
            let nodes = lines(failed.map(|(pod, error)| (pod.as_str(), error.as_str())));
            CliError::failed(format!("{what} failed{why}{nodes}")).hint(format!(
                "try the failed nodes again: {}",
                control(order, "retry")
            ))
        }
        OperationPhase::Refused => {
            let failed = ended.checks.iter().filter(|check| !check.passed);
            let checks = lines(failed.map(|check| (check.name.as_str(), check.evidence.as_str())));
            CliError::failed(format!("{what} was refused{why}{checks}"))
                .hint("nothing was done; put right what it names, then request it anew")
        }
        OperationPhase::Cancelled => CliError::failed(format!("{what} was cancelled{why}")),
        _ => CliError::failed(format!("{what} was withdrawn{why}")),
    }
}

/// Each on a line of its own, below the sentence before.
fn lines<'a>(named: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let lines = named.map(|(name, text)| format!("\n  {name}: {}", plain(text)));
    lines.collect::<Vec<_>>().concat()
}

/// The time to wait has passed; the operation goes on.
pub fn timed_out(
    operation: Option<&OperationStatus>,
    order: &Order,
    timeout: Duration,
) -> CliError {
    let (kind, id) = (&order.request.kind, &order.request.id);
    let name = &order.options.name;
    let after = time::short(timeout.try_into().unwrap_or_default());
    let state = match operation {
        None => "not been taken up by the operator".into(),
        Some(operation) => {
            let done = operation::nodes_done(operation).map(|done| format!(" ({done})"));
            format!(
                "not ended; it is {}{}",
                operation.phase.as_str(),
                done.unwrap_or_default()
            )
        }
    };
    CliError::new(
        Kind::TimedOut,
        format!("after {after}, {kind} {id} on cluster {name} has {state}"),
    )
    .hint(format!("it stays requested; wait on: {}", come_back(order)))
}

/// Ctrl-C; the operation goes on.
pub fn interrupted(order: &Order) -> CliError {
    let (request, name) = (&order.request, &order.options.name);
    CliError::new(
        Kind::Interrupted,
        format!(
            "{} {} stays requested on cluster {name}",
            request.kind, request.id
        ),
    )
    .hint(format!("wait on:    {}", come_back(order)))
    .hint(format!(
        "look at it: {PROGRAM} status {name}{}",
        client::again(&order.flags)
    ))
    .hint(format!("cancel it:  {}", control(order, "cancel")))
}
