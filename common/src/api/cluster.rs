//! `CassandraCluster`: the desired state of one ring.

use k8s_openapi::api::core::v1::{Container, EnvVar, LocalObjectReference, ResourceRequirements};
use kube_derive::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{
    Authentication, BackRestSidecar, Backup, CassandraClusterStatus, ClientMode, ClientTls, Dc,
    InternodeMode, InternodeTls, JmxConfiguration, Metrics, NodeApi, NodeApiKind, NodeTls,
    NodeTransport, PodPolicy, Rack, Restore, Schedule, ServicePolicy, StorageConfig, Tls, Topology,
};

/// Desired state of a Cassandra ring. Every field is optional: an empty spec is one node of the default image without a
/// volume.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    group = "db.orange.com",
    version = "v2",
    kind = "CassandraCluster",
    plural = "cassandraclusters",
    shortname = "cassc",
    shortname = "casscs",
    category = "all",
    category = "casskop",
    namespaced,
    crates(kube = "::kube_derive", kube_core = "::kube_core"),
    attr = "x_kube(crates(kube_core = \"::kube_core\"))",
    status = "CassandraClusterStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A Cassandra ring on Kubernetes: one StatefulSet per rack. Operations on its nodes are requested by annotations `operations.db.orange.com/<kind>: \"<id> [arguments]\"`, as `kubectl casskop` writes them.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')")
        .message("a cluster's name starts with a letter and has lower-case letters, digits and '-': it is the name of a Service"),
    validation = Rule::new("!has(self.spec.topology) || !has(self.spec.topology.dc) ? self.metadata.name.size() <= 42 : self.spec.topology.dc.all(d, self.metadata.name.size() + d.name.size() + (has(d.rack) && d.rack.size() > 0 ? d.rack.map(r, r.name.size()).max() : 5) <= 50)")
        .message("the name of a StatefulSet, <cluster>-<dc>-<rack>, has at most 52 characters: shorten the name of the cluster, data center or rack"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Available", type_ = "string", json_path = ".status.conditions[?(@.type==\"Available\")].status"),
    printcolumn(name = "Progressing", type_ = "string", json_path = ".status.conditions[?(@.type==\"Progressing\")].status"),
    printcolumn(name = "Last-Action", type_ = "string", json_path = ".status.lastClusterAction"),
    printcolumn(name = "Action-Status", type_ = "string", json_path = ".status.lastClusterActionStatus"),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.cassandraImage", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Progressing\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.dataStorageClass) == has(oldSelf.dataStorageClass) && (!has(self.dataStorageClass) || self.dataStorageClass == oldSelf.dataStorageClass)")
    .message("dataStorageClass cannot be changed: the volumes of running nodes stay where they are; add a data center with the other class instead"))]
#[x_kube(validation = Rule::new("has(self.dataCapacity) == has(oldSelf.dataCapacity)")
    .message("dataCapacity cannot be added to or removed from a running cluster: its nodes would start without their data"))]
#[x_kube(validation = Rule::new("!has(self.platformAssignsIds) || !self.platformAssignsIds || (!has(self.runAsUser) && !has(self.fsGroup))")
    .message("platformAssignsIds leaves the ids to the platform: remove runAsUser and fsGroup, or platformAssignsIds"))]
