//! When the wait for a request ends without an operation. Pure.

use casskop_common::{
    api::{CassandraCluster, IntentError},
    names,
};
use kube::ResourceExt;

use crate::{
    error::CliError,
    text::{PROGRAM, plain},
};

/// A request whose end is awaited.
pub struct Awaited {
    /// Name of the cluster.
    pub cluster: String,
    /// Kind of the operation.
    pub kind: String,
    /// Id of the request.
    pub id: String,
    /// Whether only the plan is requested.
    pub dry_run: bool,
    /// The connection flags, for printed commands.
    pub connection_args: String,
}

impl Awaited {
    /// The command that resumes the wait.
    pub fn come_back(&self) -> String {
        let (cluster, kind, id, connection_args) =
            (&self.cluster, &self.kind, &self.id, &self.connection_args);
        format!("{PROGRAM} wait {cluster} {kind} --id {id}{connection_args}")
    }

    /// The command that controls the request.
    pub fn control(&self, control: &str) -> String {
        let (cluster, kind, id, connection_args) =
            (&self.cluster, &self.kind, &self.id, &self.connection_args);
        format!("{PROGRAM} {control} {cluster} {kind} --id {id}{connection_args}")
    }
}

/// The operator's error about the annotation of a kind.
pub fn complaint<'a>(cluster: &'a CassandraCluster, kind: &str) -> Option<&'a IntentError> {
    let key = names::request_annotation(kind);
    let errors = &cluster.status.as_ref()?.intent_errors;
    errors.iter().find(|error| error.annotation == key)
}

/// The reason why the operator will never run the request, if there is one.
pub fn lost(
    cluster: &CassandraCluster,
    awaited: &Awaited,
    old: Option<&IntentError>,
) -> Option<CliError> {
    let (kind, id) = (&awaited.kind, &awaited.id);
    let key = names::request_annotation(kind);
    let name = &awaited.cluster;
    let Some(value) = cluster.annotations().get(&key) else {
        return Some(
            CliError::failed(format!("{kind} {id} was removed from cluster {name} before the operator took it up"))
                .hint(format!("if the cluster is managed in Git, commit the request: {PROGRAM} {kind} {name} --dry-run=client -o yaml")),
        );
    };
    if value.split_whitespace().next() != Some(id) {
        return Some(CliError::failed(format!(
            "{kind} {id} on cluster {name} was replaced by '{}' before the operator took it up",
            plain(value)
        )));
    }
    let complaint = complaint(cluster, kind).filter(|complaint| Some(*complaint) != old)?;
    Some(
        CliError::failed(format!("the operator does not accept the request: {}", plain(&complaint.message)))
            .hint("nothing was done, and the next request replaces this one; if it is new to the operator, update that"),
    )
}

/// Whether the operator still runs the request before this one: it runs one request of a kind at a time.
pub fn is_behind_another(cluster: &CassandraCluster, awaited: &Awaited) -> bool {
    let mut newest = cluster.status.iter().flat_map(|status| &status.operations);
    newest.any(|other| other.kind.as_str() == awaited.kind && !other.phase.is_final())
}
