//! Roles of applications: `spec.authentication.users`. Their records, and the next statement about each. A role is
//! changed only after the status says that the operator keeps it, and a permission is granted only after the status says so:
//! the operator takes back nothing else. A role belongs to one Secret, also when it is removed: the namespace may have people that
//! write one Secret and not the other.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::{
    api::{Grant, LoginStep, User, UserOrigin, UserRemoval, UserStatus},
    text,
};

pub use crate::observed::{Granted, Kept, ObservedUsers, Outcome};
use crate::{desired::Desired, node::Statement, observed::ObservedState};

/// Most roles that were removed and stay in the record, so that the spec can name them again.
const REMOVED: usize = 100;
/// Bytes of a message about a role.
const TOLD: usize = 300;

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
    let has_it = |other: &&User| {
        let found = names.get(&other.secret);
        other.secret != user.secret && found.is_some_and(|found| found.as_ref() == Ok(&name))
    };
    if let Some(other) = users.iter().find(has_it) {
        return Err(format!(
            "Secrets {} and {} of spec.authentication.users have the same username: choose another one in one of them",
            user.secret.as_str().min(&other.secret),
            user.secret.as_str().max(&other.secret)
        ));
    }
    let mut records = recorded(state).iter();
    let of_another = |record: &&UserStatus| {
        let is_kept = record.name == name && record.origin.is_some();
        is_kept && record.secret != user.secret
    };
    let Some(record) = records.find(of_another) else {
        return Ok(name);
    };
    let is_listed = users.iter().any(|other| other.secret == record.secret);
    if is_listed || record.removal == Some(UserRemoval::Done) {
        return Err(format!(
            "role {name} belongs to Secret {}, and Secret {} of spec.authentication.users has its username: choose another one",
            record.secret, user.secret
        ));
    }
    Ok(name)
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
        // Another Secret has to have the password of the role first.
        return UserStatus {
            message: message(outcome),
            ..before
        };
    }
    let origin = match (before.origin, outcome) {
        // A person has dropped the role: the next one is the operator's.
        (_, Some(Outcome::Absent)) => Some(UserOrigin::Created),
        (None, Some(Outcome::Fits)) => Some(UserOrigin::Adopted),
        (origin, _) => origin,
    };
    let mut granted = flatten(&before.grants);
    if let Some(Outcome::Kept(kept)) = outcome {
        granted.retain(|granted| !kept.revoked.contains(granted));
    }
    if origin.is_some() {
        granted.extend(flatten(&user.grants));
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

/// What people read about an outcome.
fn message(outcome: Option<&Outcome>) -> Option<String> {
    match outcome? {
        Outcome::Failed(why) | Outcome::Waiting(why) => Some(text::shorten(why, TOLD)),
        Outcome::Kept(kept) if !kept.missing.is_empty() => {
            let missing: Vec<String> = kept.missing.iter().map(ToString::to_string).collect();
            let told = format!(
                "waits for {} to be created, and grants the permissions then",
                missing.join(", ")
            );
            Some(text::shorten(&told, TOLD))
        }
        _ => None,
    }
}

/// The record of a role that no user of the spec has now; nothing if it is forgotten.
fn without_spec(record: &UserStatus, users: &[User], state: &ObservedState) -> Option<UserStatus> {
    if state.users.reserved.contains(&record.name) || record.origin.is_none() {
        return None;
    }
    let is_unread = |user: &User| {
        let is_its = record.secret == user.secret;
        is_its && name_of(user, users, state).is_err()
    };
    // While its Secret cannot be used, nothing says that it is not meant any more.
    if record.removal.is_none() && users.iter().any(is_unread) {
        return Some(record.clone());
    }
    let outcome = state.users.outcomes.get(&record.name);
    let is_removed =
        record.removal == Some(UserRemoval::Done) || outcome == Some(&Outcome::Removed);
    if !is_removed {
        return Some(UserStatus {
            removal: Some(UserRemoval::Pending),
            message: message(outcome),
            ..record.clone()
        });
    }
    (record.origin == Some(UserOrigin::Created)).then(|| UserStatus {
        removal: Some(UserRemoval::Done),
        grants: Vec::new(),
        message: None,
        ..record.clone()
    })
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

/// What is to be done about the role of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task<'a> {
    /// It is brought to what the user of its Secret says.
    Keep(&'a User),
    /// Another Secret has its name, and has to have its password.
    Prove(&'a User),
    /// It is removed.
    Remove,
}

/// The task about a record; none if it is done, or if its Secret cannot be used.
pub fn task<'a>(record: &UserStatus, users: &'a [User], state: &ObservedState) -> Option<Task<'a>> {
    let has_name = |user: &&User| name_of(user, users, state).as_ref() == Ok(&record.name);
    match (users.iter().find(has_name), record.removal) {
        (Some(user), _) if user.secret == record.secret => Some(Task::Keep(user)),
        (Some(user), _) => Some(Task::Prove(user)),
        (None, Some(UserRemoval::Pending)) => Some(Task::Remove),
        (None, _) => None,
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

/// A row of `system_auth.role_permissions`, as `SELECT JSON` writes it.
#[derive(serde::Deserialize, Debug)]
pub struct GrantedRow {
    /// Name of a `DataResource`, or of another kind of resource.
    pub resource: String,
    /// The permissions on it.
    pub permissions: BTreeSet<String>,
}

/// The permissions that a role has in Cassandra, by resource.
pub type Permissions = BTreeMap<String, BTreeSet<String>>;

/// The permissions of these rows.
pub fn permissions(rows: Vec<GrantedRow>) -> Permissions {
    let mut all = Permissions::new();
    for row in rows {
        all.entry(row.resource).or_default().extend(row.permissions);
    }
    all
}

/// Whether a permission is among them.
pub fn has(permissions: &Permissions, granted: &Granted) -> bool {
    let parts = [&granted.on.keyspace, &granted.on.table];
    let parts = parts.into_iter().flatten().map(|part| format!("/{part}"));
    let resource = format!("data{}", parts.collect::<String>());
    let there = permissions.get(&resource);
    there.is_some_and(|there| there.contains(granted.permission.as_str()))
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
