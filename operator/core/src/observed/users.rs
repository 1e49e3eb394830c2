//! The roles of applications, as their Secrets and the last look at Cassandra show them.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::api::{GrantTarget, Permission};

/// A permission on a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Granted {
    /// The resource.
    pub on: GrantTarget,
    /// The permission.
    pub permission: Permission,
}

/// Result of the last look at a role, and of the statements after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is no role of the name.
    Absent,
    /// There is one that the operator did not make, and it logs in with the password of the Secret.
    Fits,
    /// It is as the spec says.
    Kept(Kept),
    /// The role of a user that the spec no longer has cannot log in, or is left alone; nothing is granted any more.
    Removed,
    /// It is not as the spec says, and waits for a person or for the next attempt.
    Failed(String),
    /// It waits for something that comes by itself.
    Waiting(String),
}

/// Result of the statements about the grants of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Permissions that are not granted any more.
    pub revoked: BTreeSet<Granted>,
    /// Resources that do not exist now, and on which a permission is to be granted or taken back.
    pub missing: BTreeSet<GrantTarget>,
}

/// The users of the spec, without their passwords.
#[derive(Clone, Debug, Default)]
pub struct ObservedUsers {
    /// The name in each Secret, or why it cannot be used.
    pub names: BTreeMap<String, Result<String, String>>,
    /// Names that no user may have: those of the superuser, before and after a change.
    pub reserved: BTreeSet<String>,
    /// The name of the superuser that Cassandra accepts.
    pub superuser: Option<String>,
    /// Outcomes of the last look at Cassandra, by role: those of the record that the status has.
    pub outcomes: BTreeMap<String, Outcome>,
}
