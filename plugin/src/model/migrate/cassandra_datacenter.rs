//! `CassandraDatacenter` of cass-operator, `cassandra.datastax.com/v1beta1`.

use serde_json::Value;

use super::{
    datacenter::{self, why},
    draft::{Draft, Place},
    path::Leaf,
    pod::{self, containers, storage},
    table::{Row, Rule, Verdict, word},
};

const NO_CANARY: &str =
    "a change reaches one node first; topology.dc[].rack[].rollingPartition holds it there";
const CDC: &str = "the agent for change data capture is not part of the pods";

const ROWS: [Row; 71] = [
    (
        "apiVersion",
        Rule::Value(|_, _| Verdict::by(why::API_VERSION)),
    ),
    ("kind", Rule::Value(|_, _| Verdict::by(why::KIND))),
    ("metadata.name", Rule::Value(datacenter::resource_name)),
    ("metadata.annotations", Rule::Own(annotation)),
    ("spec.size", Rule::Value(datacenter::size)),
    (
        "spec.serverVersion",
        Rule::Value(datacenter::server_version),
    ),
    ("spec.serverImage", Rule::Value(datacenter::server_image)),
    ("spec.serverType", Rule::Value(datacenter::server_type)),
    ("spec.clusterName", Rule::Value(datacenter::cluster_name)),
    (
        "spec.datacenterName",
        Rule::Value(datacenter::datacenter_name),
    ),
    ("spec.config", Rule::Own(config)),
    (
        "spec.configSecret",
        Rule::Refused(
            "a configuration in a Secret is not read",
            "write the content of its key config to spec.config, and remove it",
        ),
    ),
    ("spec.managementApiAuth", Rule::Ignored(why::CERTIFICATES)),
    ("spec.nodeAffinityLabels", Rule::By("dc.labels")),
    ("spec.nodeSelector", Rule::By("dc.labels")),
    ("spec.resources", Rule::Same("dc.resources")),
    ("spec.systemLoggerResources", Rule::Ignored(why::LOGGER)),
    ("spec.systemLoggerImage", Rule::Ignored(why::LOGGER)),
    (
        "spec.disableSystemLoggerSidecar",
        Rule::Ignored(why::LOGGER),
    ),
    ("spec.configBuilderResources", Rule::Ignored(why::BUILDER)),
    ("spec.configBuilderImage", Rule::Ignored(why::BUILDER)),
    ("spec.racks[].name", Rule::Value(datacenter::rack_name)),
    ("spec.racks[].zone", Rule::Value(datacenter::rack_zone)),
    (
        "spec.racks[].nodeAffinityLabels",
        Rule::By("dc.rack[].labels"),
    ),
    (
        "spec.racks[].affinity",
        Rule::Only(
            &[],
            "racks are placed by labels of Kubernetes nodes",
            "set nodeAffinityLabels, and remove it",
        ),
    ),
    (
        "spec.replaceNodes",
        Rule::Only(
            &[],
            "a node is replaced on request",
            "let cass-operator end the replacement first; here: kubectl casskop replace CLUSTER --pod POD",
        ),
    ),
    (
        "spec.stopped",
        Rule::Only(
            &["false"],
            "nodes are not stopped while their volumes stay",
            "start the data center, and set stopped: false",
        ),
    ),
    ("spec.canaryUpgrade", Rule::Ignored(NO_CANARY)),
    ("spec.canaryUpgradeCount", Rule::Ignored(NO_CANARY)),
    (
        "spec.allowMultipleNodesPerWorker",
        Rule::Value(several_per_worker),
    ),
    ("spec.superuserSecretName", Rule::Ignored(why::ROLES)),
    ("spec.users[]", Rule::Ignored(why::ROLES)),
    ("spec.serviceAccount", Rule::By("spec.serviceAccountName")),
    (
        "spec.serviceAccountName",
        Rule::Same("spec.serviceAccountName"),
    ),
    ("spec.rollingRestartRequested", Rule::Ignored(why::RESTART)),
    (
        "spec.forceUpgradeRacks",
        Rule::Ignored("a corrected spec is rolled out again"),
    ),
    (
        "spec.dseWorkloads",
        Rule::Only(&["false"], why::DSE, why::DSE_NEXT),
    ),
    (
        "spec.dockerImageRunsAsCassandra",
        Rule::Ignored("pods never run as root"),
    ),
    (
        "spec.networking.hostNetwork",
        Rule::Only(
            &["false"],
            "pods have addresses of their own",
            "remove it; clients need a route to the pods",
        ),
    ),
    (
        "spec.networking.nodePort",
        Rule::Refused(
            "nodes are reached by the addresses of their pods",
            "remove it; clients need a route to the pods",
        ),
    ),
    ("spec.additionalSeeds[]", Rule::By("spec.seeds[]")),
    (
        "spec.additionalServiceConfig.dcService.additionalAnnotations",
        Rule::By("spec.service.annotations"),
    ),
    (
        "spec.additionalServiceConfig.allpodsService.additionalAnnotations",
        Rule::By("spec.service.annotations"),
    ),
    (
        "spec.additionalServiceConfig.dcService.additionalLabels",
        Rule::Ignored(why::SERVICES),
    ),
    (
        "spec.additionalServiceConfig.allpodsService.additionalLabels",
        Rule::Ignored(why::SERVICES),
    ),
    (
        "spec.additionalServiceConfig.seedService",
        Rule::Ignored(why::SERVICES),
    ),
    (
        "spec.additionalServiceConfig.additionalSeedService",
        Rule::Ignored(why::SERVICES),
    ),
    (
        "spec.additionalServiceConfig.nodePortService",
        Rule::Ignored(why::SERVICES),
    ),
    ("spec.tolerations[]", Rule::By("spec.pod.tolerations[]")),
    ("spec.additionalLabels", Rule::Ignored(why::LABELS)),
    (
        "spec.additionalAnnotations",
        Rule::Own(additional_annotation),
    ),
    ("spec.cdc", Rule::Refused(CDC, "remove it")),
    (
        "spec.minReadySeconds",
        Rule::Ignored("the next node follows when all nodes report the previous one as up"),
    ),
    (
        "spec.readOnlyRootFilesystem",
        Rule::Same("spec.readOnlyRootFilesystem"),
    ),
    (
        "spec.podTemplateSpec.metadata.annotations",
        Rule::By("spec.pod.annotations"),
    ),
    (
        "spec.podTemplateSpec.metadata.labels",
        Rule::Ignored(why::LABELS),
    ),
    (
        "spec.podTemplateSpec.metadata.name",
        Rule::Ignored("pods are named by their StatefulSet"),
    ),
    (
        "spec.podTemplateSpec.metadata.namespace",
        Rule::Ignored("pods are in the namespace of the cluster"),
    ),
    (
        "spec.podTemplateSpec.metadata.creationTimestamp",
        Rule::Ignored("the API server sets it"),
    ),
    (
        "spec.podTemplateSpec.spec",
        Rule::Refused(why::POD, why::POD_NEXT),
    ),
    (
        "spec.podTemplateSpec.spec.tolerations[]",
        Rule::By("spec.pod.tolerations[]"),
    ),
    (
        "spec.podTemplateSpec.spec.priorityClassName",
        Rule::By("spec.pod.priorityClassName"),
    ),
    (
        "spec.podTemplateSpec.spec.nodeSelector",
        Rule::By("dc.labels"),
    ),
    (
        "spec.podTemplateSpec.spec.imagePullSecrets[].name",
        Rule::By("spec.imagePullSecret.name"),
    ),
    (
        "spec.podTemplateSpec.spec.serviceAccountName",
        Rule::By("spec.serviceAccountName"),
    ),
    (
        "spec.podTemplateSpec.spec.shareProcessNamespace",
        Rule::By("spec.shareProcessNamespace"),
    ),
    (
        "spec.podTemplateSpec.spec.securityContext.runAsUser",
        Rule::By("spec.runAsUser"),
    ),
    (
        "spec.podTemplateSpec.spec.securityContext.fsGroup",
        Rule::By("spec.fsGroup"),
    ),
    (
        "spec.podTemplateSpec.spec.securityContext.runAsNonRoot",
        Rule::Only(&["true"], "pods never run as root", "remove it"),
    ),
    (
        "spec.podTemplateSpec.spec.terminationGracePeriodSeconds",
        Rule::Ignored("the operator sets the time that a node has to drain"),
    ),
    (
        "spec.podTemplateSpec.spec.affinity",
        Rule::Only(
            &[],
            "pods are placed by labels of Kubernetes nodes",
            "set nodeAffinityLabels, and remove it",
        ),
    ),
];

