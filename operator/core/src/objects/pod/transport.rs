//! The parts of a pod that differ with the transport to its node.

use casskop_common::{
    api::{NodeApiKind, NodeTransport},
    names,
};
use k8s_openapi::api::core::v1::{
    EnvVar, ExecAction, KeyToPath, Lifecycle, LifecycleHandler, SecretVolumeSource, Volume,
    VolumeMount,
};

use crate::{
    desired::Desired,
    objects::pod::containers::{binary, mount, variable},
    pod_config::{
        PASSWORD_VOLUME,
        certificates::{self, Place},
        jolokia_secret,
    },
};

/// Where the init container finds the password.
const PASSWORD: &str = "/casskop-jolokia";

/// The transport to the node of a pod.
#[derive(Clone, Copy)]
pub(super) struct Transport(NodeTransport);

impl Transport {
    /// The transport of the nodes of a cluster.
    pub(super) fn of(desired: &Desired) -> Self {
        Self(desired.spec.transport())
    }

    /// The annotation that tells it; none is plain Jolokia.
    pub(super) fn annotation(self) -> Option<(String, String)> {
        let word = self.0.as_str().to_owned();
        (self.0 != NodeTransport::Jolokia).then(|| (names::NODE_API.to_owned(), word))
    }

    /// Mounts of the init container: all Secrets.
    pub(super) fn bootstrap_mounts(self) -> Vec<VolumeMount> {
        let password = self.0.has_password();
        let password = password.then(|| mount(PASSWORD_VOLUME, PASSWORD));
        password.into_iter().chain(self.mounts()).collect()
    }

    /// Further mounts of the Cassandra container: the Secret with certificates, which are renewed while Cassandra runs.
    pub(super) fn mounts(self) -> Option<VolumeMount> {
        Place::of(self.0).map(|place| mount(place.volume, place.secret))
    }

    /// The volumes of the Secrets. A Secret may have more than the nodes need.
    pub(super) fn secrets(self, desired: &Desired) -> Vec<Volume> {
        let secrets = &desired.secrets;
        let password = secrets.password.as_ref();
        let password = password.map(|name| secret(PASSWORD_VOLUME, name, &jolokia_secret::KEYS));
        let certificates = Place::of(self.0).zip(secrets.certificates.as_ref());
        let certificates =
            certificates.map(|(place, name)| secret(place.volume, name, &certificates::KEYS));
        password.into_iter().chain(certificates).collect()
    }

    /// The arguments of the init container that prepares the pod.
    pub(super) fn bootstrap_arguments(self) -> Vec<String> {
        let certificates = |flag: &str| {
            let place = Place::of(self.0);
            place.map(|place| [flag.to_owned(), place.secret.to_owned()])
        };
        let more = match self.0 {
            NodeTransport::Jolokia => None,
            NodeTransport::JolokiaTls => certificates("--jolokia-tls"),
            NodeTransport::ManagementApi => certificates("--management-api"),
        };
        let words = ["bootstrap".to_owned()].into_iter();
        words.chain(more.into_iter().flatten()).collect()
    }

    /// Whether the entry point of the image starts Cassandra: its server keeps Cassandra running.
    pub(super) fn starts_by_entry_point(self) -> bool {
        self.0 == NodeTransport::ManagementApi
    }

    /// Name and number of the port of the agent.
    pub(super) fn port(self) -> (&'static str, u16) {
        let name = match self.0.kind() {
            NodeApiKind::Jolokia => "jolokia",
            NodeApiKind::ManagementApi => "management-api",
        };
        (name, self.0.port())
    }

    /// Variables of the Cassandra container.
    pub(super) fn environment(self) -> Vec<EnvVar> {
        let place = Place::of(self.0).filter(|_| self.starts_by_entry_point());
        let Some(place) = place else {
            return Vec::new();
        };
        let [ca, certificate, key] = certificates::KEYS.map(|name| place.file(name));
        vec![
            // Otherwise the entry point writes a configuration of its own, whose only seed is the node itself.
            variable("USE_MGMT_API", "true"),
            variable("MGMT_API_TLS_CA_CERT_FILE", &ca),
            variable("MGMT_API_TLS_CERT_FILE", &certificate),
            variable("MGMT_API_TLS_KEY_FILE", &key),
            variable("MGMT_API_LOG_DIR", "/var/log/cassandra"),
            // The older collector of metrics writes into the image, and opens a port of its own.
            variable("MGMT_API_DISABLE_MCAC", "true"),
        ]
    }

    /// The entry point ends as soon as the server does, and with it Cassandra: the node is drained before.
    pub(super) fn lifecycle(self) -> Option<Lifecycle> {
        let drain = LifecycleHandler {
            exec: Some(ExecAction {
                command: Some(vec![binary(), "drain".into()]),
            }),
            ..LifecycleHandler::default()
        };
        self.starts_by_entry_point().then(|| Lifecycle {
            pre_stop: Some(drain),
            ..Lifecycle::default()
        })
    }
}

/// The volume of a Secret, with these keys of it.
pub(super) fn secret(volume: &str, name: &str, keys: &[&str]) -> Volume {
    let items = keys.iter().map(|key| KeyToPath {
        key: (*key).into(),
        path: (*key).into(),
        mode: None,
    });
    Volume {
        name: volume.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name.into()),
            default_mode: Some(0o440),
            items: Some(items.collect()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}
