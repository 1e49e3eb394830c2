//! Roles of applications: `spec.authentication.users`. Their records, and the next statement about each. A role is
//! changed only after the status says that the operator keeps it, and a permission is granted only after the status says so:
//! the operator takes back nothing else.

use std::collections::BTreeSet;

use casskop_common::api::{Grant, LoginStep, User, UserOrigin, UserStatus};

pub use crate::observed::{Granted, Kept, ObservedUsers, Outcome};
use crate::{desired::Desired, node::Statement, observed::ObservedState};

/// Most users that were removed from the spec and stay in the record, so that the spec can name them again.
const REMOVED: usize = 100;

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
    let mut removed = 0;
    for record in others.filter_map(|record| without_spec(record, users, state)) {
        removed += usize::from(record.secret.is_none());
        if record.secret.is_some() || removed <= REMOVED {
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
            Outcome::Failed(why) => Some(format!("role {}: {why}", record.name)),
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
    let origin = match (before.origin, outcome) {
        // A person has dropped the role: the next one is the operator's.
        (_, Some(Outcome::Absent)) => Some(UserOrigin::Created),
        (None, Some(Outcome::Fits)) => Some(UserOrigin::Adopted),
        (origin, _) => origin,
    };
    let kept = match outcome {
        Some(Outcome::Kept(kept)) => Some(kept),
        _ => None,
    };
    let mut granted = flatten(&before.grants);
    if let Some(kept) = kept {
        granted.retain(|granted| !kept.revoked.contains(granted));
    }
    if origin.is_some() {
        granted.extend(flatten(&user.grants));
    }
    let missing = kept.map(|kept| &kept.missing).into_iter().flatten();
    let missing: Vec<String> = missing.map(ToString::to_string).collect();
    UserStatus {
        name,
        secret: Some(user.secret.clone()),
        origin,
        grants: collect(granted),
        message: match outcome {
            Some(Outcome::Failed(why)) => Some(why.clone()),
            _ if !missing.is_empty() => Some(format!(
                "waits for {} to be created, and grants the permissions then",
                missing.join(", ")
            )),
            _ => None,
        },
    }
}

/// The record of a role that no user of the spec has now; nothing if it is forgotten.
fn without_spec(record: &UserStatus, users: &[User], state: &ObservedState) -> Option<UserStatus> {
    let is_unread = |user: &User| {
        let is_its = record.secret.as_ref() == Some(&user.secret);
        is_its && name_of(user, users, state).is_err()
    };
    // While its Secret cannot be used, nothing says that it is not meant any more.
    if users.iter().any(is_unread) && !state.users.reserved.contains(&record.name) {
        return Some(record.clone());
    }
    let is_removed = state.users.outcomes.get(&record.name) == Some(&Outcome::Removed);
    match record.origin {
        _ if state.users.reserved.contains(&record.name) => None,
        None => None,
        Some(UserOrigin::Adopted) if is_removed => None,
        Some(_) => Some(UserStatus {
            secret: None,
            grants: if is_removed {
                Vec::new()
            } else {
                record.grants.clone()
            },
            message: match state.users.outcomes.get(&record.name) {
                Some(Outcome::Failed(why)) => Some(why.clone()),
                _ => None,
            },
            ..record.clone()
        }),
    }
}

/// A role in Cassandra.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Whether it may log in.
    pub may_log_in: bool,
    /// Whether it is a superuser.
    pub is_superuser: bool,
}

/// Next step about the role of a user of the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The outcome is [`Outcome::Absent`]: it is recorded first.
    Absent,
    /// Somebody else made the role; it fits if it logs in with the password of the Secret.
    Try,
    /// Somebody else made the role, and it has other rights than the spec says.
    Differs,
    /// It is created.
    Create,
    /// It gets the rights of the spec.
    Correct,
    /// Its password is compared.
    Compare,
}

/// The next step about a role, as it is recorded and as Cassandra has it.
pub fn next(origin: Option<UserOrigin>, is_superuser: bool, role: Option<Role>) -> Next {
    let fits = Role {
        may_log_in: true,
        is_superuser,
    };
    match (origin, role) {
        (Some(UserOrigin::Created), None) => Next::Create,
        (_, None) => Next::Absent,
        (Some(_), Some(role)) if role == fits => Next::Compare,
        (None, Some(role)) if role == fits => Next::Try,
        (Some(UserOrigin::Created), Some(_)) => Next::Correct,
        (_, Some(_)) => Next::Differs,
    }
}

/// The statements about permissions: those that are to be taken back, and those that are to be granted. Only recorded ones are
/// touched.
pub fn grants(record: &UserStatus, user: Option<&User>) -> (Vec<Granted>, Vec<Granted>) {
    let wanted = user.map(|user| flatten(&user.grants)).unwrap_or_default();
    let recorded = flatten(&record.grants);
    let (granted, revoked) = recorded
        .into_iter()
        .partition(|granted| wanted.contains(granted));
    (revoked, granted)
}

/// The statement that grants a permission to a role, or takes it back.
pub fn statement(granted: &Granted, role: &str, is_granted: bool) -> Statement {
    let (on, permission) = (&granted.on, granted.permission.as_str());
    let keyspace = on.keyspace.as_deref();
    if is_granted {
        Statement::grant(permission, keyspace, on.table.as_deref(), role)
    } else {
        Statement::revoke(permission, keyspace, on.table.as_deref(), role)
    }
}
