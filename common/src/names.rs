//! Every label, annotation and object name. This module is their only definition.
//!
//! Names and labels are those of the Go `CassKop`, so that the operator can take over a running cluster with its
//! volumes.

use std::collections::BTreeMap;

/// The data center of a cluster without data centers in its spec.
pub const DEFAULT_DC: &str = "dc1";
/// Prefix of the annotations that request and control operations.
pub const OPERATIONS_PREFIX: &str = "operations.db.orange.com/";
/// Annotation that stops all changes of a cluster while its value is `paused`.
pub const RECONCILE: &str = "operations.db.orange.com/reconcile";
/// Annotation that allows a downgrade of Cassandra: `<image tag> downgrade`.
pub const SPEC_WAIVE: &str = "operations.db.orange.com/spec.waive";
/// On a StatefulSet: digest of its inputs. Another operator version that renders the same inputs differently does not
/// change the digest, and so restarts no pods.
pub const INPUTS_DIGEST: &str = "db.orange.com/inputs-digest";
/// On a StatefulSet: the version before this annotation was written. It makes a new version and means nothing else.
pub const FENCED_VERSION: &str = "db.orange.com/fenced-version";
/// On a pod template: the last requested rolling restart.
pub const RESTARTED_AT: &str = "db.orange.com/rolling-restart";

/// Finalizer that earlier versions put on a cluster whose volumes are deleted together with it (`deletePVC`).
pub const VOLUMES_FINALIZER: &str = "db.orange.com/volumes";
/// Kubernetes' finalizer of a deleted resource whose dependents are orphaned (`kubectl delete --cascade=orphan`). The
/// garbage collector removes it when it has orphaned them.
pub const ORPHAN_FINALIZER: &str = "orphan";
/// Kubernetes' finalizer of a deleted resource whose dependents are deleted before it (`--cascade=foreground`).
pub const FOREGROUND_FINALIZER: &str = "foregroundDeletion";

/// Field manager of the operator's server-side apply and status writes.
pub const OPERATOR_MANAGER: &str = "casskop-operator";
/// Field manager of the plugin. The name must not start with `kubectl`, because Flux strips the fields of such
/// managers.
pub const PLUGIN_MANAGER: &str = "casskop-plugin";

/// Field manager of the operator's writes for a `MultiCasskop`.
pub const MULTI_MANAGER: &str = "casskop-multi";
/// Finalizer of a `MultiCasskop`, until all objects to delete with it are deleted.
pub const MULTI_FINALIZER: &str = "db.orange.com/multicasskop";
/// On the objects of a `MultiCasskop`: its name.
pub const MULTI_LABEL: &str = "db.orange.com/multicasskop";
/// On the `CassandraCluster` of a site: UID of the `MultiCasskop` that owns it.
pub const MULTI_OWNER: &str = "db.orange.com/multicasskop-uid";
/// On the `CassandraCluster` of a site: digest of the last written spec. It distinguishes a manual change from a change
/// of the `MultiCasskop`.
pub const MULTI_APPLIED: &str = "db.orange.com/multicasskop-applied";
/// On an `EndpointSlice` with seeds: the site of the seeds.
pub const SITE: &str = "db.orange.com/site";
/// On a `MultiCasskop`: the UID of the `MultiCasskop` whose clusters it may take over, or `unowned` for clusters
/// without an owner.
pub const ADOPT: &str = "db.orange.com/adopt";
/// On a `MultiCasskop`: sites, separated by commas, whose clusters may be left behind while the site is unreachable.
pub const ORPHAN: &str = "db.orange.com/orphan";

/// Label with the name of the `CassandraCluster`.
pub const CLUSTER_LABEL: &str = "cassandracluster";
/// Label with `<dc>-<rack>`.
pub const DC_RACK_LABEL: &str = "dc-rack";
/// Label with the data center.
pub const DC_LABEL: &str = "cassandraclusters.db.orange.com.dc";
/// Label with the rack.
pub const RACK_LABEL: &str = "cassandraclusters.db.orange.com.rack";
/// Label of all objects of the operator, and its value.
pub const APP_LABEL: (&str, &str) = ("app", "cassandracluster");

/// On a Secret: whether it is meant for the nodes, `true` or not (`docs/adr/0023-secrets-meant-for-the-nodes.md`).
pub const NODE_CREDENTIALS_LABEL: &str = "db.orange.com/node-credentials";

/// On the Secret with the certificates that the operator makes: times and issuer of the certificate. Nothing in it is
/// secret.
pub const NODE_CERTIFICATE: &str = "db.orange.com/node-certificate";

