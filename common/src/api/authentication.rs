//! Logins of clients.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Logins of clients, by passwords (`PasswordAuthenticator`), and their permissions (`CassandraAuthorizer`). A new ring has
/// them from its first node on; a ring that runs cannot change.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// Secret with `username` and `password` of the superuser. With other keys it needs the label
    /// `db.orange.com/node-credentials: "true"`. A change of the password in the Secret changes the password in Cassandra. Left
    /// out: the operator creates `<cluster>-superuser` with a random password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub superuser_secret: Option<String>,
    /// Roles of applications. A role that is left out again cannot log in any more, if the operator has made it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub users: Vec<User>,
}

/// A role of an application.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Secret with `username` and `password` of the role, under the rules of `superuserSecret`. A change of the password in the
    /// Secret changes the password in Cassandra; another username is another role.
    #[schemars(length(min = 1, max = 253))]
    pub secret: String,
    /// Whether the role is a superuser.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub superuser: bool,
    /// Permissions of the role. Permissions that are left out are taken back, if the operator has granted them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub grants: Vec<Grant>,
}

/// Permissions on a keyspace, on a table of it, or on all keyspaces. Until the keyspace or table exists, they wait for it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The permissions.
    #[schemars(length(min = 1, max = 5))]
    pub permissions: Vec<Permission>,
    /// Name of a keyspace, in its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 48))]
    pub keyspace: Option<String>,
    /// Name of a table of the keyspace, in its case. Left out: the whole keyspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 222))]
    pub table: Option<String>,
    /// All keyspaces, those of Cassandra among them: also the hashes of the passwords of all roles. `MODIFY` and `ALTER` on all
    /// keyspaces are those of a superuser, and are refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_keyspaces: bool,
}

impl Grant {
    /// Permissions on a resource.
    pub fn of(permissions: Vec<Permission>, on: GrantTarget) -> Self {
        Self {
            permissions,
            all_keyspaces: on.keyspace.is_none(),
            keyspace: on.keyspace,
            table: on.table,
        }
    }

    /// The resource.
    pub fn target(&self) -> GrantTarget {
        GrantTarget {
            keyspace: self.keyspace.clone(),
            table: self.table.clone(),
        }
    }
}

/// A permission on data.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Permission {
    /// Read rows.
    Select,
    /// Write and delete rows.
    Modify,
    /// Create keyspaces or tables.
    Create,
    /// Change keyspaces or tables.
    Alter,
    /// Drop keyspaces or tables.
    Drop,
}

impl Permission {
    /// The word of CQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Modify => "MODIFY",
            Self::Create => "CREATE",
            Self::Alter => "ALTER",
            Self::Drop => "DROP",
        }
    }
}

/// A resource: a keyspace, a table of it, or all keyspaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantTarget {
    /// Name of a keyspace; none for all.
    pub keyspace: Option<String>,
    /// Name of a table of the keyspace; none for the whole keyspace.
    pub table: Option<String>,
}

impl std::fmt::Display for GrantTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.keyspace, &self.table) {
            (Some(keyspace), Some(table)) => write!(f, "table {keyspace}.{table}"),
            (Some(keyspace), None) => write!(f, "keyspace {keyspace}"),
            (None, _) => f.write_str("all keyspaces"),
        }
    }
}

/// A role that the operator keeps, or has kept.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UserStatus {
    /// Name of the role.
    pub name: String,
    /// Its Secret. The role is never that of another Secret, but by the password.
    #[serde(default)]
    pub secret: String,
    /// How far the role is removed; left out: the spec has the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<UserRemoval>,
    /// How the operator came to keep the role; left out: it does not. Recorded before the role is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<UserOrigin>,
    /// Permissions that the operator grants. Recorded before they are granted, and until they are taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
    /// Message: what the role waits for, or why it is not as the spec says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How the operator came to keep a role.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserOrigin {
    /// The operator is about to create the role. One that is there nevertheless is its own only with the password of its Secret.
    Creating,
    /// The operator has created the role. A user that the spec no longer has cannot log in any more.
    Created,
    /// The role was there, and logs in with the password of its Secret. It stays as it is when the spec no longer has the
    /// user; only what the operator has granted is taken back.
    Adopted,
}

/// Removal of the role of a user that the spec no longer has.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserRemoval {
    /// Its permissions are taken back, and it is shut out.
    Pending,
    /// It has none of the operator's permissions, and cannot log in if the operator has made it.
    Done,
}

/// Replicas of the roles (keyspace `system_auth`), which the operator keeps. They are raised by one, and repaired before the
/// next change.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RoleReplicas {
    /// Replicas by data center, as last observed; `*` is `SimpleStrategy`, which has no data centers.
    pub replicas: BTreeMap<String, i32>,
    /// Replicas that Cassandra is told to have next. Recorded before Cassandra is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<BTreeMap<String, i32>>,
    /// Time of the record of the last change; the repair after it is the operation `repair` with the id
    /// `roles-<seconds since 1970>`.
    pub since: Time,
    /// Whether all replicas have the roles: none was added since the last repair of `system_auth`.
    pub repaired: bool,
}

/// How a pod is started with respect to logins. The steps of a new ring follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoginStep {
    /// As the image and `config.cassandra-yaml` say: Cassandra's default lets in every client.
    #[default]
    Disabled,
    /// Logins are required, and only the pod itself can connect: the superuser is created, and the default one is shut out.
    SetUp,
    /// Logins are required of every client.
    Required,
}

impl LoginStep {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Disabled, Self::SetUp, Self::Required];

    /// The word in the annotation of a pod, and in the arguments of its init container.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::SetUp => "SetUp",
            Self::Required => "Required",
        }
    }

    /// The step of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == word)
    }

    /// Whether clients need a login.
    pub fn has_logins(self) -> bool {
        self != Self::Disabled
    }
}
