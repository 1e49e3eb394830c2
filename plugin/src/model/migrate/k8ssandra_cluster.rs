//! `K8ssandraCluster` of k8ssandra-operator, `k8ssandra.io/v1alpha1`: a ring with its data centers, each of which may override
//! what the ring sets.

mod datacenters;
mod jvm;

use serde_json::{Value, json};

use super::{
    datacenter::{self, why},
    draft::Draft,
    path::{Leaf, Part},
    pod::{self, containers, storage},
    table::{Row, Rule, Verdict, word},
};

const BACKUPS: &str = "Medusa is not installed: declare a store in spec.backup.stores; what Medusa has stored stays with Medusa";
const REPAIRS: &str =
    "Reaper is not installed: kubectl casskop repair CLUSTER, or a Reaper of your own";
const STARGATE: &str = "Stargate is not installed";
const TELEMETRY: &str = "set spec.metrics for metrics of Cassandra, with names of their own; collectors beside them are sidecars (sidecarConfigs)";
const STOPPED: (&str, &str) = (
    "nodes are not stopped while their volumes stay",
    "start the data center, and set stopped: false",
);

pub use datacenters::judge;

/// Rows of the ring.
const RING: [Row; 28] = [
    (
        "apiVersion",
        Rule::Value(|_, _| Verdict::by(why::API_VERSION)),
    ),
    ("kind", Rule::Value(|_, _| Verdict::by(why::KIND))),
    ("metadata.name", Rule::Value(ring_name)),
    ("spec.auth", Rule::Value(auth)),
    ("spec.reaper", Rule::Ignored(REPAIRS)),
    ("spec.medusa", Rule::Ignored(BACKUPS)),
    ("spec.stargate", Rule::Ignored(STARGATE)),
    (
        "spec.externalDatacenters",
        Rule::Ignored("the operator changes no replication: ALTER KEYSPACE"),
    ),
    (
        "spec.secretsProvider",
        Rule::Only(
            &["internal"],
            "Secrets are read from Kubernetes",
            "have the provider write Secrets, and set secretsProvider: internal",
        ),
    ),
    (
        "spec.cassandra.clusterName",
        Rule::Value(datacenter::cluster_name),
    ),
    (
        "spec.cassandra.serverType",
        Rule::Value(datacenter::server_type),
    ),
    (
        "spec.cassandra.superuserSecretRef",
        Rule::Ignored(why::ROLES),
    ),
    ("spec.cassandra.additionalSeeds[]", Rule::By("spec.seeds[]")),
    (
        "spec.cassandra.serverEncryptionStores",
        Rule::Refused(why::KEYSTORES, why::KEYSTORES_NEXT),
    ),
    (
        "spec.cassandra.clientEncryptionStores",
        Rule::Refused(why::KEYSTORES, why::KEYSTORES_NEXT),
    ),
    ("spec.cassandra.metadata.labels", Rule::Ignored(why::LABELS)),
    (
        "spec.cassandra.metadata.annotations",
        Rule::Ignored("there is no CassandraDatacenter"),
    ),
    (
        "spec.cassandra.metadata.commonLabels",
        Rule::Ignored(why::LABELS),
    ),
    (
        "spec.cassandra.metadata.commonAnnotations",
        Rule::By("spec.pod.annotations"),
    ),
    (
        "spec.cassandra.metadata.pods.labels",
        Rule::Ignored(why::LABELS),
    ),
    (
        "spec.cassandra.metadata.pods.annotations",
        Rule::By("spec.pod.annotations"),
    ),
    (
        "spec.cassandra.metadata.services.dcService.annotations",
        Rule::By("spec.service.annotations"),
    ),
    (
        "spec.cassandra.metadata.services.allPodsService.annotations",
        Rule::By("spec.service.annotations"),
    ),
    (
        "spec.cassandra.metadata.services.dcService.labels",
        Rule::Ignored(why::SERVICES),
    ),
    (
        "spec.cassandra.metadata.services.allPodsService.labels",
        Rule::Ignored(why::SERVICES),
    ),
    (
        "spec.cassandra.metadata.services.seedService",
        Rule::Ignored(why::SERVICES),
    ),
    (
        "spec.cassandra.metadata.services.additionalSeedService",
        Rule::Ignored(why::SERVICES),
    ),
    (
        "spec.cassandra.metadata.services.nodePortService",
        Rule::Ignored(why::SERVICES),
    ),
];