pub struct CassandraClusterSpec {
    /// Cassandra nodes of each rack (default 1). The ring has this number times the number of racks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1000))]
    #[x_kube(validation = Rule::new("self >= 1")
        .message("nodesPerRacks is at least 1; to empty one data center set nodesPerRacks: 0 on it, to end the cluster delete it"))]
    pub nodes_per_racks: Option<i32>,
    /// Image of Cassandra, laid out like the official one (default `cassandra:5.0`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub cassandra_image: Option<String>,
    /// Pull policy of the Cassandra image (default `IfNotPresent`: a node must be able to restart without its registry).
    #[serde(
        default,
        rename = "imagepullpolicy",
        skip_serializing_if = "Option::is_none"
    )]
    #[x_kube(validation = Rule::new("self in ['Always', 'IfNotPresent', 'Never', '']")
        .message("imagepullpolicy is Always, IfNotPresent or Never"))]
    pub image_pull_policy: Option<String>,
    /// Secrets to pull the images with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_secret: Option<LocalObjectReference>,
    /// Image of the `bootstrap` init container (default: the operator's own image). Images of the Go `CassKop`
    /// (`casskop-bootstrap`) are not used; a Warning event reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_image: Option<String>,
    /// Accepted and not used: the operator merges the configuration itself. A Warning event reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_builder_image: Option<String>,
    /// Environment of the Cassandra container; takes precedence over the operator's. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_vars: Vec<EnvVar>,
    /// User id of the pods (default 999, `cassandra` in the official image).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub run_as_user: Option<i64>,
    /// Group id that owns the volumes (default 999).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub fs_group: Option<i64>,
    /// Leaves user id, group id and `fsGroup` of the pods to the platform, such as `OpenShift`, which assigns ids of a range of
    /// the namespace (default false). Excludes `runAsUser` and `fsGroup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_assigns_ids: Option<bool>,
    /// Whether the root file system of the Cassandra container is read-only (default true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only_root_filesystem: Option<bool>,
    /// Resources of the Cassandra container; limits default to the requests. A quarter of the memory limit is the
    /// heap unless `config` sets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Whether two nodes of this cluster may never share a Kubernetes node (default false: preferably not).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_anti_affinity: Option<bool>,
    /// Annotations, tolerations and priority of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodPolicy>,
    /// Annotations of the headless Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServicePolicy>,
    /// Whether the volumes are deleted together with the cluster (default false: they stay). The cluster becomes an owner
    /// of their claims; `kubectl delete --cascade=orphan` keeps them.
    #[serde(default, rename = "deletePVC", skip_serializing_if = "Option::is_none")]
    pub delete_pvc: Option<bool>,
    /// Starts the Cassandra containers with `tail -f /dev/null` instead of Cassandra, to inspect a broken node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    /// Whether the operator requests the cleanup that growth of the ring requires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_pilot: Option<bool>,
    /// Accepted and not used: the operator compares what it applied, not what the API server made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_check_sts_are_equal: Option<bool>,
    /// Whether a changed topology may change the seed list of running pods, which rolls them (default false:
    /// new pods get the new list, running ones keep theirs).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_update_seed_list: Option<bool>,
    /// How many pods may be down at once by voluntary disruptions (PodDisruptionBudget; default 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_pod_unavailable: Option<i32>,
    /// Restarts of the Cassandra container after which a pod with the address of another member is deleted and re-created,
    /// so that it gets another address (default 2; 0: never).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub restart_count_before_pod_deletion: Option<i32>,
    /// Accepted and not used: a corrected spec needs no unlocking. A Warning event reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlock_next_operation: Option<bool>,
    /// Size of each node's data volume, such as `100Gi`. Left out: no volume; data is lost with the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))")
        .message("dataCapacity is a Kubernetes quantity above 0, such as 10Gi"))]
    pub data_capacity: Option<String>,
    /// Storage class of the data volumes (default: the cluster's default class). Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub data_storage_class: Option<String>,
    /// More volumes of each node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub storage_configs: Vec<StorageConfig>,
    /// More containers of each pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecar_configs: Vec<Container>,
    /// ConfigMap with `pre_run.sh` and `post_run.sh`, run by the Cassandra image before and after the
    /// configuration is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_name: Option<String>,
    /// Accepted and not used: the nodes report the version of the image. A version before 4.0 is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    /// `cassandra`; `dse` is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == 'cassandra'").message("serverType is cassandra: DSE is not supported"))]
    pub server_type: Option<String>,
    /// Configuration laid over the image's own: `cassandra-yaml` (any option of that version),
    /// `jvm-options`/`jvm-server-options` (`initial_heap_size`, `max_heap_size`, `cassandra_<option>`,
    /// `additional-jvm-opts`, or a list of lines). Merged: operator < spec < data center < rack; null removes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::free_form")]
    pub config: Option<serde_json::Value>,
    /// Secret with `username` and `password` of the Jolokia agent. A Secret with other keys needs the label
    /// `db.orange.com/node-credentials: "true"`. Left out: the operator creates `<cluster>-jolokia` with a random password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_jolokia_secret: Option<LocalObjectReference>,
    /// Threads of a cleanup that is requested without `--jobs` (default 0: as many as compaction has).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub keyspace_cleanup_threads: Option<i32>,
    /// Data centers and racks (default: `dc1` with `rack1`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<Topology>,
    /// Seconds before the first liveness probe (default 120).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_initial_delay_seconds: Option<i32>,
    /// Seconds a liveness probe may take (default 20).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_health_check_timeout: Option<i32>,
    /// Seconds between liveness probes (default 10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_health_check_period: Option<i32>,
    /// Failed liveness probes before a restart (default: that of Kubernetes, 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_failure_threshold: Option<i32>,
    /// Successful liveness probes after a failed one; Kubernetes allows only 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_success_threshold: Option<i32>,
    /// Seconds before the first readiness probe (default 1; the probe itself waits for a starting node).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_initial_delay_seconds: Option<i32>,
    /// Seconds a readiness probe may take (default 10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_health_check_timeout: Option<i32>,
    /// Seconds between readiness probes (default 10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_health_check_period: Option<i32>,
    /// Failed readiness probes before the pod is not Ready (default: that of Kubernetes, 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_failure_threshold: Option<i32>,
    /// Successful readiness probes before the pod is Ready (default 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_success_threshold: Option<i32>,
    /// Whether the containers of a pod see each other's processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_process_namespace: Option<bool>,
    /// Accepted and not used: `backup` makes backups without a sidecar. A Warning event reports it when it is enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_rest_sidecar: Option<BackRestSidecar>,
    /// Service account of the Cassandra pods (default: `<cluster>`, created by the operator, without permissions and
    /// without a mounted token).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Remote JMX; the operator itself does not need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jmx_configuration: Option<JmxConfiguration>,
    /// More seeds, outside this Kubernetes cluster: addresses or names, with or without a port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub seeds: Vec<String>,
    /// How the operator reaches the nodes (default: Jolokia).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_api: Option<NodeApi>,
    /// Encryption of Cassandra's own connections: between the nodes, and between clients and nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Logins of clients (default: as `config.cassandra-yaml` says; Cassandra's own default lets in every client). For new
    /// rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
    /// Metrics of Cassandra on port 9500 of each pod (default: none). A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// Stores of backups, and bounds of the Jobs that make them (default: none). No change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// Backup that the ring begins with, written when the cluster is created (default: none, an empty ring). Without effect once
    /// the ring is formed; a change or removal then changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// Requests that the operator makes by the clock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub schedules: Vec<Schedule>,
}

