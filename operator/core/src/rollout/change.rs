//! The racks of a formed ring.

use casskop_common::{conditions::Action, names::RackId};

use super::{
    ONGOING, Rollout, Step, expand, grow, leaving, rack_diff::RackDiff, restore, revisions, shrink,
    volumes,
};
use crate::{desired::Desired, observed::ObservedState};

/// Decides about the racks of a formed ring: one changes at a time, and one node joins or leaves at a time.
pub(super) fn racks(
    diffs: &[RackDiff<'_>],
    desired: &Desired,
    state: &ObservedState,
    rollout: &mut Rollout,
) {
    if restore::racks(diffs, state, rollout) {
        return;
    }
    if rollout.refused.is_some() {
        go_to_the_end(desired, state, rollout);
        return;
    }
    if expand::volumes(diffs, desired, state, rollout) {
        return;
    }
    if go_to_the_end(desired, state, rollout) {
        if rollout.only_waits(state) {
            // The wait may be for nodes that the correction brings back.
            let own = rollout.rack.clone();
            let is_sick = |diff: &&RackDiff<'_>| {
                Some(&diff.wanted.id) != own.as_ref() && !diff.is_finished(state)
            };
            let sick: Vec<_> = diffs.iter().filter(is_sick).collect();
            if let Some(diff) = corrected(&sick, desired, state, rollout) {
                rollout.change(diff, desired, state);
            }
        }
        return;
    }
    let differing: Vec<&RackDiff<'_>> = diffs.iter().filter(|diff| diff.differs(desired)).collect();
    let unfinished: Vec<&RackDiff<'_>> = diffs
        .iter()
        .filter(|diff| !diff.is_finished(state))
        .collect();
    let elsewhere = revisions::rolls_elsewhere(desired, state);
    let next = if unfinished.is_empty() {
        // All racks are finished. Their nodes may still report peers as down.
        let may_begin = elsewhere.is_none() && rollout.first_health_problem(state).is_none();
        differing.first().copied().filter(|_| may_begin)
    } else {
        corrected(&unfinished, desired, state, rollout)
    };
    if let Some(diff) = next {
        rollout.change(diff, desired, state);
        return;
    }
    if let Some(rack) = elsewhere {
        rollout.action = Some(match differing.first() {
            Some(next) => next.action(desired, state),
            None if grow::next(diffs).is_some() => Action::ScaleUp,
            None => Action::ScaleDown,
        });
        rollout.waiting_for = Some(to_be_rolled_out(&rack));
        rollout.rack = Some(rack);
        return;
    }
    let Some(first) = unfinished.first() else {
        let returning = grow::returning(diffs, state);
        if let Some(diff) = returning.filter(|_| grow::surplus(state).is_none()) {
            rollout.grow(diff);
            return;
        }
        match (grow::next(diffs), rollout.first_health_problem(state)) {
            (Some(diff), health_problem) => match health_problem.or_else(|| grow::surplus(state)) {
                None => rollout.grow(diff),
                health_problem => {
                    rollout.action = Some(Action::ScaleUp);
                    rollout.waiting_for = health_problem;
                }
            },
            (None, health_problem) if !differing.is_empty() => {
                rollout.action = differing.first().map(|diff| diff.action(desired, state));
                rollout.waiting_for = health_problem;
            }
            (None, health_problem) => {
                if let Some(next) = shrink::begin(desired, state) {
                    rollout.shrink(next, desired);
                    rollout.waiting_for = health_problem.or(rollout.waiting_for.take());
                }
            }
        }
        return;
    };
    // `Degraded` reports the nodes that are unhealthy for another reason than a change, unless a change waits for them.
    let rolling = unfinished.iter().find(|diff| diff.is_rolling(state));
    if differing.is_empty()
        && rolling.is_none()
        && grow::next(diffs).is_none()
        && !first.has_new_node(state)
    {
        // The scale-down is blocked, but blocks nothing else: an operation may repair the node.
        if let Some(rack) = shrink::wanted(desired, state) {
            rollout.action = Some(Action::ScaleDown);
            rollout.rack = Some(rack);
            rollout.blocked = rollout.first_health_problem(state);
        }
        return;
    }
    let diff = rolling.unwrap_or(first);
    rollout.action = Some(match differing.first() {
        Some(next) => next.action(desired, state),
        None if diff.has_new_node(state) || (rolling.is_none() && grow::next(diffs).is_some()) => {
            Action::ScaleUp
        }
        None => continued(&diff.wanted.id, state),
    });
    rollout.rack = Some(diff.wanted.id.clone());
    let health_problem = rollout.first_health_problem(state);
    rollout.waiting_for = health_problem.or_else(|| Some(to_be_rolled_out(&diff.wanted.id)));
}

