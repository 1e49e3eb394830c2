//! Encryption of Cassandra's own connections: between the nodes, and between clients and nodes.

use std::cmp::Ordering;

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Encryption of Cassandra's own connections, by certificates in PEM (Cassandra 4.1 and later). A change replaces the pods
/// rack by rack.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Between the nodes (default: as `config.cassandra-yaml.server_encryption_options` says).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internode: Option<InternodeTls>,
    /// Between clients and nodes (default: as `config.cassandra-yaml.client_encryption_options` says).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientTls>,
}

/// Encryption between the nodes. The nodes prove to each other that they belong to the ring.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InternodeTls {
    /// Connections that the nodes open and accept in the end. A ring that runs gets there in steps, one rolling change for each.
    pub mode: InternodeMode,
    /// Secret with `ca.crt`, `tls.crt` and `tls.key` (PEM). The certificate is for `<cluster>.<namespace>.svc`, for servers and
    /// clients, and of an authority for the nodes of this ring alone. The Secret has the label
    /// `db.orange.com/node-credentials: "true"`. Left out: the operator creates `<cluster>-internode-tls` by an authority of its
    /// own, and renews both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
}

/// Connections that a node opens to other nodes, and accepts from them. Nodes of neighbouring modes understand each other, so a
/// ring takes one step after the other.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord,
)]
pub enum InternodeMode {
    /// Plain connections only.
    #[default]
    Disabled,
    /// A node opens plain connections, and accepts both.
    Optional,
    /// A node opens encrypted connections, and accepts both.
    Preferred,
    /// Encrypted connections only.
    Required,
}

impl InternodeMode {
    /// All of them, in the order of the steps.
    pub const ALL: [Self; 4] = [
        Self::Disabled,
        Self::Optional,
        Self::Preferred,
        Self::Required,
    ];

    /// The word in the spec, in the annotation of a pod and in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::Optional => "Optional",
            Self::Preferred => "Preferred",
            Self::Required => "Required",
        }
    }

    /// The mode of a word.
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|mode| mode.as_str() == word)
    }

    /// Whether a node has certificates.
    pub fn has_tls(self) -> bool {
        self != Self::Disabled
    }

    /// Whether a node opens encrypted connections.
    pub fn sends_encrypted(self) -> bool {
        self >= Self::Preferred
    }

    /// The mode one step nearer to another one.
    #[must_use]
    pub fn towards(self, target: Self) -> Self {
        let mut all = Self::ALL.into_iter();
        let next = match target.cmp(&self) {
            Ordering::Greater => all.find(|mode| *mode > self),
            Ordering::Less => all.rev().find(|mode| *mode < self),
            Ordering::Equal => None,
        };
        next.unwrap_or(self)
    }
}

/// Encryption between clients and nodes, on the port of the native protocol.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.requireClientAuth) || !self.requireClientAuth || has(self.secretName)")
    .message("requireClientAuth needs an authority that issues certificates for clients: name a Secret of it in secretName"))]
pub struct ClientTls {
    /// Connections that the nodes accept from clients. Change to `Optional` first, and to `Required` when all clients encrypt.
    pub mode: ClientMode,
    /// Secret with `ca.crt`, `tls.crt` and `tls.key` (PEM). The certificate is for `<cluster>.<namespace>.svc` and the names by
    /// which clients know the nodes, for servers. The Secret has the label `db.orange.com/node-credentials: "true"`. Left out:
    /// the operator creates `<cluster>-client-tls` by an authority of its own, and renews both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// Whether a client needs a certificate of an authority in `ca.crt` (default false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_client_auth: Option<bool>,
}

/// Connections that a node accepts from clients.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord,
)]
pub enum ClientMode {
    /// Plain connections only.
    #[default]
    Disabled,
    /// Plain and encrypted connections, on the same port.
    Optional,
    /// Encrypted connections only.
    Required,
}

impl ClientMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Disabled, Self::Optional, Self::Required];

    /// The word in the spec, in the annotation of a pod and in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::Optional => "Optional",
            Self::Required => "Required",
        }
    }

    /// The mode of a word.
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|mode| mode.as_str() == word)
    }

    /// Whether a node has certificates.
    pub fn has_tls(self) -> bool {
        self != Self::Disabled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_goes_one_step_towards_another_one() {
        use InternodeMode::{Disabled, Optional, Preferred, Required};
        let to_required = [Optional, Preferred, Required, Required];
        let to_disabled = [Disabled, Disabled, Optional, Preferred];
        for (index, mode) in InternodeMode::ALL.into_iter().enumerate() {
            assert_eq!(mode.towards(Required), to_required[index]);
            assert_eq!(mode.towards(Disabled), to_disabled[index]);
            assert_eq!(mode.towards(mode), mode);
            assert_eq!(InternodeMode::parse(mode.as_str()), Some(mode));
        }
    }
}
