//! One kind of operation: what is asked, what is known of it, and where it goes from here.

use casskop_common::{
    api::{NodePhase, OperationPhase, OperationReason, OperationStatus, Requester},
    intent::{Controls, Invalid, Request},
    names,
    operations::{Arguments, OperationKind},
};
use jiff::Timestamp;

use super::{
    internal_requests::InternalRequest,
    plan,
    progress::{self, Scope},
    targets::target,
};
use crate::{
    observed::ObservedState,
    operations::{behaviour, recorded::has_begun, transitions},
};

/// The usual reason of [`may_have_run`].
pub(crate) const EXISTED: &str = "the ring existed before it";

/// Message of a request that is recorded and not run.
pub(crate) fn may_have_run(why: &str) -> String {
    format!(
        "the annotation was there when the resource was first observed, and {why}, so the operation may have run already: it is not run. Request with a new id to run it"
    )
}

/// The inputs of the decision about one kind.
pub(crate) struct RequestState<'a> {
    state: &'a ObservedState,
    /// The kind.
    pub(crate) kind: OperationKind,
    request: Option<&'a Request>,
    /// The source of the request, if not an annotation.
    pub(crate) by: Option<&'a Requester>,
    controls: Controls,
    /// Its newest operation.
    pub(crate) current: Option<&'a OperationStatus>,
    /// The operation with the id of the request that is over and replaced by another one.
    finished: Option<&'a OperationStatus>,
    /// Whether the id of the request ran before, of a kind that discards data.
    is_spent: bool,
}

impl<'a> RequestState<'a> {
    /// The state of a kind.
    pub(crate) fn of(
        kind: OperationKind,
        own: Option<&'a InternalRequest>,
        state: &'a ObservedState,
    ) -> Self {
        let status = state.cluster.status.as_ref();
        let asked = state.intents.requests.get(&kind);
        let current = state.operations().find(|operation| operation.kind == kind);
        let history = || {
            let history = status.iter().flat_map(|status| &status.operation_history);
            history.filter(|old| old.kind == kind)
        };
        let spent = status.and_then(|status| status.used_request_ids.get(kind.as_str()));
        let is_spent = |id: &str| spent.is_some_and(|ids| ids.iter().any(|spent| spent == id));
        // A request of a user goes before an internal one that has not begun: replaced by it, it would be lost; behind it,
        // it would not be observed.
        let own = own.filter(|own| {
            let begun = current.is_some_and(|current| {
                let begun = current.started_at.is_some() && !current.phase.is_final();
                current.id == own.request.id && begun
            });
            let is_new = |asked: &Request| match current {
                Some(current) if current.id == asked.id => {
                    current.phase == OperationPhase::Pending && current.requested_by.is_none()
                }
                _ => !is_spent(&asked.id) && !history().any(|old| old.id == asked.id),
            };
            begun || !asked.is_some_and(is_new)
        });
        let request = own.map(|own| &own.request).or(asked);
        let is_asked = |id: &str| request.is_some_and(|request| request.id == id);
        let finished = history()
            .filter(|old| is_asked(&old.id))
            // An operation that the spec asks for may be called off before it begins, or fail, and is then requested again.
            .find(|old| match own.map(|own| &own.by) {
                None => true,
                Some(by) if by.stands() => {
                    old.started_at.is_some() && old.phase != OperationPhase::Failed
                }
                Some(_) => old.phase != OperationPhase::Withdrawn,
            });
        let is_current = current.is_some_and(|current| is_asked(&current.id));
        Self {
            state,
            kind,
            request,
            by: own.map(|own| &own.by),
            controls: state
                .intents
                .controls
                .get(&kind)
                .cloned()
                .unwrap_or_default(),
            current,
            finished,
            is_spent: !is_current && request.is_some_and(|request| is_spent(&request.id)),
        }
    }

    /// Whether what is asked mends a ring, by giving up a node that is lost.
    pub(crate) fn repairs_ring(&self) -> bool {
        let repairs_ring =
            |request: &Request| behaviour(&request.arguments.operation).discards_lost_node();
        self.request.is_some_and(repairs_ring)
    }

