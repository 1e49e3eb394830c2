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
    /// The user of the spec; none of a user that the spec no longer has.
    pub user: Option<User>,
    /// Its login, if its Secret can be used.
    pub login: Option<Login>,
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
    /// Whether nothing has changed since, and the result is not one to ask for again after this time.
    pub fn holds(&self, inputs: &Inputs, now: Instant) -> bool {
        let lasts = matches!(self.outcome, Outcome::Kept(_) | Outcome::Removed);
        self.inputs == *inputs && (lasts || !self.is_old(now))
    }

    /// Whether the result is about this record of the status, and recent enough where somebody else may change it any time.
    pub fn is_about(&self, record: &UserStatus, now: Instant) -> bool {
        let of_others = matches!(self.outcome, Outcome::Absent | Outcome::Fits);
        self.inputs.record == without_message(record) && !(of_others && self.is_old(now))
    }

    /// Whether it is time for another look.
    pub fn is_old(&self, now: Instant) -> bool {
        now.duration_since(self.at) >= PAUSE
    }
}

/// A record as it is compared: messages follow from looks.
pub fn without_message(record: &UserStatus) -> UserStatus {
    UserStatus {
        message: None,
        ..record.clone()
    }
}

/// The roles of a resource.
#[derive(Default)]
struct Roles {
    looks: BTreeMap<String, Look>,
    /// Times at which they were last begun with.
    begun: BTreeMap<String, Instant>,
    /// Whether an exchange about them goes on, of which nobody may wait for the end any more.
    is_busy: bool,
}

/// The looks, by the UID of the resource and the name of the role.
#[derive(Clone, Default)]
pub struct Looks(Arc<Mutex<BTreeMap<String, Roles>>>);

/// An exchange about the roles of a resource. Its end is the end of this.
pub struct Exchange {
    looks: Looks,
    uid: String,
}

impl Exchange {
    /// A role is begun with: what was known of it may not hold any more, whatever comes back.
    pub fn begin(&self, role: &str) {
        let mut all = self.looks.lock();
        if let Some(roles) = all.get_mut(&self.uid) {
            roles.looks.remove(role);
            roles.begun.insert(role.to_owned(), Instant::now());
        }
    }

    /// The result about a role.
    pub fn end(&self, role: &str, look: Look) {
        let mut all = self.looks.lock();
        if let Some(roles) = all.get_mut(&self.uid) {
            roles.looks.insert(role.to_owned(), look);
        }
    }
}

impl std::ops::Drop for Exchange {
    fn drop(&mut self) {
        if let Some(roles) = self.looks.lock().get_mut(&self.uid) {
            roles.is_busy = false;
        }
    }
}

impl Looks {
    /// The last looks at the roles of a resource.
    pub fn of(&self, uid: &str) -> BTreeMap<String, Look> {
        let all = self.lock();
        let roles = all.get(uid);
        roles.map_or_else(BTreeMap::new, |roles| roles.looks.clone())
    }

    /// The times at which roles were last begun with.
    pub fn begun(&self, uid: &str) -> BTreeMap<String, Instant> {
        let all = self.lock();
        let roles = all.get(uid);
        roles.map_or_else(BTreeMap::new, |roles| roles.begun.clone())
    }

    /// Begins an exchange about these roles, and forgets others; nothing while another one goes on.
    pub fn exchange(&self, uid: &str, is_there: impl Fn(&str) -> bool) -> Option<Exchange> {
        let mut all = self.lock();
        let roles = all.entry(uid.to_owned()).or_default();
        if std::mem::replace(&mut roles.is_busy, true) {
            return None;
        }
        roles.looks.retain(|name, _| is_there(name));
        roles.begun.retain(|name, _| is_there(name));
        Some(Exchange {
            looks: self.clone(),
            uid: uid.to_owned(),
        })
    }

    /// The resource is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Roles>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
