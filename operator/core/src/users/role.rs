//! The role of a user in Cassandra: the next step about it, and the statements.

use std::collections::BTreeSet;

use casskop_common::api::{GrantTarget, User, UserOrigin, UserStatus};

use super::flatten;
use crate::{node::Statement, observed::Granted};

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
        (Some(UserOrigin::Creating | UserOrigin::Created), None) => Next::Create,
        (_, None) => Next::Absent,
        // Somebody else may have been faster than the creation that was recorded.
        (None | Some(UserOrigin::Creating), Some(role)) if role == fits => Next::Try,
        (Some(_), Some(role)) if role == fits => Next::Compare,
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

/// The permissions of a role on a resource: a row of `system_auth.role_permissions`, as `SELECT JSON` writes it.
#[derive(serde::Deserialize, Debug, Default)]
pub struct GrantedRow {
    /// The permissions; none in a row of which all were taken back.
    pub permissions: Option<BTreeSet<String>>,
}

/// The name of a resource in that table (`DataResource.getName`).
pub fn resource(on: &GrantTarget) -> String {
    let parts = [&on.keyspace, &on.table].into_iter().flatten();
    let parts = parts.map(String::as_str);
    ["data"]
        .into_iter()
        .chain(parts)
        .collect::<Vec<_>>()
        .join("/")
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