    /// Whether a person asks for a restart of nodes that are members and not healthy, and of no other node. Of a restart that has
    /// begun, the nodes before it count.
    pub(crate) fn restarts_sick_nodes(&self) -> bool {
        if self.kind != OperationKind::Restart || self.by.is_some() {
            return false;
        }
        let state = self.state;
        let is_sick = |pod: &str| {
            let is_there = state.pods.get(pod).is_some_and(|pod| !pod.deleting);
            is_there && !state.is_newcomer(pod) && state.own_health_problem(pod).is_some()
        };
        if let Some(begun) = self.current.filter(|current| has_begun(current)) {
            let mut nodes = begun.nodes.iter();
            return nodes.all(|node| node.phase != NodePhase::Pending || is_sick(&node.pod));
        }
        let targets = |request: &Request| {
            target(request, behaviour(&request.arguments.operation), state).ok()
        };
        let targets = self.request.and_then(targets);
        targets.is_some_and(|targets| targets.iter().all(|(pod, _)| is_sick(pod)))
    }

    /// Time since which a request of a schedule, which has not begun, waits; none for another request.
    pub(crate) fn scheduled_at(&self) -> Option<Timestamp> {
        let id = &self
            .request
            .filter(|_| self.by == Some(&Requester::Schedule))?
            .id;
        let recorded = self.current.filter(|current| current.id == *id);
        if recorded.is_some_and(has_begun) {
            return None;
        }
        let requested = recorded.and_then(|recorded| recorded.requested_at.as_ref());
        Some(requested.map_or(self.state.now, |at| at.0))
    }

    /// The arguments of the newest operation of the kind, as its status records them; none if another version of the
    /// operator has recorded arguments that this version cannot parse.
    pub(crate) fn arguments(&self, operation: &OperationStatus) -> Option<&Arguments> {
        let asked = self.request.filter(|asked| {
            asked.id == operation.id && asked.arguments.text == operation.arguments
        });
        let recorded = || {
            let is_current = self
                .current
                .is_some_and(|current| current.id == operation.id);
            let recorded = self.state.arguments.get(&self.kind);
            recorded.filter(|_| is_current)
        };
        asked.map(|asked| &asked.arguments).or_else(recorded)
    }

