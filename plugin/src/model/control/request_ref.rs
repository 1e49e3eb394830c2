//! The request that a command refers to. Pure.

use std::collections::BTreeSet;

use casskop_common::{
    api::{CassandraCluster, OperationStatus},
    intent::Intents,
};
use kube::ResourceExt;

use crate::{
    error::{CliError, Result},
    model::request,
    text::{self, PROGRAM, plain},
};

/// A request on the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct CurrentRequest {
    /// Kind of the operation.
    pub kind: String,
    /// Id of the request.
    pub id: String,
    /// The operation in the status; none before the operator has recorded the request.
    pub operation: Option<OperationStatus>,
}

impl CurrentRequest {
    /// Whether the request has not ended.
    pub fn is_unfinished(&self) -> bool {
        let operation = self.operation.as_ref();
        operation.is_none_or(|operation| !operation.phase.is_final())
    }

    /// Names of the checks that block the request, before it starts or between two nodes.
    pub fn failing(&self) -> Vec<&str> {
        let Some(operation) = self.operation.as_ref().filter(|_| self.is_unfinished()) else {
            return Vec::new();
        };
        operation.blocked_by.iter().map(String::as_str).collect()
    }

    /// `cleanup 2026-11-22a is Running`.
    pub fn state(&self) -> String {
        let Self { kind, id, .. } = self;
        match &self.operation {
            Some(operation) => format!("{kind} {id} is {}", operation.phase.as_str()),
            None => format!("{kind} {id} is not observed yet"),
        }
    }
}

/// The current request of each kind: the one that is not finished, or the newest.
pub fn current(cluster: &CassandraCluster) -> Vec<CurrentRequest> {
    let known = cluster.status.iter().flat_map(|status| &status.operations);
    let known: Vec<&OperationStatus> = known.collect();
    let asked = Intents::parse(cluster.annotations()).requests;
    let kinds: BTreeSet<&str> = known
        .iter()
        .map(|known| known.kind.as_str())
        .chain(asked.keys().map(|kind| kind.as_str()))
        .collect();
    let mut requests = Vec::new();
    for kind in kinds {
        let newest = known
            .iter()
            .copied()
            .find(|known| known.kind.as_str() == kind);
        let unobserved = asked
            .values()
            .find(|asked| asked.kind.as_str() == kind)
            .filter(|asked| request::find(cluster, kind, &asked.id).is_none());
        let unobserved = unobserved.filter(|_| newest.is_none_or(|newest| newest.phase.is_final()));
        requests.extend(match (unobserved, newest) {
            (Some(asked), _) => Some(CurrentRequest {
                kind: kind.to_owned(),
                id: asked.id.clone(),
                operation: None,
            }),
            (None, newest) => newest.map(|newest| CurrentRequest {
                kind: kind.to_owned(),
                id: newest.id.clone(),
                operation: Some(newest.clone()),
            }),
        });
    }
    requests
}

/// Every request of one id, however old.
fn with_id(cluster: &CassandraCluster, id: &str) -> Vec<CurrentRequest> {
    let status = cluster.status.iter();
    let known = status.flat_map(|status| status.operations.iter().chain(&status.operation_history));
    let known = known.filter(|operation| operation.id == id);
    let mut requests: Vec<CurrentRequest> = known
        .map(|operation| CurrentRequest {
            kind: operation.kind.to_string(),
            id: id.to_owned(),
            operation: Some(operation.clone()),
        })
        .collect();
    let asked = Intents::parse(cluster.annotations()).requests.into_values();
    for asked in asked.filter(|asked| asked.id == id) {
        if requests
            .iter()
            .all(|known| known.kind != asked.kind.as_str())
        {
            requests.push(CurrentRequest {
                kind: asked.kind.to_string(),
                id: asked.id,
                operation: None,
            });
        }
    }
    requests
}

/// A reference to a request, as far as the command names it.
#[derive(Clone, Copy)]
pub struct RequestRef<'a> {
    /// Its kind.
    pub kind: Option<&'a str>,
    /// Its id.
    pub id: Option<&'a str>,
    /// The command, as it is typed.
    pub verb: &'a str,
    /// The connection flags, for printed commands.
    pub connection_args: &'a str,
}

impl RequestRef<'_> {
    /// The request that is named, or the only one that `fits`.
    ///
    /// # Errors
    /// When no request fits, or more than one.
    pub fn resolve(
        &self,
        cluster: &CassandraCluster,
        fits: impl Fn(&CurrentRequest) -> bool,
    ) -> Result<CurrentRequest> {
        let mut all = match self.id {
            Some(id) => with_id(cluster, id),
            None => current(cluster),
        };
        let states = text::list(all.iter().map(CurrentRequest::state));
        all.retain(|current| match (self.kind, self.id) {
            (None, None) => fits(current),
            (kind, _) => kind.is_none_or(|kind| current.kind == kind),
        });
        match (all.pop(), all.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(self.none(cluster, &states)),
            (Some(last), false) => {
                all.push(last);
                Err(self.several(cluster, &all))
            }
        }
    }

    fn none(&self, cluster: &CassandraCluster, states: &str) -> CliError {
        let (name, verb) = (cluster.name_any(), self.verb);
        let what = match (self.kind, self.id) {
            (None, None) => {
                let verb = if verb == "wait" { "wait for" } else { verb };
                return CliError::failed(format!("cluster {name} has no operation to {verb}"))
                    .hint(format!("its operations: {}", plain(states)));
            }
            (Some(kind), None) => format!("no {kind} was requested on cluster {name}"),
            (kind, Some(id)) => {
                let what = kind.unwrap_or("operation");
                format!("cluster {name} has no {what} with the id {id}")
            }
        };
        CliError::failed(what).hint(format!(
            "list them: {PROGRAM} operations {name} --history{}",
            self.connection_args
        ))
    }

    fn several(&self, cluster: &CassandraCluster, fitting: &[CurrentRequest]) -> CliError {
        let (name, verb, connection_args) = (cluster.name_any(), self.verb, self.connection_args);
        let states = text::list(fitting.iter().map(CurrentRequest::state));
        let id = self.id.map(|id| format!(" --id {id}")).unwrap_or_default();
        let commands = fitting.iter().map(|current| {
            format!(
                "{PROGRAM} {verb} {name} {}{id}{connection_args}",
                current.kind
            )
        });
        let error = CliError::usage(format!("which of these: {}? Name the kind", plain(&states)));
        commands.fold(error, CliError::hint)
    }
}
