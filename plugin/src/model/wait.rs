//! When the wait for a request ends without an operation. Pure.

use casskop_common::{
    api::{CassandraCluster, condition},
    names,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use crate::{
    error::CliError,
    text::{PROGRAM, plain},
};

/// A request that is waited for.
pub struct Awaited {
    /// Name of the cluster.
    pub cluster: String,
    /// Kind of the operation.
    pub kind: String,
    /// Id of the request.
    pub id: String,
    /// Whether the plan is all that is asked for.
    pub dry_run: bool,
    /// The connection flags, for printed commands.
    pub connection_args: String,
}

impl Awaited {
    /// The command that waits for it again.
    pub fn come_back(&self) -> String {
        let (cluster, kind, id, connection_args) =
            (&self.cluster, &self.kind, &self.id, &self.connection_args);
        format!("{PROGRAM} wait {cluster} {kind} --id {id}{connection_args}")
    }

    /// The command that controls it.
    pub fn control(&self, control: &str) -> String {
        let (cluster, kind, id, connection_args) =
            (&self.cluster, &self.kind, &self.id, &self.connection_args);
        format!("{PROGRAM} {control} {cluster} {kind} --id {id}{connection_args}")
    }
}

/// The operator's complaint about the annotation of a kind.
pub fn complaint<'a>(cluster: &'a CassandraCluster, kind: &str) -> Option<&'a Condition> {
    let key = names::request_annotation(kind);
    let names_it = |message: &str| {
        // The key of `cleanup` is not that of `cleanup.pause` or `cleanup2`.
        message.match_indices(&key).any(|(at, _)| {
            let rest = &message[at + key.len()..];
            !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-')
                && !rest
                    .strip_prefix('.')
                    .is_some_and(|rest| rest.starts_with(char::is_alphabetic))
        })
    };
    let conditions = &cluster.status.as_ref()?.conditions;
    conditions.iter().find(|known| {
        known.type_ == condition::INTENTS_ACCEPTED
            && known.status == "False"
            && names_it(&known.message)
    })
}

/// Why the request will never be taken up, if that is so.
pub fn lost(
    cluster: &CassandraCluster,
    awaited: &Awaited,
    old: Option<&Condition>,
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
        CliError::failed(format!("the operator does not take up the request: {}", plain(&complaint.message)))
            .hint("nothing was done, and the next request replaces this one; if it is new to the operator, update that"),
    )
}

/// Whether the operator is at work on the request before this one: it takes up one of a kind at a time.
pub fn is_behind_another(cluster: &CassandraCluster, awaited: &Awaited) -> bool {
    let mut newest = cluster.status.iter().flat_map(|status| &status.operations);
    newest.any(|other| other.kind == awaited.kind && !other.phase.is_final())
}
