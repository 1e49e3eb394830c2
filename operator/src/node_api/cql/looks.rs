//! The last look at each role of an application, while this process runs: a role is looked at again only when something about it
//! has changed. The passwords are compared in memory, and never printed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use casskop_common::api::{User, UserStatus};
use casskop_core::users::Outcome;

use crate::node_api::cql::{Login, failures::PAUSE};

/// Inputs of a look at a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The user of the spec, and its login; none of a user that the spec no longer has.
    pub user: Option<(User, Login)>,
    /// Its record in the status.
    pub record: UserStatus,
    /// Version of the schema.
    pub schema: String,
}

/// A look at a role.
#[derive(Clone, Debug)]
pub struct Look {
    /// Its inputs.
    pub inputs: Inputs,
    /// Its result.
    pub outcome: Outcome,
    /// Its time.
    pub at: Instant,
}

impl Look {
    /// Whether nothing has changed since, and a failure is not old enough for another attempt.
    pub fn holds(&self, inputs: &Inputs, now: Instant) -> bool {
        let has_failed = matches!(self.outcome, Outcome::Failed(_));
        let is_over = has_failed && now.duration_since(self.at) >= PAUSE;
        self.inputs == *inputs && !is_over
    }
}

/// The looks, by the UID of the resource and the name of the role.
#[derive(Clone, Default)]
pub struct Looks(Arc<Mutex<BTreeMap<String, BTreeMap<String, Look>>>>);

impl Looks {
    /// The last looks at the roles of a resource.
    pub fn of(&self, uid: &str) -> BTreeMap<String, Look> {
        self.lock().get(uid).cloned().unwrap_or_default()
    }

    /// Keeps these looks, and those at other roles that are still there.
    pub fn keep(&self, uid: &str, looks: BTreeMap<String, Look>, is_there: impl Fn(&str) -> bool) {
        let mut all = self.lock();
        let known = all.entry(uid.to_owned()).or_default();
        known.extend(looks);
        known.retain(|name, _| is_there(name));
    }

    /// The resource is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, Look>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
