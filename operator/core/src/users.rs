//! Roles of applications: `spec.authentication.users`. Their records, and the next statement about each. A role is
//! changed only after the status says that the operator keeps it, and a permission is granted only after the status says so:
//! the operator takes back nothing else. A role belongs to one Secret, also when it is removed: the namespace may have people that
//! write one Secret and not the other.

use std::collections::BTreeSet;

use casskop_common::{
    api::{Grant, LoginStep, User, UserOrigin, UserRemoval, UserStatus},
    text,
};

mod role;

pub use crate::observed::{Granted, Kept, ObservedUsers, Outcome};
use crate::{desired::Desired, observed::ObservedState};
pub use role::{GrantedRow, Next, Role, grants, next, resource, statement};

/// Most roles that were removed and stay in the record, so that the spec can name them again.
const REMOVED: usize = 100;
/// Characters of a message about a role.
const TOLD: usize = 300;
/// Most permissions in the record of a role: those of the spec, and those that could not be taken back yet.
const GRANTED: usize = 1000;

/// The permissions of grants, each of them once.
pub fn flatten(grants: &[Grant]) -> BTreeSet<Granted> {
    let each = grants.iter().flat_map(|grant| {
        grant.permissions.iter().map(|permission| Granted {
            on: grant.target(),
            permission: *permission,
        })
    });
    each.collect()
}

/// The same as grants, one for each resource.
fn collect(granted: BTreeSet<Granted>) -> Vec<Grant> {
    let mut grants: Vec<Grant> = Vec::new();
    for granted in granted {
        match grants.last_mut().filter(|last| last.target() == granted.on) {
            Some(last) => last.permissions.push(granted.permission),
            None => grants.push(Grant::of(vec![granted.permission], granted.on)),
        }
    }
    grants
}

/// The users as they are to be recorded.
pub fn record(desired: Option<&Desired>, state: &ObservedState, is_held: bool) -> Vec<UserStatus> {
    let before = recorded(state);
    let desired = desired.filter(|desired| desired.logins == LoginStep::Required && !is_held);
    let Some(desired) = desired else {
        return before.to_vec();
    };
    let users = users(desired);
    let mut records: Vec<UserStatus> = users
        .iter()
        .filter_map(|user| {
            let name = name_of(user, users, state).ok()?;
            let before = before.iter().find(|record| record.name == name);
            Some(follow(before, user, name, state))
        })
        .collect();
    let named: BTreeSet<String> = records.iter().map(|record| record.name.clone()).collect();
    let others = before.iter().filter(|record| !named.contains(&record.name));
    let mut done = 0;
    for record in others.filter_map(|record| without_spec(record, users, state)) {
        done += usize::from(record.removal == Some(UserRemoval::Done));
        if record.removal != Some(UserRemoval::Done) || done <= REMOVED {
            records.push(record);
        }
    }
    records.sort_by(|one, other| one.name.cmp(&other.name));
    records
}

/// Why users are not as the spec says, in words.
pub fn problems(desired: Option<&Desired>, state: &ObservedState) -> Vec<String> {
    let users = desired.map(users).unwrap_or_default();
    let of_secrets = users
        .iter()
        .filter_map(|user| name_of(user, users, state).err());
    let of_roles = recorded(state).iter().filter_map(|record| {
        match state.users.outcomes.get(&record.name)? {
            Outcome::Failed(why) => Some(format!(
                "role {}: {}",
                record.name,
                text::shorten(why, TOLD)
            )),
            _ => None,
        }
    });
    of_secrets.chain(of_roles).collect()
}

/// The users of a desired state.
pub fn users(desired: &Desired) -> &[User] {
    let authentication = desired.spec.authentication.as_ref();
    authentication.map_or(&[], |authentication| &authentication.users)
}

/// The records of the status.
pub fn recorded(state: &ObservedState) -> &[UserStatus] {
    let status = state.cluster.status.as_ref();
    status.map_or(&[], |status| &status.users)
}

/// The name of a user.
///
/// # Errors
/// Why the user has none, for people.
pub fn name_of(user: &User, users: &[User], state: &ObservedState) -> Result<String, String> {
    let names = &state.users.names;
    let missing = || {
        Err(format!(
            "Secret {} of spec.authentication.users does not exist: create it with username and password",
            user.secret
        ))
    };
    let name = names.get(&user.secret).cloned().unwrap_or_else(missing)?;
    if state.users.reserved.contains(&name) {
        return Err(format!(
            "Secret {} of spec.authentication.users has the username of the superuser: choose another username",
            user.secret
        ));
    }
    let records = recorded(state).iter();
    let mut kept = records.filter(|record| record.name == name && record.origin.is_some());
    let record = kept.next();
    // Its own role, whoever else has the username in a Secret.
    if record.is_some_and(|record| record.secret == user.secret) {
        return Ok(name);
    }
    if let Some(record) = record {
        let is_listed = users.iter().any(|other| other.secret == record.secret);
        if is_listed || record.removal == Some(UserRemoval::Pending) {
            return Err(format!(
                "role {name} belongs to Secret {}, and Secret {} of spec.authentication.users has its username: choose another one",
                record.secret, user.secret
            ));
        }
    }
    let has_it = |other: &&User| {
        let found = names.get(&other.secret);
        other.secret != user.secret && found.is_some_and(|found| found.as_ref() == Ok(&name))
    };
    match users.iter().find(has_it) {
        Some(other) => Err(format!(
            "Secrets {} and {} of spec.authentication.users have the same username: choose another one in one of them",
            user.secret.as_str().min(&other.secret),
            user.secret.as_str().max(&other.secret)
        )),
        None => Ok(name),
    }
}

