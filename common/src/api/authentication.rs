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
