//! The Secrets that a pod is started with.

use casskop_common::api::NodeTransport;

use super::certificates::Place;

/// Name of the volume of the Secret with the password.
pub const PASSWORD_VOLUME: &str = "jolokia";

/// Names of the Secrets that the nodes share with the operator, as far as a transport uses them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSecrets {
    /// With the password of the Jolokia agent.
    pub password: Option<String>,
    /// With the certificates of mutual TLS.
    pub certificates: Option<String>,
}

impl NodeSecrets {
    /// The Secrets of a transport, by the names of their volumes. A pod of the Go `CassKop` has none in a volume.
    pub fn mounted(transport: NodeTransport, secret: impl Fn(&str) -> Option<String>) -> Self {
        let place = Place::of(transport);
        Self {
            password: transport
                .has_password()
                .then(|| secret(PASSWORD_VOLUME))
                .flatten(),
            certificates: place.and_then(|place| secret(place.volume)),
        }
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.password.iter().chain(&self.certificates)
    }
}