/// The record of a user of the spec.
fn follow(
    before: Option<&UserStatus>,
    user: &User,
    name: String,
    state: &ObservedState,
) -> UserStatus {
    let outcome = state.users.outcomes.get(&name);
    let before = before.cloned().unwrap_or_default();
    let is_its = before.origin.is_none() || before.secret == user.secret;
    let is_proven = matches!(outcome, Some(Outcome::Fits | Outcome::Absent));
    if !is_its && !is_proven {
        // Another Secret has to have the password of the role first. One that has another password keeps no role from being
        // removed.
        let is_refused = before.removal.is_none() && matches!(outcome, Some(Outcome::Failed(_)));
        return UserStatus {
            message: message(outcome),
            removal: if is_refused {
                Some(UserRemoval::Pending)
            } else {
                before.removal
            },
            ..before
        };
    }
    let origin = match (before.origin, outcome) {
        // A person has dropped the role: the next one is the operator's.
        (_, Some(Outcome::Absent)) => Some(UserOrigin::Creating),
        (None, Some(Outcome::Fits)) => Some(UserOrigin::Adopted),
        (Some(UserOrigin::Creating), Some(Outcome::Fits | Outcome::Kept(_))) => {
            Some(UserOrigin::Created)
        }
        (origin, _) => origin,
    };
    let mut granted = flatten(&before.grants);
    take_back(&mut granted, outcome);
    if origin.is_some() {
        let all = flatten(&user.grants);
        let more = all.into_iter();
        granted.extend(more.take(GRANTED.saturating_sub(before.grants.len())));
    }
    UserStatus {
        name,
        secret: user.secret.clone(),
        removal: None,
        origin,
        grants: collect(granted),
        message: message(outcome),
    }
}

/// Leaves out the permissions that are not granted any more.
fn take_back(granted: &mut BTreeSet<Granted>, outcome: Option<&Outcome>) {
    if let Some(Outcome::Kept(kept)) = outcome {
        granted.retain(|granted| !kept.revoked.contains(granted));
    }
}

/// The words for people about an outcome.
fn message(outcome: Option<&Outcome>) -> Option<String> {
    match outcome? {
        Outcome::Failed(why) | Outcome::Waiting(why) => Some(text::shorten(why, TOLD)),
        Outcome::Kept(kept) if !kept.missing.is_empty() => {
            let missing: Vec<String> = kept.missing.iter().map(ToString::to_string).collect();
            let told = format!(
                "waits for {} to be created, and grants or takes back the permissions then",
                missing.join(", ")
            );
            Some(text::shorten(&told, TOLD))
        }
        _ => None,
    }
}

/// The record of a role that no user of the spec has now; nothing if it is forgotten.
fn without_spec(record: &UserStatus, users: &[User], state: &ObservedState) -> Option<UserStatus> {
    if state.users.superuser.as_ref() == Some(&record.name) || record.origin.is_none() {
        return None;
    }
    let names = &state.users.names;
    let is_unread = |user: &User| !matches!(names.get(&user.secret), Some(Ok(_)));
    let is_its = |user: &&User| user.secret == record.secret;
    let is_known = |user: &User| {
        let mut records = recorded(state).iter();
        records.any(|record| record.secret == user.secret)
    };
    let outcome = state.users.outcomes.get(&record.name);
    // While a Secret cannot be used, nothing says that its role is not meant any more; nor that a Secret that is new does not
    // take the place of one that is no longer listed.
    let may_be_meant = users.iter().find(is_its).is_some_and(is_unread)
        || users.iter().any(|user| is_unread(user) && !is_known(user));
    if record.removal.is_none() && may_be_meant {
        let mut granted = flatten(&record.grants);
        take_back(&mut granted, outcome);
        return Some(UserStatus {
            grants: collect(granted),
            ..record.clone()
        });
    }
    if state.users.reserved.contains(&record.name) {
        return Some(record.clone());
    }
    let is_removed =
        record.removal == Some(UserRemoval::Done) || outcome == Some(&Outcome::Removed);
    if !is_removed {
        return Some(UserStatus {
            removal: Some(UserRemoval::Pending),
            message: message(outcome),
            ..record.clone()
        });
    }
    (record.origin != Some(UserOrigin::Adopted)).then(|| UserStatus {
        removal: Some(UserRemoval::Done),
        grants: Vec::new(),
        message: None,
        ..record.clone()
    })
}

/// The work on the role of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task<'a> {
    /// It is brought to what the user of its Secret says.
    Keep(&'a User),
    /// Its Secret cannot be used: what the user has no more is taken back, and nothing else is done.
    TakeBack(&'a User),
    /// Another Secret has its name, and has to have its password.
    Prove(&'a User),
    /// It is removed. One that is removed is looked at once more by the next process: a creation may come late.
    Remove,
}

/// The task about a record, if there is one.
pub fn task<'a>(record: &UserStatus, users: &'a [User], state: &ObservedState) -> Option<Task<'a>> {
    if state.users.reserved.contains(&record.name) {
        return None;
    }
    let has_name = |user: &&User| name_of(user, users, state).as_ref() == Ok(&record.name);
    let is_its = |user: &&User| user.secret == record.secret;
    let own = users.iter().find(is_its);
    let mut named = users.iter().filter(has_name);
    if own.is_some_and(|own| has_name(&own)) {
        return own.map(Task::Keep);
    }
    match (named.next(), record.removal) {
        (Some(user), _) => Some(Task::Prove(user)),
        (None, Some(_)) => Some(Task::Remove),
        (None, None) => own
            .filter(|own| !matches!(state.users.names.get(&own.secret), Some(Ok(_))))
            .map(Task::TakeBack),
    }
}