impl CassandraClusterSpec {
    /// Encryption between the nodes, where the spec has a word about it.
    pub fn internode_tls(&self) -> Option<&InternodeTls> {
        self.tls.as_ref()?.internode.as_ref()
    }

    /// Encryption between clients and nodes, where the spec has a word about it.
    pub fn client_tls(&self) -> Option<&ClientTls> {
        self.tls.as_ref()?.client.as_ref()
    }

    /// Connections that the nodes are to open to each other, and to accept, in the end.
    pub fn internode_mode(&self) -> InternodeMode {
        self.internode_tls().map(|tls| tls.mode).unwrap_or_default()
    }

    /// Connections that the nodes are to accept from clients.
    pub fn client_mode(&self) -> ClientMode {
        self.client_tls().map(|tls| tls.mode).unwrap_or_default()
    }

    /// The transport to the nodes. `nodeApi.tls` is decided before, where the spec leaves it out.
    pub fn transport(&self) -> NodeTransport {
        let tls = self.node_api.as_ref().and_then(|api| api.tls);
        match (self.node_api_kind(), tls) {
            (NodeApiKind::ManagementApi, _) => NodeTransport::ManagementApi,
            (NodeApiKind::Jolokia, Some(NodeTls::Enabled)) => NodeTransport::JolokiaTls,
            (NodeApiKind::Jolokia, Some(NodeTls::Disabled) | None) => NodeTransport::Jolokia,
        }
    }

    /// The kind of the agent of the nodes.
    pub fn node_api_kind(&self) -> NodeApiKind {
        self.node_api
            .as_ref()
            .map(|api| api.kind)
            .unwrap_or_default()
    }

    /// Number of nodes that the spec requires in a data center; 0 if the spec does not contain the data center.
    pub fn nodes_in(&self, dc: &str) -> i32 {
        let dcs = self
            .topology
            .as_ref()
            .map(|topology| topology.dc.as_slice());
        let in_each = self.nodes_per_racks.unwrap_or(1);
        match dcs.unwrap_or_default() {
            [] if dc == crate::names::DEFAULT_DC => in_each,
            dcs => dcs
                .iter()
                .filter(|written| written.name == dc)
                .map(|dc| {
                    let racks = i32::try_from(dc.rack.len().max(1)).unwrap_or(i32::MAX);
                    racks.saturating_mul(dc.nodes_per_racks.unwrap_or(in_each))
                })
                .sum(),
        }
    }

    /// Number of racks in a data center; 0 if the spec requires no nodes there.
    pub fn racks_in(&self, dc: &str) -> usize {
        let written = self.written_racks().filter(|(of, _)| of.name == dc);
        match self.nodes_in(dc) {
            0 => 0,
            _ => written.count().max(1),
        }
    }

    /// Racks written in the spec, with their data centers.
    pub fn written_racks(&self) -> impl Iterator<Item = (&Dc, &Rack)> {
        let dcs = self.topology.iter().flat_map(|topology| &topology.dc);
        dcs.flat_map(|dc| dc.rack.iter().map(move |rack| (dc, rack)))
    }
}