/// Port of the Jolokia agent.
pub const JOLOKIA_PORT: u16 = 8778;
/// Port of the Management API.
pub const MANAGEMENT_API_PORT: u16 = 8080;
/// Annotation of a pod with the transport that it was started with, a [`NodeTransport`]; none is Jolokia.
///
/// [`NodeTransport`]: crate::api::NodeTransport
pub const NODE_API: &str = "db.orange.com/node-api";
/// Annotation of a pod with what its node sends to other nodes and accepts from them, an [`InternodeMode`]; none is `Disabled`.
///
/// [`InternodeMode`]: crate::api::InternodeMode
pub const INTERNODE_TLS: &str = "db.orange.com/internode-tls";
/// Annotation of a pod with what its node accepts from clients, a [`ClientMode`]; none is `Disabled`.
///
/// [`ClientMode`]: crate::api::ClientMode
pub const CLIENT_TLS: &str = "db.orange.com/client-tls";
/// Annotation of a pod with what clients need to connect to its node, a [`LoginStep`]; none is `Disabled`.
///
/// [`LoginStep`]: crate::api::LoginStep
pub const LOGINS: &str = "db.orange.com/logins";
/// The role that Cassandra creates by itself, a superuser with its name as password.
pub const DEFAULT_ROLE: &str = "cassandra";
/// Port of the native protocol (CQL).
pub const CQL_PORT: u16 = 9042;
/// Port of the metrics of Cassandra, that of the Go `CassKop`.
pub const METRICS_PORT: u16 = 9500;
/// Label of the Service of the metrics, that of the Go `CassKop`, and its value.
pub const METRICS_LABEL: (&str, &str) = ("k8s-app", "exporter-cassandra-jmx");
/// Name of the Cassandra container.
pub const CASSANDRA_CONTAINER: &str = "cassandra";
/// Annotation of a Job of a backup: the id of the backup.
pub const BACKUP: &str = "db.orange.com/backup";
/// Annotation of a Job of a backup: the place of the store that it works on.
pub const BACKUP_LOCATION: &str = "db.orange.com/backup-location";
/// Annotation of a Job of a restore: digest of the volumes that it writes to, by their UIDs.
pub const RESTORED_VOLUMES: &str = "db.orange.com/restored-volumes";
/// Begin of the names of the snapshots that backups take and clear: no other snapshot has such a name.
pub const BACKUP_SNAPSHOT: &str = "casskop-backup-";
/// Label of a Job of a backup and of its pods: the cluster.
pub const BACKUP_OF: &str = "db.orange.com/backup-of";
/// Label of all Jobs of backups and of their pods, such as for a `NetworkPolicy`.
pub const BACKUP_APP_LABEL: (&str, &str) = ("app.kubernetes.io/name", "casskop-backup");
/// Name of the data volume; its claims are `data-<pod>`.
pub const DATA_VOLUME: &str = "data";

/// A rack within its data center; ordered by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RackId {
    /// Data center.
    pub dc: String,
    /// Rack.
    pub rack: String,
}

impl RackId {
    /// The rack `rack` of the data center `dc`.
    pub fn new(dc: impl Into<String>, rack: impl Into<String>) -> Self {
        Self {
            dc: dc.into(),
            rack: rack.into(),
        }
    }

    /// `<dc>-<rack>`, the label and the key in `status.cassandraRackStatus`.
    pub fn key(&self) -> String {
        format!("{}-{}", self.dc, self.rack)
    }
}

impl std::fmt::Display for RackId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.dc, self.rack)
    }
}