    fn scope(&self, current: &OperationStatus) -> Scope<'_> {
        Scope {
            arguments: self.arguments(current),
            controls: &self.controls,
            state: self.state,
        }
    }

    /// Why the request is not carried out, if its id ran before.
    pub(crate) fn rejection(&self) -> Option<Invalid> {
        let request = self.request?;
        let how = match self.finished {
            // An annotation that is older than an internal operation is no new request.
            Some(old) if self.by.is_none() && !self.is_asked_last(old) => {
                format!("already ended ({})", old.phase.as_str())
            }
            None if self.is_spent => "ran before".to_owned(),
            _ => return None,
        };
        Some(Invalid {
            annotation: names::request_annotation(self.kind),
            message: format!(
                "{} {} {how} and never runs again: request it with a new id",
                self.kind, request.id
            ),
        })
    }

    /// Whether nothing was asked for by annotation since.
    fn is_asked_last(&self, old: &OperationStatus) -> bool {
        let status = self.state.cluster.status.iter();
        let history = status.flat_map(|status| &status.operation_history);
        let last = self
            .current
            .into_iter()
            .chain(history)
            .find(|other| other.kind == self.kind && other.requested_by.is_none());
        last.is_some_and(|last| last.id == old.id)
    }

    /// A waiver of a check that the operation does not have would be thought to hold.
    pub(crate) fn unknown_check(&self, operation: &OperationStatus) -> Option<Invalid> {
        let (id, waived) = self.controls.waive.as_ref()?;
        let names: Vec<&str> = operation
            .checks
            .iter()
            .map(|check| check.name.as_str())
            .collect();
        let unknown = waived.iter().find(|name| !names.contains(&name.as_str()))?;
        (*id == operation.id && !names.is_empty()).then(|| Invalid {
            annotation: names::control_annotation(&operation.kind, "waive"),
            message: format!(
                "{} has no check {unknown}; it has {}",
                operation.kind,
                names.join(", ")
            ),
        })
    }

    /// The newest operation of the kind, as it will be; nothing if there is none.
    pub(crate) fn next(&self, busy: Option<&str>) -> Option<OperationStatus> {
        let may_admit = self.finished.is_none() && !self.is_spent;
        let after = match self.current {
            Some(current) => self.advance(current, busy, may_admit),
            None => self
                .request
                .filter(|_| may_admit)
                .map(|request| self.admit(request, busy)),
        };
        after.or_else(|| self.current.cloned())
    }

    /// Where an operation goes from here; nothing if it stays.
    fn advance(
        &self,
        current: &OperationStatus,
        busy: Option<&str>,
        may_admit: bool,
    ) -> Option<OperationStatus> {
        let asked = self.request.filter(|request| request.id == current.id);
        if current.phase == OperationPhase::Pending {
            return Some(match (asked, self.request) {
                (Some(request), _) => self.begin(request, current.clone(), busy),
                (None, newer) => withdrawn(current, newer, self.state),
            });
        }
        if !current.phase.is_final() {
            return Some(progress::advance(current, self.scope(current), busy));
        }
        let stands = self.by.is_some_and(Requester::stands);
        if stands
            && let Some(retried) =
                asked.and_then(|_| progress::auto_retry(current, self.scope(current), busy))
        {
            return Some(retried);
        }
        if let Some(retried) = progress::retry(current, self.scope(current), busy) {
            return Some(retried);
        }
        // Until the cancel is taken back, it would be called off again.
        let cancelled = self.controls.cancel.as_ref() == Some(&current.id);
        // A node that was leaving at a cancel is followed to its end.
        let came_to_nothing = current.started_at.is_none()
            || (self.kind == OperationKind::Decommission
                && current.phase == OperationPhase::Cancelled);
        let gave_way = self.by.is_some() && current.phase == OperationPhase::Withdrawn;
        let called_off = (stands && came_to_nothing && !cancelled) || gave_way;
        let newer = self
            .request
            .filter(|request| (request.id != current.id || called_off) && may_admit)?;
        Some(self.admit(newer, busy))
    }

    /// Records a request that is new.
    fn admit(&self, request: &Request, busy: Option<&str>) -> OperationStatus {
        let operation = OperationStatus {
            kind: request.kind.into(),
            id: request.id.clone(),
            arguments: request.arguments.text.clone(),
            requested_by: self.by.cloned(),
            phase: OperationPhase::Pending,
            requested_at: Some(transitions::time(self.state.now)),
            ..OperationStatus::default()
        };
        if self.by.is_none() && self.state.is_created_again() {
            return transitions::end(
                operation,
                OperationPhase::Refused,
                OperationReason::MayHaveRun,
                &may_have_run(EXISTED),
                self.state.now,
            );
        }
        self.begin(request, operation, busy)
    }

    /// Plans a recorded request and begins with it, or reports what it waits for.
    fn begin(
        &self,
        request: &Request,
        mut operation: OperationStatus,
        busy: Option<&str>,
    ) -> OperationStatus {
        // They may have been edited while the request waited.
        operation.arguments.clone_from(&request.arguments.text);
        let quoted = |id: &Option<String>| id.as_deref() == Some(&operation.id);
        if quoted(&self.controls.cancel) {
            return transitions::end(
                operation,
                OperationPhase::Cancelled,
                OperationReason::Cancelled,
                "cancelled before it began",
                self.state.now,
            );
        }
        let waits = if quoted(&self.controls.pause) {
            Some((OperationReason::PausedBeforeStart, "paused before it began"))
        } else {
            busy.filter(|_| !request.is_dry_run())
                .map(|busy| (OperationReason::Waiting, busy))
        };
        let Some((reason, message)) = waits else {
            return plan::plan(request, operation, &self.controls, self.state);
        };
        if let Some(refusal) = plan::is_alive(&mut operation, request, &self.controls, self.state) {
            return plan::refuse(operation, &refusal, self.state);
        }
        operation.reason = Some(reason);
        operation.blocked_by.clear();
        message.clone_into(&mut operation.message);
        operation
    }
}

fn withdrawn(
    current: &OperationStatus,
    newer: Option<&Request>,
    state: &ObservedState,
) -> OperationStatus {
    let message = match newer {
        Some(newer) => format!("replaced by {} before it began", newer.id),
        None if current.requested_by.is_some() => {
            "it is not asked for any more, and had not begun".into()
        }
        None => "its annotation was removed or became invalid before it began".into(),
    };
    transitions::end(
        current.clone(),
        OperationPhase::Withdrawn,
        OperationReason::Withdrawn,
        &message,
        state.now,
    )
}
