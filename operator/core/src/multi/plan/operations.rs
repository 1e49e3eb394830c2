//! Operations on all sites: the same request is passed to one site after the other. An unreachable site that has not
//! started the operation is deferred; a site that has started it is awaited.

mod progress;
mod targets;

use casskop_common::{
    api::{MultiOperation, OperationPhase},
    intent::{Controls, Invalid, Request},
    names,
    operations::OperationKind,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    multi::{observed::ObservedSites, plan::rejection},
    scheduler::request_state::may_have_run,
};

pub(crate) use progress::{is_at_work, value};

/// Maximum number of ended operations in the history.
const HISTORY: usize = 20;

/// Decision about the operations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decision {
    /// The newest operation of each kind.
    pub(crate) current: Vec<MultiOperation>,
    /// Older operations.
    pub(crate) history: Vec<MultiOperation>,
    /// Invalid annotations.
    pub(crate) rejections: Vec<Invalid>,
}

/// Decides about all operations.
pub(crate) fn decide(snapshot: &ObservedSites) -> Decision {
    let old = snapshot.multi.status.clone().unwrap_or_default();
    let mut decision = Decision {
        history: old.operation_history,
        ..Decision::default()
    };
    let at_work = old
        .operations
        .iter()
        .find(|operation| is_at_work(operation));
    let mut busy = at_work.map(|operation| operation.kind.clone());
    for kind in OperationKind::ALL
        .into_iter()
        .filter(|kind| kind.asked_by_spec().is_none())
    {
        let before = old.operations.iter().find(|known| known.kind == kind);
        let request = snapshot.intents.requests.get(&kind);
        let Some(mut operation) = decision.next(before, request, snapshot) else {
            continue;
        };
        let none = Controls::default();
        let controls = snapshot.intents.controls.get(&kind).unwrap_or(&none);
        let others = busy.clone().filter(|other| *other != kind);
        progress::go_on(&mut operation, controls, others.as_ref(), snapshot);
        if is_at_work(&operation) {
            busy.get_or_insert(kind.into());
        }
        decision.current.push(operation);
    }
    decision
}

impl Decision {
    /// The operation of a kind: the current one until it has ended, then the requested one.
    fn next(
        &mut self,
        before: Option<&MultiOperation>,
        request: Option<&Request>,
        snapshot: &ObservedSites,
    ) -> Option<MultiOperation> {
        let Some(request) = request else {
            return before
                .cloned()
                .map(|operation| withdrawn(operation, snapshot));
        };
        let Some(before) = before else {
            return if self.knows(request) {
                self.complain(request);
                None
            } else {
                Some(begin(request, snapshot))
            };
        };
        if before.id == request.id || !before.phase.is_final() {
            return Some(before.clone());
        }
        if self.knows(request) {
            self.complain(request);
            return Some(before.clone());
        }
        self.history.insert(0, before.clone());
        self.history.truncate(HISTORY);
        Some(begin(request, snapshot))
    }

    fn knows(&self, request: &Request) -> bool {
        let mut history = self.history.iter();
        history.any(|old| old.kind == request.kind && old.id == request.id)
    }

    fn complain(&mut self, request: &Request) {
        self.rejections.push(rejection(
            names::request_annotation(request.kind),
            format!(
                "{} was already carried out and never runs again: request it with a new id",
                request.id
            ),
        ));
    }
}

/// Withdraws an operation whose request was removed before any site started it.
fn withdrawn(mut operation: MultiOperation, snapshot: &ObservedSites) -> MultiOperation {
    let begun =
        |phase: Option<OperationPhase>| phase.is_some_and(|phase| phase != OperationPhase::Pending);
    let untouched = operation.sites.iter().all(|site| !begun(site.phase));
    if !operation.phase.is_final() && untouched {
        operation.phase = OperationPhase::Withdrawn;
        operation.message = "the request was withdrawn before it started".into();
        operation.finished_at = Some(Time(snapshot.now));
    }
    operation
}

fn begin(request: &Request, snapshot: &ObservedSites) -> MultiOperation {
    let mut operation = MultiOperation {
        kind: request.kind.into(),
        id: request.id.clone(),
        arguments: request.arguments.text.clone(),
        requested_at: Some(Time(snapshot.now)),
        ..MultiOperation::default()
    };
    if let Some(why) = snapshot.created_again() {
        operation.phase = OperationPhase::Refused;
        operation.message = may_have_run(&why);
        operation.finished_at = Some(Time(snapshot.now));
        return operation;
    }
    match targets::sites(request, snapshot).and_then(|sites| checked(request, sites, snapshot)) {
        Ok(sites) => operation.sites = sites,
        Err(why) => {
            operation.phase = OperationPhase::Refused;
            operation.message = why;
            operation.finished_at = Some(Time(snapshot.now));
        }
    }
    operation
}

/// A request that discards data has to name the UID of this resource.
fn checked<T>(request: &Request, sites: T, snapshot: &ObservedSites) -> Result<T, String> {
    let meant = request.arguments.cluster_uid.as_deref();
    if request.kind.discards_data() && meant != Some(snapshot.uid()) {
        return Err(format!(
            "--cluster-uid {} is not the metadata.uid of this MultiCasskop, {}: the request was made for another one",
            meant.unwrap_or_default(),
            snapshot.uid()
        ));
    }
    Ok(sites)
}
