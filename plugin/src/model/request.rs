//! Whether a request can be written to a cluster, and what it does to the requests there. Pure.

pub mod refusal;

use casskop_common::{
    api::{CassandraCluster, OperationPhase, OperationStatus},
    intent::{Intents, Request},
    names,
};
use kube::ResourceExt;

use crate::{
    error::{CliError, Result},
    text::plain,
};

/// Whether a request has to be written.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// Write the request.
    Write,
    /// The cluster has this request already.
    Known,
}

/// The operation of a request in the status, however old.
pub fn find<'a>(
    cluster: &'a CassandraCluster,
    kind: &str,
    id: &str,
) -> Option<&'a OperationStatus> {
    let status = cluster.status.as_ref()?;
    let mut all = status.operations.iter().chain(&status.operation_history);
    all.find(|operation| operation.kind.as_str() == kind && operation.id == id)
}

/// Whether `request` has to be written.
///
/// # Errors
/// When another request would be lost, the id belongs to another request, or the cluster is being deleted.
pub fn evaluate(
    cluster: &CassandraCluster,
    request: &Request,
    replace: bool,
    connection_args: &str,
) -> Result<Verdict> {
    let Request { kind, id, .. } = request;
    let kind = kind.as_str();
    let name = cluster.name_any();
    refuse_deleted(cluster)?;
    if let Some(operation) = find(cluster, kind, id) {
        return if operation.arguments == request.arguments.text {
            Ok(Verdict::Known)
        } else {
            Err(refusal::id_in_use(&name, request, &operation.arguments))
        };
    }
    let key = names::request_annotation(kind);
    let Some(value) = cluster.annotations().get(&key) else {
        return Ok(Verdict::Write);
    };
    let (found, arguments) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    if found == id {
        let same = same(cluster, request);
        return if same {
            Ok(Verdict::Known)
        } else {
            Err(refusal::id_in_use(&name, request, arguments))
        };
    }
    if replace || found.is_empty() {
        return Ok(Verdict::Write);
    }
    match find(cluster, kind, found) {
        None => Err(refusal::not_recorded(
            cluster,
            request,
            value,
            connection_args,
        )),
        Some(waiting) if waiting.phase == OperationPhase::Pending => Err(refusal::overwrites(
            cluster,
            kind,
            value,
            &refusal::not_begun(waiting),
            connection_args,
        )),
        Some(_) => Ok(Verdict::Write),
    }
}

/// Whether the annotation asks for the same, however it is written.
fn same(cluster: &CassandraCluster, request: &Request) -> bool {
    Intents::parse(cluster.annotations())
        .requests
        .get(&request.kind)
        == Some(request)
}

/// The reasons why the request does not start at once.
pub fn notes(cluster: &CassandraCluster, request: &Request) -> Vec<String> {
    let mut notes = Vec::new();
    let newest = cluster.status.iter().flat_map(|status| &status.operations);
    for other in newest.filter(|newest| newest.kind == request.kind && !newest.phase.is_final()) {
        let OperationStatus {
            kind, id, phase, ..
        } = other;
        notes.push(match phase {
            OperationPhase::Pending => format!("{kind} {id} has not started and is withdrawn"),
            _ => format!(
                "{kind} {id} is {}; the new request starts when it has ended",
                phase.as_str()
            ),
        });
    }
    if Intents::parse(cluster.annotations()).reconcile_paused {
        notes.push(format!("the reconciliation of this cluster is paused by the annotation {}; the request waits until it is removed", names::RECONCILE));
    }
    notes
}

/// The arguments as a person typed them: without what the plugin adds.
pub fn typed(arguments: &str) -> String {
    let mut words = arguments.split(' ');
    let mut typed = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "--cluster-uid" => drop(words.next()),
            word if word.starts_with("--dry-run") => {}
            word => typed.push(word),
        }
    }
    plain(&typed.join(" ")).into_owned()
}

/// Refuses a cluster that is on its way out.
///
/// # Errors
/// That it is.
pub fn refuse_deleted(cluster: &CassandraCluster) -> Result<()> {
    if cluster.metadata.deletion_timestamp.is_none() {
        return Ok(());
    }
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    Err(CliError::failed(format!(
        "cassandracluster {name} is being deleted; nothing was requested"
    )))
}

#[cfg(test)]
mod tests {
    use super::typed;

    #[test]
    fn the_arguments_are_shown_as_they_were_typed() {
        assert_eq!(typed("--cluster-uid a-b --pod x"), "--pod x");
        assert_eq!(
            typed("--pod x --cluster-uid a-b --dry-run=server"),
            "--pod x"
        );
    }
}
