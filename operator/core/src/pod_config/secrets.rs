//! The Secrets that a pod is started with.

use casskop_common::{api::NodeTransport, names};

use super::certificates::Place;

/// Name of the volume of the Secret with the password.
pub const PASSWORD_VOLUME: &str = "jolokia";

/// Uses of certificates. Each has a Secret of its own, so that a certificate for one opens no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateUse {
    /// Mutual TLS between the operator and the nodes.
    NodeApi,
    /// Encryption between the nodes.
    Internode,
    /// Encryption between clients and nodes.
    Client,
}

impl CertificateUse {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NodeApi, Self::Internode, Self::Client];

    /// The field of the spec that names a Secret of the user.
    pub fn field(self) -> &'static str {
        match self {
            Self::NodeApi => "nodeApi.tlsSecretName",
            Self::Internode => "tls.internode.secretName",
            Self::Client => "tls.client.secretName",
        }
    }

    /// Name of the Secret that the operator makes.
    pub fn made_secret(self, cluster: &str) -> String {
        match self {
            Self::NodeApi => names::node_tls_secret(cluster),
            Self::Internode => names::internode_tls_secret(cluster),
            Self::Client => names::client_tls_secret(cluster),
        }
    }

    /// Name of the Secret with the authority that the operator makes.
    pub fn made_authority(self, cluster: &str) -> String {
        match self {
            Self::NodeApi => names::node_authority_secret(cluster),
            Self::Internode => names::internode_authority_secret(cluster),
            Self::Client => names::client_authority_secret(cluster),
        }
    }

    /// DNS names in the certificates that the operator issues, the name of the ring first.
    pub fn hosts(self, cluster: &str, namespace: &str) -> Vec<String> {
        let ring = names::ring_host(cluster, namespace);
        match self {
            Self::NodeApi | Self::Internode => vec![ring],
            // Clients know the headless Service and its pods by name.
            Self::Client => vec![
                format!("*.{ring}"),
                format!("{cluster}.{namespace}"),
                format!("*.{cluster}.{namespace}"),
                format!("{ring}.cluster.local"),
                format!("*.{ring}.cluster.local"),
                ring,
            ],
        }
    }
}

/// Names of the Secrets that the nodes share, as far as they use them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSecrets {
    /// With the password of the Jolokia agent.
    pub password: Option<String>,
    /// With the certificates of mutual TLS between the operator and the nodes.
    pub certificates: Option<String>,
    /// With the certificates between the nodes.
    pub internode: Option<String>,
    /// With the certificates for clients.
    pub client: Option<String>,
    /// With the superuser of Cassandra. Pods mount a copy of it, and only until it is set up.
    pub superuser: Option<String>,
}

impl NodeSecrets {
    /// The Secrets of a pod, by the names of their volumes. A pod of the Go `CassKop` has none in a volume.
    pub fn mounted(transport: NodeTransport, secret: impl Fn(&str) -> Option<String>) -> Self {
        let place = Place::of(transport);
        Self {
            password: transport
                .has_password()
                .then(|| secret(PASSWORD_VOLUME))
                .flatten(),
            certificates: place.and_then(|place| secret(place.volume)),
            internode: secret(Place::INTERNODE.volume),
            client: secret(Place::CLIENT.volume),
            superuser: None,
        }
    }

    /// The Secret of a use of certificates.
    pub fn of(&self, usage: CertificateUse) -> Option<&String> {
        match usage {
            CertificateUse::NodeApi => self.certificates.as_ref(),
            CertificateUse::Internode => self.internode.as_ref(),
            CertificateUse::Client => self.client.as_ref(),
        }
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        let certificates = CertificateUse::ALL.into_iter();
        let certificates = certificates.filter_map(|usage| self.of(usage));
        self.password
            .iter()
            .chain(certificates)
            .chain(&self.superuser)
    }
}