/// The rows.
pub fn rows() -> impl Iterator<Item = Row> {
    let containers: [Row; 15] = containers!("spec.podTemplateSpec.spec.");
    let storage: [Row; 7] = storage!("spec.");
    ROWS.into_iter().chain(containers).chain(storage)
}

fn config(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    datacenter::config(&leaf.path.below(2), leaf.value, draft)
}

/// Annotations by which cass-operator is controlled, and why nothing takes their place.
const CONTROLS: [(&str, &str); 8] = [
    ("skip-user-creation", why::ROLES),
    (
        "decommission-on-delete",
        "nodes leave the ring where nodesPerRacks is 0",
    ),
    ("no-finalizer", "there is no finalizer"),
    (
        "autoupdate-spec",
        "an upgrade of the operator changes no pod",
    ),
    (
        "allow-parallel-starts",
        "the operator decides which nodes may start together",
    ),
    (
        "allow-storage-changes",
        "dataCapacity may be raised at any time",
    ),
    ("use-new-config-builder", why::BUILDER),
    (
        "track-cleanup-tasks",
        "nodes are only taken away when the cleanup is done",
    ),
];
/// Beginning of their names.
const PREFIX: &str = "cassandra.datastax.com/";

fn annotation(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let Some(control) = leaf.path.last_key().strip_prefix(PREFIX) else {
        return super::metadata::annotation(leaf, draft);
    };
    let is_true = word(leaf.value) == "true";
    match control {
        "no-cleanup" => draft.replaced("spec.autoPilot", !is_true),
        "delete-pvc" => draft.replaced("spec.deletePVC", is_true),
        "enable-parallel-cleanup-within-rack" => Verdict::ignored(
            "a cleanup runs on one node at a time unless it is requested with --parallel",
        ),
        "disable-pdb-creation" if !is_true => Verdict::ignored("it asks for nothing"),
        "disable-pdb-creation" => Verdict::refused(
            "the operator keeps a PodDisruptionBudget",
            "set maxPodUnavailable in the printed manifest, and remove it",
        ),
        _ => match CONTROLS.iter().find(|(known, _)| *known == control) {
            Some((_, why)) => Verdict::ignored(*why),
            None => Verdict::Unknown {
                next: "remove it".into(),
            },
        },
    }
}

fn several_per_worker(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let allowed = leaf.value == &Value::Bool(true);
    draft.replaced("spec.hardAntiAffinity", !allowed)
}

/// An annotation of all objects.
fn additional_annotation(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    if leaf.path.0.len() != 3 {
        return Verdict::refused("it is not text", "quote the value");
    }
    let key = leaf.path.last_key();
    let verdict = Verdict::by("pod.annotations and service.annotations");
    ["pod", "service"]
        .into_iter()
        .fold(verdict, |verdict, map| {
            let place = Place::of("spec").key(map).key("annotations").key(key);
            draft.written(place, leaf.value.clone(), verdict)
        })
}