/// Labels of every object of a cluster, and the selector of its pods.
pub fn cluster_labels(cluster: &str) -> BTreeMap<String, String> {
    [APP_LABEL, (CLUSTER_LABEL, cluster)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Labels of the objects of one rack. The selector of its StatefulSet consists of exactly these labels, without those
/// of the resource, because a selector is immutable.
pub fn rack_labels(cluster: &str, rack: &RackId) -> BTreeMap<String, String> {
    let mut labels = cluster_labels(cluster);
    labels.insert(DC_RACK_LABEL.into(), rack.key());
    labels.insert(DC_LABEL.into(), rack.dc.clone());
    labels.insert(RACK_LABEL.into(), rack.rack.clone());
    labels
}

/// The label selector for the objects of one cluster.
pub fn cluster_selector(cluster: &str) -> String {
    format!("{}={},{CLUSTER_LABEL}={cluster}", APP_LABEL.0, APP_LABEL.1)
}

/// StatefulSet of a rack, and the ConfigMap with its configuration.
pub fn stateful_set(cluster: &str, rack: &RackId) -> String {
    format!("{cluster}-{}-{}", rack.dc, rack.rack)
}

/// Pod number `ordinal` of a rack.
pub fn pod(cluster: &str, rack: &RackId, ordinal: i32) -> String {
    format!("{}-{ordinal}", stateful_set(cluster, rack))
}

/// DNS name of a pod in the Kubernetes cluster, in the form of a seed: `<pod>.<cluster>.<namespace>`.
pub fn pod_host(cluster: &str, namespace: &str, pod: &str) -> String {
    format!("{pod}.{cluster}.{namespace}")
}

/// DNS name of a ring, which its certificates have: that of its headless Service.
pub fn ring_host(cluster: &str, namespace: &str) -> String {
    format!("{cluster}.{namespace}.svc")
}

/// Ordinal of a pod, from its name.
pub fn ordinal(pod: &str) -> Option<i32> {
    pod.rsplit_once('-')?.1.parse().ok()
}

/// Service of the metrics of Cassandra, with the name that the Go `CassKop` gives it.
pub fn metrics_service(cluster: &str) -> String {
    format!("{cluster}-exporter-jmx")
}

/// Secret with the Jolokia password; the operator creates it if `imageJolokiaSecret` is not set.
pub fn jolokia_secret(cluster: &str) -> String {
    format!("{cluster}-jolokia")
}

/// Internal Secret of the operator with the Jolokia passwords that running nodes may use.
pub fn accepted_secret(cluster: &str) -> String {
    format!("{cluster}-jolokia-accepted")
}

/// Secret with the certificates of the nodes; the operator creates and renews it if `nodeApi.tlsSecretName` is not set.
pub fn node_tls_secret(cluster: &str) -> String {
    format!("{cluster}-node-tls")
}

/// Internal Secret of the operator with the authority that issues these certificates, and its private key.
pub fn node_authority_secret(cluster: &str) -> String {
    format!("{cluster}-node-authority")
}

/// Secret with the certificates between the nodes; the operator creates and renews it if `tls.internode.secretName` is not
/// set.
pub fn internode_tls_secret(cluster: &str) -> String {
    format!("{cluster}-internode-tls")
}

/// Internal Secret of the operator with the authority that issues these certificates, and its private key.
pub fn internode_authority_secret(cluster: &str) -> String {
    format!("{cluster}-internode-authority")
}

/// Secret with the certificates for clients; the operator creates and renews it if `tls.client.secretName` is not set.
pub fn client_tls_secret(cluster: &str) -> String {
    format!("{cluster}-client-tls")
}

/// Internal Secret of the operator with the authority that issues these certificates, and its private key.
pub fn client_authority_secret(cluster: &str) -> String {
    format!("{cluster}-client-authority")
}

/// ConfigMap with the authorities by which clients verify the nodes. The ConfigMaps of racks have names of two parts behind that of
/// the cluster, so this one has one.
pub fn client_ca(cluster: &str) -> String {
    format!("{cluster}-clientca")
}

/// Secret with the superuser of Cassandra; the operator creates it if `authentication.superuserSecret` is not set.
pub fn superuser_secret(cluster: &str) -> String {
    format!("{cluster}-superuser")
}

/// Internal Secret of the operator with the superuser that Cassandra accepts.
pub fn accepted_superuser_secret(cluster: &str) -> String {
    format!("{cluster}-superuser-accepted")
}

/// ConfigMap with the mark of a formed ring. It stays as long as the volumes do when the cluster is deleted, so that a
/// cluster re-created with these volumes continues the ring and never forms a second one.
pub fn ring_mark(cluster: &str) -> String {
    format!("{cluster}-ring")
}

/// ConfigMap with the last accepted spec.
pub fn accepted_spec(cluster: &str) -> String {
    format!("{cluster}-accepted")
}

/// ConfigMap that a `MultiCasskop` owns in the home cluster: it shows whether a deletion orphans.
pub fn multi_witness(multi: &str) -> String {
    format!("{multi}-multicasskop")
}

/// Headless Service for the DNS names of seeds in other sites.
pub fn sites_service(cluster: &str) -> String {
    format!("{cluster}-sites")
}

/// DNS name, in this site, of a pod in another site, in the form of a seed.
pub fn foreign_host(cluster: &str, namespace: &str, pod: &str) -> String {
    format!("{pod}.{}.{namespace}", sites_service(cluster))
}

/// Annotation that requests an operation.
pub fn request_annotation(kind: impl std::fmt::Display) -> String {
    format!("{OPERATIONS_PREFIX}{kind}")
}

/// Annotation that controls the request of a kind: `pause`, `cancel`, `retry` or `waive`.
pub fn control_annotation(kind: impl std::fmt::Display, control: &str) -> String {
    format!("{OPERATIONS_PREFIX}{kind}.{control}")
}

/// Whether Kubernetes takes a text as the name of an object such as a Secret: an RFC 1123 subdomain.
pub fn is_object_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let ends = label.starts_with('-') || label.ends_with('-');
        !label.is_empty() && !ends && label.chars().all(is_plain)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::is_object_name;

    #[test]
    fn names_of_objects_are_those_that_kubernetes_takes() {
        for good in ["a", "0", "demo-superuser", "a.b-c.9"] {
            assert!(is_object_name(good), "{good}");
        }
        let long = "a".repeat(254);
        for bad in [
            "", "A", "a_b", "-a", "a-", "a..b", ".a", "a/b", "..", "a b", "a?x", &long,
        ] {
            assert!(!is_object_name(bad), "{bad}");
        }
    }
}
