//! The parts of a pod that differ with the transport to its node.

use casskop_common::{api::NodeApiKind, names};
use k8s_openapi::api::core::v1::{
    EnvVar, ExecAction, KeyToPath, Lifecycle, LifecycleHandler, SecretVolumeSource, Volume,
    VolumeMount,
};

use crate::{
    desired::Desired,
    objects::pod::containers::{binary, mount, variable},
    pod_config::{jolokia_secret, management_api, secret_volume},
};

/// The transport to the node of a pod.
#[derive(Clone, Copy)]
pub(super) struct Transport(NodeApiKind);

impl Transport {
    /// The transport of the nodes of a cluster.
    pub(super) fn of(desired: &Desired) -> Self {
        Self(desired.spec.node_api_kind())
    }

    /// The annotation that tells it; none is Jolokia.
    pub(super) fn annotation(self) -> Option<(String, String)> {
        let kind = self.0.as_str().to_owned();
        (self.0 != NodeApiKind::Jolokia).then(|| (names::NODE_API.to_owned(), kind))
    }

    /// Name of the volume of the Secret, and where the init container finds it.
    pub(super) fn secret_mount(self) -> (&'static str, &'static str) {
        let directory = match self.0 {
            NodeApiKind::Jolokia => "/casskop-jolokia",
            NodeApiKind::ManagementApi => management_api::SECRET_DIRECTORY,
        };
        (secret_volume(self.0), directory)
    }

    /// Further mounts of the Cassandra container: the Secret with certificates, which are renewed while Cassandra runs.
    pub(super) fn mounts(self) -> Option<VolumeMount> {
        let (name, path) = self.secret_mount();
        (self.0 == NodeApiKind::ManagementApi).then(|| mount(name, path))
    }

    /// The volume of the Secret. A Secret may have more than the nodes need.
    pub(super) fn secret(self, desired: &Desired) -> Volume {
        let keys: &[&str] = match self.0 {
            NodeApiKind::Jolokia => &jolokia_secret::KEYS,
            NodeApiKind::ManagementApi => &management_api::KEYS,
        };
        let items = keys.iter().map(|key| KeyToPath {
            key: (*key).into(),
            path: (*key).into(),
            mode: None,
        });
        Volume {
            name: self.secret_mount().0.into(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(desired.node_secret.clone()),
                default_mode: Some(0o440),
                items: Some(items.collect()),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        }
    }

    /// The arguments of the init container that prepares the pod.
    pub(super) fn bootstrap_arguments(self) -> Vec<String> {
        let mut arguments = vec!["bootstrap".to_owned()];
        if self.0 == NodeApiKind::ManagementApi {
            arguments.extend(["--management-api".into(), self.secret_mount().1.into()]);
        }
        arguments
    }

    /// Whether the entry point of the image starts Cassandra: its server keeps Cassandra running.
    pub(super) fn starts_by_entry_point(self) -> bool {
        self.0 == NodeApiKind::ManagementApi
    }

    /// Name and number of the port of the agent.
    pub(super) fn port(self) -> (&'static str, i32) {
        let name = match self.0 {
            NodeApiKind::Jolokia => "jolokia",
            NodeApiKind::ManagementApi => "management-api",
        };
        (name, i32::from(self.0.port()))
    }

    /// Variables of the Cassandra container.
    pub(super) fn environment(self) -> Vec<EnvVar> {
        match self.0 {
            NodeApiKind::Jolokia => Vec::new(),
            NodeApiKind::ManagementApi => {
                let file = |name: &str| format!("{}/{name}", management_api::DIRECTORY);
                let [ca, certificate, key] = management_api::KEYS.map(file);
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
        }
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
