//! The Secrets that the nodes share.

use std::collections::BTreeMap;

use casskop_common::{api::CassandraCluster, names};
use kube_core::ResourceExt;

use crate::{
    desired::{Desired, started::Started},
    observed::SecretState,
    pod_config::{CertificateUse, NodeSecrets},
};

/// Names of the Secrets that the nodes share: with the password, and with the certificates of each use.
pub fn node_secrets(cluster: &CassandraCluster, started: &Started) -> NodeSecrets {
    let named = named_secrets(cluster, started);
    let name = cluster.name_any();
    let transport = cluster.spec.transport();
    let made = |usage: CertificateUse| Some(usage.made_secret(&name));
    let certificates = named
        .certificates
        .or_else(|| made(CertificateUse::NodeApi))
        .filter(|_| transport.has_tls());
    let internode = named
        .internode
        .or_else(|| made(CertificateUse::Internode))
        .filter(|secret| {
            let target = cluster.spec.internode_mode();
            started.next(target, secret).has_tls()
        });
    let client = named
        .client
        .or_else(|| made(CertificateUse::Client))
        .filter(|_| cluster.spec.client_mode().has_tls());
    NodeSecrets {
        password: named
            .password
            .or_else(|| Some(names::jolokia_secret(&name)))
            .filter(|_| transport.has_password()),
        certificates,
        internode,
        client,
        superuser: cluster.spec.authentication.as_ref().map(|_| {
            let made = || names::superuser_secret(&name);
            named.superuser.unwrap_or_else(made)
        }),
    }
}

/// The Secrets that the spec names for the nodes. The operator makes the others. Where the spec no longer has a word about
/// the encryption between nodes, the Secret that pods mount is used until no pod encrypts.
pub fn named_secrets(cluster: &CassandraCluster, started: &Started) -> NodeSecrets {
    let spec = &cluster.spec;
    let transport = spec.transport();
    let password = spec.image_jolokia_secret.as_ref();
    let password = password.map(|secret| secret.name.clone());
    let certificates = spec.node_api.as_ref();
    let certificates = certificates.and_then(|api| api.tls_secret_name.clone());
    let internode = spec.internode_tls();
    let internode = internode.and_then(|tls| tls.secret_name.clone());
    let client = spec.client_tls();
    let client = client.and_then(|tls| tls.secret_name.clone());
    let superuser = spec.authentication.as_ref();
    let superuser = superuser.and_then(|logins| logins.superuser_secret.clone());
    let named = |uses: bool, name: Option<String>| name.filter(|name| uses && !name.is_empty());
    let mounted = || {
        let made = CertificateUse::Internode.made_secret(&cluster.name_any());
        let mounted = started.mounted.as_ref().filter(|name| **name != made);
        mounted
            .filter(|_| !spec.internode_mode().has_tls())
            .cloned()
    };
    NodeSecrets {
        password: named(transport.has_password(), password),
        certificates: named(transport.has_tls(), certificates),
        internode: named(true, internode).or_else(mounted),
        client: named(spec.client_mode().has_tls(), client),
        superuser: named(true, superuser),
    }
}

impl Desired {
    /// Whether a Secret is missing that the operator makes, because the spec names none.
    pub fn makes_secret(&self, secrets: &BTreeMap<String, SecretState>) -> bool {
        let mut names = self.secrets.names();
        names.any(|name| is_missing(name, secrets) && !self.is_named(name))
    }

    /// The reason why pods of this state could not start: a Secret that they share is missing, or cannot be used. None for
    /// a Secret that the operator makes.
    pub fn secret_problem(&self, secrets: &BTreeMap<String, SecretState>) -> Option<String> {
        self.secrets
            .names()
            .find_map(|name| match secrets.get(name) {
                Some(SecretState::Usable | SecretState::Outdated) => None,
                Some(SecretState::Broken(why)) => Some(why.clone()),
                Some(SecretState::Missing) | None => {
                    self.is_named(name).then(|| self.missing_secret(name))
                }
            })
    }

    fn is_named(&self, secret: &str) -> bool {
        self.named.names().any(|name| name == secret)
    }

    /// A Secret that the spec names does not exist, and the operator does not make it.
    fn missing_secret(&self, name: &str) -> String {
        let mut uses = CertificateUse::ALL.into_iter();
        let usage = uses.find(|usage| self.secrets.of(*usage).is_some_and(|of| of == name));
        let (field, keys) = match usage {
            None if self.secrets.superuser.as_deref() == Some(name) => {
                ("authentication.superuserSecret", "username and password")
            }
            None => ("imageJolokiaSecret", "username and password"),
            Some(usage) => (
                usage.field(),
                "ca.crt, tls.crt and tls.key, and the label db.orange.com/node-credentials: \"true\"",
            ),
        };
        format!("Secret {name} of spec.{field} does not exist: create it with {keys}")
    }
}

fn is_missing(name: &str, secrets: &BTreeMap<String, SecretState>) -> bool {
    matches!(secrets.get(name), Some(SecretState::Missing) | None)
}