/// Rows of a data center; those below the first ones may stand in the ring, for all of them.
const DC: [Row; 47] = [
    ("metadata.name", Rule::Value(datacenter::resource_name)),
    ("metadata.namespace", Rule::Same("metadata.namespace")),
    ("metadata.labels", Rule::Ignored(why::LABELS)),
    (
        "metadata.annotations",
        Rule::Ignored("there is no CassandraDatacenter"),
    ),
    ("metadata.commonLabels", Rule::Ignored(why::LABELS)),
    (
        "metadata.commonAnnotations",
        Rule::By("spec.pod.annotations"),
    ),
    ("metadata.pods.labels", Rule::Ignored(why::LABELS)),
    (
        "metadata.pods.annotations",
        Rule::By("spec.pod.annotations"),
    ),
    ("metadata.services", Rule::Ignored(why::SERVICES)),
    ("k8sContext", Rule::Value(context)),
    ("size", Rule::Value(datacenter::size)),
    ("stopped", Rule::Only(&["false"], STOPPED.0, STOPPED.1)),
    ("stargate", Rule::Ignored(STARGATE)),
    (
        "perNodeConfigMapRef.name",
        Rule::Refused(
            "nodes of a rack have the same configuration",
            "set config of the racks in the printed manifest, and remove it",
        ),
    ),
    ("serverVersion", Rule::Value(datacenter::server_version)),
    ("serverImage", Rule::Value(datacenter::server_image)),
    ("config.cassandraYaml", Rule::Own(yaml)),
    ("config.jvmOptions", Rule::Own(jvm::judge)),
    ("config.dseYaml", Rule::Refused(why::DSE, why::DSE_NEXT)),
    (
        "networking.hostNetwork",
        Rule::Only(
            &["false"],
            "pods have addresses of their own",
            "remove it; clients need a route to the pods",
        ),
    ),
    (
        "networking.nodePort",
        Rule::Refused(
            "nodes are reached by the addresses of their pods",
            "remove it; clients need a route to the pods",
        ),
    ),
    ("resources", Rule::Same("dc.resources")),
    ("racks[].name", Rule::Value(datacenter::rack_name)),
    ("racks[].zone", Rule::Value(datacenter::rack_zone)),
    ("racks[].nodeAffinityLabels", Rule::By("dc.rack[].labels")),
    (
        "racks[].affinity",
        Rule::Only(
            &[],
            "racks are placed by labels of Kubernetes nodes",
            "set nodeAffinityLabels, and remove it",
        ),
    ),
    (
        "jmxInitContainerImage",
        Rule::Ignored("JMX is configured by jmxConfiguration"),
    ),
    ("softPodAntiAffinity", Rule::Value(soft)),
    ("tolerations[]", Rule::By("spec.pod.tolerations[]")),
    (
        "mgmtAPIHeap",
        Rule::Ignored("the heap of the Management API is that of its image"),
    ),
    ("telemetry", Rule::Ignored(TELEMETRY)),
    (
        "cdc",
        Rule::Refused(
            "the agent for change data capture is not part of the pods",
            "remove it",
        ),
    ),
    (
        "extraVolumes.volumes[]",
        Rule::Refused(
            "more volumes are claims",
            "remove the volume; extraVolumes.pvcs are taken over",
        ),
    ),
    ("extraVolumes.pvcs[]", Rule::By("spec.storageConfigs[]")),
    (
        "extraVolumes.pvcs[].volumeSource",
        Rule::Refused("more volumes are claims (pvcSpec)", "remove the volume"),
    ),
    (
        "dseWorkloads",
        Rule::Only(&["false"], why::DSE, why::DSE_NEXT),
    ),
    ("podSecurityContext", Rule::Refused(why::POD, why::POD_NEXT)),
    ("podSecurityContext.runAsUser", Rule::By("spec.runAsUser")),
    ("podSecurityContext.fsGroup", Rule::By("spec.fsGroup")),
    (
        "podSecurityContext.runAsNonRoot",
        Rule::Only(&["true"], "pods never run as root", "remove it"),
    ),
    (
        "podPriorityClassName",
        Rule::By("spec.pod.priorityClassName"),
    ),
    ("managementApiAuth", Rule::Ignored(why::CERTIFICATES)),
    (
        "perNodeConfigInitContainerImage",
        Rule::Ignored(why::BUILDER),
    ),
    ("serviceAccount", Rule::By("spec.serviceAccountName")),
    ("datacenterName", Rule::Value(datacenter::datacenter_name)),
    (
        "readOnlyRootFilesystem",
        Rule::Same("spec.readOnlyRootFilesystem"),
    ),
    (
        "maxConcurrentRebuilds",
        Rule::Ignored("kubectl casskop rebuild CLUSTER --max-nodes N"),
    ),
];

/// The rows of a data center.
fn dc_rows() -> impl Iterator<Item = Row> {
    let containers: [Row; 15] = containers!("");
    let storage: [Row; 7] = storage!("");
    DC.into_iter().chain(containers).chain(storage)
}

fn ring_name(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    draft.facts.insert("ring", leaf.value.clone());
    Verdict::by("metadata.name and config.cassandra-yaml.cluster_name")
}

fn auth(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    draft.facts.insert("auth", leaf.value.clone());
    Verdict::by("config.cassandra-yaml.authenticator")
}

fn context(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let context = word(leaf.value);
    if context.is_empty() {
        return Verdict::ignored("it asks for nothing");
    }
    draft.facts.insert("context", context.into());
    Verdict::by(
        "override of a MultiCasskop, if the data centers are in several Kubernetes clusters",
    )
}

fn soft(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let is_soft = leaf.value == &Value::Bool(true);
    draft.replaced("spec.hardAntiAffinity", !is_soft)
}

fn yaml(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let mut path = leaf.path.below(1);
    if let Some(first) = path.0.first_mut() {
        *first = Part::Key("cassandra-yaml".to_owned());
    }
    match datacenter::config(&path, leaf.value, draft) {
        Verdict::Supported => Verdict::by("config.cassandra-yaml"),
        other => other,
    }
}

/// The consequences of several fields of the ring, or of a missing one; before those of a data center.
fn finish(draft: &mut Draft) {
    if let Some(name) = draft.facts.get("ring").cloned() {
        draft.facts.entry("clusterName").or_insert(name);
    }
    let is_open = draft.facts.get("auth") == Some(&Value::Bool(false));
    if !draft.facts.contains_key("auth") {
        draft.notes.push("auth is true unless the manifest says otherwise: config.cassandra-yaml.authenticator is PasswordAuthenticator".into());
    }
    let (authenticator, authorizer) = if is_open {
        ("AllowAllAuthenticator", "AllowAllAuthorizer")
    } else {
        ("PasswordAuthenticator", "CassandraAuthorizer")
    };
    draft.put_default(
        "dc.config.cassandra-yaml.authenticator",
        json!(authenticator),
    );
    draft.put_default("dc.config.cassandra-yaml.authorizer", json!(authorizer));
}
