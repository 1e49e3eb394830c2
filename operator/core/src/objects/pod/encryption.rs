//! The parts of a pod for the encryption of Cassandra's own connections.

use casskop_common::names;
use k8s_openapi::api::core::v1::{Volume, VolumeMount};

use crate::{
    desired::Desired,
    objects::pod::{containers::mount, transport::secret},
    pod_config::certificates::{KEYS, Place},
};

/// The annotations that tell it; none is `Disabled`.
pub(super) fn annotations(desired: &Desired) -> Vec<(String, String)> {
    let encryption = desired.encryption;
    let internode = (names::INTERNODE_TLS, encryption.internode.as_str());
    let client = (names::CLIENT_TLS, encryption.client.as_str());
    let all = [
        encryption.internode.has_tls().then_some(internode),
        encryption.client.has_tls().then_some(client),
    ];
    let used = all.into_iter().flatten();
    used.map(|(key, word)| (key.to_owned(), word.to_owned()))
        .collect()
}

/// Mounts of the init container, and of the Cassandra container, where the certificates are renewed while Cassandra runs.
pub(super) fn mounts(desired: &Desired) -> impl Iterator<Item = VolumeMount> {
    used(desired).map(|(place, _)| mount(place.volume, place.secret))
}

/// The volumes of the Secrets. A Secret may have more than the nodes need.
pub(super) fn volumes(desired: &Desired) -> impl Iterator<Item = Volume> {
    used(desired).map(|(place, name)| secret(place.volume, name, &KEYS))
}

/// The arguments of the init container that prepares the pod.
pub(super) fn arguments(desired: &Desired) -> Vec<String> {
    let encryption = desired.encryption;
    let mut words = Vec::new();
    if encryption.internode.has_tls() {
        words.extend(["--internode-tls", encryption.internode.as_str()]);
    }
    if encryption.client.has_tls() {
        words.extend(["--client-tls", encryption.client.as_str()]);
        words.extend(encryption.client_auth.then_some("--require-client-auth"));
    }
    words.into_iter().map(str::to_owned).collect()
}

fn used(desired: &Desired) -> impl Iterator<Item = (Place, &String)> {
    let secrets = &desired.secrets;
    let internode = secrets.internode.as_ref();
    let client = secrets.client.as_ref();
    let internode = internode.map(|name| (Place::INTERNODE, name));
    internode
        .into_iter()
        .chain(client.map(|name| (Place::CLIENT, name)))
}
