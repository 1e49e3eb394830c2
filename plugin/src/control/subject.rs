//! Which request a command without an id means. Pure.

use std::collections::BTreeSet;

use casskop_common::{
    api::{CassandraCluster, OperationStatus},
    intent::Intents,
};
use kube::ResourceExt;

use crate::{
    cli::PROGRAM,
    error::{CliError, Result},
    request,
    text::{self, plain},
};

/// A request that stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Kind of the operation.
    pub kind: String,
    /// Id of the request.
    pub id: String,
    /// What the status has about it; nothing before the operator has taken it up.
    pub operation: Option<OperationStatus>,
}

impl Subject {
    /// Whether something is still to happen.
    pub fn is_unfinished(&self) -> bool {
        let operation = self.operation.as_ref();
        operation.is_none_or(|operation| !operation.phase.is_final())
    }

    /// Names of the checks that hold it back, before it starts or between two nodes.
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
            None => format!("{kind} {id} is not taken up yet"),
        }
    }
}

/// The current request of each kind: the one that is not finished, or the newest.
pub fn current(cluster: &CassandraCluster) -> Vec<Subject> {
    let known = cluster.status.iter().flat_map(|status| &status.operations);
    let known: Vec<&OperationStatus> = known.collect();
    let asked = Intents::parse(cluster.annotations()).requests;
    let kinds: BTreeSet<&String> = known
        .iter()
        .map(|known| &known.kind)
        .chain(asked.keys())
        .collect();
    let mut subjects = Vec::new();
    for kind in kinds {
        let newest = known.iter().copied().find(|known| known.kind == *kind);
        let unseen = asked
            .get(kind)
            .filter(|asked| request::find(cluster, kind, &asked.id).is_none());
        let unseen = unseen.filter(|_| newest.is_none_or(|newest| newest.phase.is_final()));
        subjects.extend(match (unseen, newest) {
            (Some(asked), _) => Some(Subject {
                kind: kind.clone(),
                id: asked.id.clone(),
                operation: None,
            }),
            (None, newest) => newest.map(|newest| Subject {
                kind: kind.clone(),
                id: newest.id.clone(),
                operation: Some(newest.clone()),
            }),
        });
    }
    subjects
}

/// Every request of one id, however old.
fn with_id(cluster: &CassandraCluster, id: &str) -> Vec<Subject> {
    let status = cluster.status.iter();
    let known = status.flat_map(|status| status.operations.iter().chain(&status.operation_history));
    let known = known.filter(|operation| operation.id == id);
    let mut subjects: Vec<Subject> = known
        .map(|operation| Subject {
            kind: operation.kind.clone(),
            id: id.to_owned(),
            operation: Some(operation.clone()),
        })
        .collect();
    let asked = Intents::parse(cluster.annotations()).requests.into_values();
    for asked in asked.filter(|asked| asked.id == id) {
        if subjects.iter().all(|known| known.kind != asked.kind) {
            subjects.push(Subject {
                kind: asked.kind,
                id: asked.id,
                operation: None,
            });
        }
    }
    subjects
}

/// What was said about which request is meant.
#[derive(Clone, Copy)]
pub struct Which<'a> {
    /// Its kind.
    pub kind: Option<&'a str>,
    /// Its id.
    pub id: Option<&'a str>,
    /// What is to be done with it, as it is typed.
    pub verb: &'a str,
    /// The connection flags, for printed commands.
    pub again: &'a str,
}

impl Which<'_> {
    /// The request that is named, or the only one that fits what is to be done with it.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn pick(
        &self,
        cluster: &CassandraCluster,
        fits: impl Fn(&Subject) -> bool,
    ) -> Result<Subject> {
        let mut all = match self.id {
            Some(id) => with_id(cluster, id),
            None => current(cluster),
        };
        let states = text::list(all.iter().map(Subject::state));
        all.retain(|subject| match (self.kind, self.id) {
            (None, None) => fits(subject),
            (kind, _) => kind.is_none_or(|kind| subject.kind == kind),
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
            "see what there is: {PROGRAM} operations {name} --history{}",
            self.again
        ))
    }

    fn several(&self, cluster: &CassandraCluster, fitting: &[Subject]) -> CliError {
        let (name, verb, again) = (cluster.name_any(), self.verb, self.again);
        let states = text::list(fitting.iter().map(Subject::state));
        let id = self.id.map(|id| format!(" --id {id}")).unwrap_or_default();
        let commands = fitting
            .iter()
            .map(|subject| format!("{PROGRAM} {verb} {name} {}{id}{again}", subject.kind));
        let error = CliError::usage(format!("which of these: {}? Name the kind", plain(&states)));
        commands.fold(error, CliError::hint)
    }
}
