//! The steps of a change of the encryption between nodes: each is a change of all racks, and the next one begins when every
//! node is Ready with the present one.

use casskop_common::{api::InternodeMode, conditions::Action};

use crate::{desired::Desired, rollout::Rollout};

/// Keeps the change in progress between its steps, and says which step is under way.
pub(super) fn tell(desired: &Desired, rollout: &mut Rollout) {
    let target = desired.spec.internode_mode();
    let is_there = desired.started.modes.iter().all(|mode| *mode == target);
    if is_there || !rollout.formed || rollout.refused.is_some() {
        return;
    }
    if rollout.action.is_none() {
        rollout.action = Some(Action::UpdateStatefulSet);
        rollout.next_mode = Some(desired.encryption.internode.towards(target));
        let sick = rollout.unhealthy.first();
        let sick = sick.map(|(pod, why)| format!(", which {pod} is not: {why}"));
        let sick = sick.unwrap_or_default();
        rollout.waiting_for = Some(format!("every node to be Ready{sick}"));
    }
    if let Some(waiting) = &mut rollout.waiting_for {
        let steps = steps(desired.encryption.internode, target);
        *waiting = format!("{waiting} (encryption between nodes: {steps})");
    }
}

/// The mode that is rolled out, and those that follow.
fn steps(now: InternodeMode, target: InternodeMode) -> String {
    let mut steps = now.as_str().to_owned();
    let mut mode = now;
    while mode != target {
        mode = mode.towards(target);
        steps.push_str(", then ");
        steps.push_str(mode.as_str());
    }
    steps
}