fn to_be_rolled_out(rack: &RackId) -> String {
    format!("rack {rack} to be rolled out")
}

/// The rack that takes its change although racks are not finished: a change whose pods never become Ready is corrected in
/// its rack, and no other rack changes. A rack that waits halfway through its change takes no node down and holds no other
/// one: two such racks, of which the spec did not have one while the other began, would wait for each other.
fn corrected<'a, 'b>(
    unfinished: &[&'a RackDiff<'b>],
    desired: &Desired,
    state: &ObservedState,
    rollout: &Rollout,
) -> Option<&'a RackDiff<'b>> {
    let (halfway, others): (Vec<_>, Vec<_>) = unfinished
        .iter()
        .copied()
        .partition(|diff| diff.is_halfway(desired, state));
    let next = match (&halfway[..], &others[..]) {
        _ if revisions::rolls_elsewhere(desired, state).is_some() => None,
        (_, [one]) | ([one], []) => Some(*one),
        ([first, ..], []) if rollout.first_health_problem(state).is_none() => Some(*first),
        _ => None,
    };
    let mut differing = unfinished
        .iter()
        .copied()
        .filter(|diff| diff.differs(desired));
    match next {
        Some(next) => differing
            .find(|diff| diff.wanted.id == next.wanted.id)
            .filter(|diff| diff.may_be_corrected(desired, state)),
        None => differing.find(|diff| diff.is_all_down(state)),
    }
}

/// Continues the removal of a node that is leaving. Returns whether there is such a node.
fn go_to_the_end(desired: &Desired, state: &ObservedState, rollout: &mut Rollout) -> bool {
    if let Some(volume) = volumes::awaited(state) {
        rollout.action = Some(Action::ScaleDown);
        rollout.waiting_for = Some(format!(
            "volume {} of a node that has left to go",
            volume.name
        ));
        return true;
    }
    let next = shrink::finish(desired, state);
    next.map(|next| rollout.shrink(next, desired)).is_some()
}

impl Rollout {
    /// The next pods of a rack take its change.
    fn change(&mut self, diff: &RackDiff<'_>, desired: &Desired, state: &ObservedState) {
        self.action = Some(diff.action(desired, state));
        self.rack = Some(diff.wanted.id.clone());
        self.waiting_for = Some(format!("rack {} to take the change", diff.wanted.id));
        let mut rack = diff.wanted.clone();
        rack.partition = diff.next_partition(desired, state);
        self.steps.push(Step::new(rack, diff.live_replicas()));
    }

    /// Whether no node leaves now, and nothing is taken away.
    fn only_waits(&self, state: &ObservedState) -> bool {
        let leaving = self.leaving.as_ref();
        let may_leave =
            leaving.is_some_and(|leaving| leaving::decommission(leaving, state).1.is_empty());
        self.removals.is_empty() && !may_leave
    }

    fn shrink(&mut self, next: shrink::Next, desired: &Desired) {
        self.action = Some(Action::ScaleDown);
        let (rack, waiting_for) = match next {
            shrink::Next::Leave(leaving) => {
                let waiting_for = format!("{} to leave the ring", leaving.pod);
                (self.leaving.insert(leaving).rack.clone(), waiting_for)
            }
            shrink::Next::Wait(rack, waiting_for) => (rack, waiting_for),
            shrink::Next::Remove(rack, removal) => {
                let stays = desired.racks.iter().any(|other| other.id.dc == rack.dc);
                self.action = Some(removal.action(stays));
                let waiting_for = removal.to_string();
                self.removals.push(removal);
                (rack, waiting_for)
            }
        };
        self.rack = Some(rack);
        self.waiting_for = Some(waiting_for);
    }
}

/// The action that caused the rollout of a rack in progress. After the StatefulSet is written, only the status records
/// that action.
fn continued(rack: &RackId, state: &ObservedState) -> Action {
    let status = state.cluster.status.as_ref();
    let last = status
        .and_then(|status| status.cassandra_rack_status.get(&rack.key()))
        .and_then(|rack| rack.cassandra_last_action.as_ref())
        .filter(|last| last.status == ONGOING);
    last.and_then(|last| Action::from_word(&last.name))
        .filter(|action| action.updates_pods())
        .unwrap_or(Action::UpdateStatefulSet)
}
