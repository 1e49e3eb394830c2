//! Errors of requests that are not written, with next steps. Pure.

use casskop_common::{
    api::{CassandraCluster, OperationStatus},
    intent::{Intents, Request},
    names,
};
use kube::ResourceExt;

use crate::{
    error::{CliError, Kind},
    text::plain,
};

/// The id belongs to another request.
pub fn id_in_use(name: &str, request: &Request, arguments: &str) -> CliError {
    let arguments = if arguments.is_empty() {
        "no arguments".into()
    } else {
        format!("'{}'", plain(arguments))
    };
    let Request { kind, id, .. } = request;
    CliError::failed(format!(
        "{kind} {id} was already requested on cluster {name} with other arguments: {arguments}"
    ))
    .hint("an id never runs twice: choose another --id, or leave it out")
}

/// The cluster has another request of this kind that the operator has not recorded yet.
pub fn not_recorded(
    cluster: &CassandraCluster,
    request: &Request,
    value: &str,
    connection_args: &str,
) -> CliError {
    let kind = request.kind.as_str();
    let key = names::request_annotation(kind);
    let invalid = Intents::parse(cluster.annotations()).invalid;
    match invalid.iter().find(|invalid| invalid.annotation == key) {
        None => overwrites(
            cluster,
            kind,
            value,
            "the operator has not taken it up yet",
            connection_args,
        ),
        Some(invalid) => {
            let why = format!("it cannot be understood: {}", plain(&invalid.message));
            already(cluster, kind, value, &why).hint(format!(
                "or correct it where it comes from: kubectl edit cassandracluster {}, or Git",
                cluster.name_any()
            ))
        }
    }
}

/// The cluster has another request that an overwrite would lose.
pub fn overwrites(
    cluster: &CassandraCluster,
    kind: &str,
    value: &str,
    why: &str,
    connection_args: &str,
) -> CliError {
    already(cluster, kind, value, why).hint(format!(
        "or wait until it runs: kubectl casskop status {}{connection_args} --watch",
        cluster.name_any()
    ))
}

fn already(cluster: &CassandraCluster, kind: &str, value: &str, why: &str) -> CliError {
    let (name, value) = (cluster.name_any(), plain(value));
    CliError::failed(format!(
        "cluster {name} already has the request {kind} '{value}', and {why}"
    ))
    .hint("discard that request and make yours instead: --replace")
}

/// Another client changed the annotation during the write.
pub fn changed_meanwhile(
    name: &str,
    key: &str,
    found: Option<&str>,
    connection_args: &str,
) -> CliError {
    let found = found.map_or_else(
        || "removed".into(),
        |value| format!("set to '{}'", plain(value)),
    );
    CliError::failed(format!(
        "{key} on cluster {name} was {found} by another user just now; nothing was requested"
    ))
    .hint(format!(
        "check it, then run the command again: kubectl casskop status {name}{connection_args}"
    ))
}

/// A write without an answer may have succeeded; the id makes a repetition safe.
pub fn unknown_result(error: CliError, name: &str, request: &Request) -> CliError {
    if error.kind != Kind::NoAnswer {
        return error;
    }
    error.hint(format!(
        "whether {} was requested on {name} is not known; the same command with --id {} requests it at most once",
        request.kind, request.id
    ))
}

/// The state of a request that the operator withdraws when another one replaces it.
pub fn not_begun(waiting: &OperationStatus) -> String {
    match plain(&waiting.message) {
        message if message.is_empty() => "it has not started".into(),
        message => format!("it has not started: {message}"),
    }
}
