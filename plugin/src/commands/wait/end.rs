//! How a wait ends: the result, or why there is none and what to do.

use std::time::Duration;

use casskop_common::api::{OperationPhase, OperationReason, OperationStatus};

use crate::{
    commands::arguments::Output,
    error::{CliError, Kind, Result},
    model::{manifest, wait::Awaited},
    terminal::Ui,
    text::{PROGRAM, plain},
    time,
    view::{operation, plan},
};

/// The wait failed; the request remains.
pub fn with_status_hint(error: CliError, awaited: &Awaited) -> CliError {
    let Awaited {
        cluster, kind, id, ..
    } = awaited;
    error.hint(format!(
        "{kind} {id} stays requested; check it: {PROGRAM} status {cluster}{}",
        awaited.connection_args
    ))
}

/// The cluster was deleted.
pub fn deleted(awaited: &Awaited) -> CliError {
    let Awaited {
        cluster, kind, id, ..
    } = awaited;
    CliError::failed(format!(
        "cassandracluster {cluster} was deleted while {kind} {id} was waited for"
    ))
}

/// Prints the result to stdout; a bad result is an error.
///
/// # Errors
/// That error; when stdout cannot be written.
pub fn conclude(ended: &OperationStatus, awaited: &Awaited, output: Output, ui: &Ui) -> Result<()> {
    ui.data(&match output {
        Output::Yaml => manifest::yaml(ended)?,
        Output::Json => manifest::json(ended)?,
        Output::Name => manifest::object_name(&awaited.cluster),
        Output::Text if awaited.dry_run => plan::render(ended, ui.out),
        Output::Text => operation::headline(ended, time::now(), ui.out),
    })?;
    match ended.phase {
        OperationPhase::Planned => planned(ended, awaited, output, ui),
        OperationPhase::Succeeded => Ok(()),
        _ => Err(bad_end(ended, awaited)),
    }
}

/// A plan is a success only if the operation would start.
fn planned(plan: &OperationStatus, awaited: &Awaited, output: Output, ui: &Ui) -> Result<()> {
    let failing = plan.checks.iter().filter(|check| check.is_failing());
    let failing: Vec<&str> = failing.map(|check| check.name.as_str()).collect();
    if failing.is_empty() {
        if output == Output::Text {
            ui.say("nothing was done; run the command without --dry-run to start the operation");
        }
        return Ok(());
    }
    let (kind, name) = (&awaited.kind, &awaited.cluster);
    let failing = plain(&failing.join(", ")).into_owned();
    Err(CliError::failed(format!(
        "{kind} on cluster {name} would not start: {failing}"
    ))
    .hint("nothing was done; correct the cause that the checks name: otherwise the request waits for the checks, or is refused"))
}

fn bad_end(ended: &OperationStatus, awaited: &Awaited) -> CliError {
    let name = &awaited.cluster;
    let what = format!("{} {} on cluster {name}", ended.kind, ended.id);
    let reason = ended.reason.as_ref().map(OperationReason::as_str);
    let why = match ended.message.as_str() {
        "" => reason.unwrap_or_default(),
        message => message,
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
                "retry the failed nodes: {}",
                awaited.control("retry")
            ))
        }
        OperationPhase::Refused => {
            let failed = ended.checks.iter().filter(|check| !check.passed);
            let checks = lines(failed.map(|check| (check.name.as_str(), check.evidence.as_str())));
            CliError::failed(format!("{what} was refused{why}{checks}"))
                .hint("nothing was done; correct the named cause, then request the operation again")
        }
        OperationPhase::Cancelled => CliError::failed(format!("{what} was cancelled{why}")),
        _ => CliError::failed(format!("{what} was withdrawn{why}")),
    }
}

/// One indented line for each pair.
fn lines<'a>(named: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let lines = named.map(|(name, text)| format!("\n  {name}: {}", plain(text)));
    lines.collect::<Vec<_>>().concat()
}

/// The timeout has passed; the operation continues.
pub fn timed_out(
    operation: Option<&OperationStatus>,
    awaited: &Awaited,
    timeout: Duration,
) -> CliError {
    let (kind, id) = (&awaited.kind, &awaited.id);
    let name = &awaited.cluster;
    let after = time::short(timeout.try_into().unwrap_or_default());
    let state = match operation {
        None => "not been observed by the operator".into(),
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
    .hint(format!(
        "it stays requested; wait on: {}",
        awaited.come_back()
    ))
}

/// Ctrl-C; the operation continues.
pub fn interrupted(awaited: &Awaited) -> CliError {
    let Awaited {
        cluster, kind, id, ..
    } = awaited;
    CliError::new(
        Kind::Interrupted,
        format!("interrupted; {kind} {id} stays requested on cluster {cluster}"),
    )
    .hint(format!("wait on:    {}", awaited.come_back()))
    .hint(format!(
        "check it: {PROGRAM} status {cluster}{}",
        awaited.connection_args
    ))
    .hint(format!("cancel it:  {}", awaited.control("cancel")))
}
