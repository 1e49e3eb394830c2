//! Parts of the spec for the pods and for the connection between the operator and the nodes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaimSpec, Toleration};
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Metadata and scheduling of every Cassandra pod.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodPolicy {
    /// Annotations of the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Tolerations of the pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Name of the `PriorityClass` of the pods, so that less important pods make room for a node that has to be placed. A pod
    /// has the priority that it was created with, so a change restarts the nodes one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
}

/// Metadata of the headless Service.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct ServicePolicy {
    /// Annotations of the headless Service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// One more volume of every Cassandra pod.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StorageConfig {
    /// Where the volume is mounted in the Cassandra container.
    pub mount_path: String,
    /// Name of the volume; its claims are `<name>-<pod>`.
    pub name: String,
    /// Specification of the claim.
    pub pvc_spec: PersistentVolumeClaimSpec,
}

/// Remote JMX of the Cassandra process (`-Dcom.sun.management.jmxremote.*`). The operator itself does not need it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct JmxConfiguration {
    /// `jmxremote`: opens JMX.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jmx_remote_enable: Option<bool>,
    /// `jmxremote.port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jmx_remote_port: Option<i32>,
    /// `jmxremote.rmi.port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jmx_remote_rmi_port: Option<i32>,
    /// `jmxremote.ssl`.
    #[serde(
        default,
        rename = "jmxRemoteSSL",
        skip_serializing_if = "Option::is_none"
    )]
    pub jmx_remote_ssl: Option<bool>,
    /// `jmxremote.authenticate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jmx_remote_authenticate: Option<bool>,
}

/// Accepted for compatibility with the Go `CassKop` and not used: `spec.backup` makes backups without a sidecar.
/// A condition and one Warning event report it when it is enabled.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BackRestSidecar {
    /// Whether the sidecar is enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Image of the sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Pull policy of the sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// Environment of the sidecar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_vars: Vec<k8s_openapi::api::core::v1::EnvVar>,
    /// Resources of the sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<k8s_openapi::api::core::v1::ResourceRequirements>,
    /// Volume mounts of the sidecar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_mount: Vec<k8s_openapi::api::core::v1::VolumeMount>,
}

/// How the operator reaches the nodes.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.tls) || self.tls != 'Disabled' || !has(self.kind) || self.kind != 'ManagementApi'")
    .message("the Management API is reached over mutual TLS only: remove nodeApi.tls, or set it to Enabled"))]
pub struct NodeApi {
    /// `Jolokia` (default) or `ManagementApi`. Another kind needs another image, and replaces the pods rack by rack.
    #[serde(default)]
    pub kind: NodeApiKind,
    /// Whether the operator and the nodes speak over mutual TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<NodeTls>,
    /// Secret with `ca.crt`, `tls.crt` and `tls.key` (PEM), for mutual TLS: the operator and the nodes prove to each
    /// other that they belong to the ring. The certificate is for `<cluster>.<namespace>.svc`, for servers and clients, and
    /// of an authority for this ring alone. The Secret has the label `db.orange.com/node-credentials: "true"`. Left out: the
    /// operator creates `<cluster>-node-tls` by an authority of its own, and renews both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_secret_name: Option<String>,
}

/// Kinds of agents of the nodes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeApiKind {
    /// JMX over HTTP by the Jolokia agent that the operator installs into the Cassandra process.
    #[default]
    Jolokia,
    /// The Management API for Apache Cassandra, over mutual TLS, of an image that has it
    /// (`k8ssandra/cass-management-api`, 0.1.125 or later).
    ManagementApi,
}

impl NodeApiKind {
    /// The word in the spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jolokia => "Jolokia",
            Self::ManagementApi => "ManagementApi",
        }
    }
}

/// `Enabled`: mutual TLS between the operator and the nodes. `Disabled`: plain HTTP, with a password, of `Jolokia` only. A
/// change replaces the pods rack by rack. Left out: a ring that is created gets `Enabled`, unless `bootstrapImage` names an
/// image, and one that exists goes on as it was started.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeTls {
    /// Mutual TLS; the Jolokia agent demands a password as well.
    Enabled,
    /// Plain HTTP with a password.
    Disabled,
}

/// Transports to a node, by which a pod is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeTransport {
    /// The Jolokia agent, by plain HTTP with a password.
    #[default]
    Jolokia,
    /// The Jolokia agent, by mutual TLS and a password.
    JolokiaTls,
    /// The Management API, by mutual TLS.
    ManagementApi,
}

impl NodeTransport {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Jolokia, Self::JolokiaTls, Self::ManagementApi];

    /// The word in the annotation of a pod.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jolokia => "Jolokia",
            Self::JolokiaTls => "JolokiaTls",
            Self::ManagementApi => "ManagementApi",
        }
    }

    /// The transport of a word.
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|transport| transport.as_str() == word)
    }

    /// The kind of the agent.
    pub fn kind(self) -> NodeApiKind {
        match self {
            Self::Jolokia | Self::JolokiaTls => NodeApiKind::Jolokia,
            Self::ManagementApi => NodeApiKind::ManagementApi,
        }
    }

    /// The port of the nodes.
    pub fn port(self) -> u16 {
        match self.kind() {
            NodeApiKind::Jolokia => crate::names::JOLOKIA_PORT,
            NodeApiKind::ManagementApi => crate::names::MANAGEMENT_API_PORT,
        }
    }

    /// Whether nodes and operator share a password.
    pub fn has_password(self) -> bool {
        self.kind() == NodeApiKind::Jolokia
    }

    /// Whether nodes and operator share certificates.
    pub fn has_tls(self) -> bool {
        self != Self::Jolokia
    }
}
