//! One StatefulSet per rack: gives each node a stable name and a volume.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraClusterSpec, NodeTransport, StorageConfig},
    names,
};
use k8s_openapi::{
    api::{
        apps::v1::{
            RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec,
            StatefulSetUpdateStrategy,
        },
        core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements},
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
    },
};
use kube_core::ResourceExt;
use serde::Serialize;

use crate::{
    desired::{Desired, DesiredRack, seeds},
    digest::digest,
    objects::{metadata, pod},
};

/// Inputs of the pods of a rack. A change of their digest rolls out the pods; no other change does, for example another
/// version of the operator.
#[derive(Serialize)]
struct Inputs<'a> {
    rack: &'a DesiredRack,
    image: &'a str,
    service_account: &'a str,
    // The name is of the time when there was one Secret.
    #[serde(rename = "jolokia_secret")]
    first_secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    second_secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_api: Option<&'a str>,
    /// Mode and Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    internode: Option<(&'a str, &'a String)>,
    /// Mode, Secret, and whether clients need certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<(&'a str, &'a String, bool)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logins: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    key_revision: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scripts: Option<&'a str>,
    /// With `autoUpdateSeedList`, running nodes get new seeds as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    seeds: Vec<String>,
    spec: CassandraClusterSpec,
}

/// Treats `false` as unset, so that an explicit default does not change the digest.
fn on(asked: Option<bool>) -> Option<bool> {
    asked.filter(|&on| on)
}

/// The spec, without the fields that do not affect the pods.
fn pod_inputs(desired: &Desired) -> CassandraClusterSpec {
    let storage_configs =
        desired
            .spec
            .storage_configs
            .iter()
            .cloned()
            .map(|storage| StorageConfig {
                pvc_spec: PersistentVolumeClaimSpec::default(),
                ..storage
            });
    let all = &desired.spec;
    CassandraClusterSpec {
        storage_configs: storage_configs.collect(),
        // Each field is named, so that a new one has to be decided about. These are merged into the rack already, or do not
        // affect the pods.
        nodes_per_racks: None,
        topology: None,
        config: None,
        resources: None,
        data_capacity: None,
        data_storage_class: None,
        cassandra_image: None,
        bootstrap_image: desired
            .spec
            .bootstrap_image
            .clone()
            .filter(|image| *image == desired.bootstrap_image),
        config_builder_image: None,
        service: None,
        delete_pvc: None,
        auto_pilot: None,
        no_check_sts_are_equal: None,
        auto_update_seed_list: None,
        max_pod_unavailable: None,
        restart_count_before_pod_deletion: None,
        unlock_next_operation: None,
        server_version: None,
        server_type: None,
        image_jolokia_secret: None,
        keyspace_cleanup_threads: None,
        back_rest_sidecar: None,
        service_account_name: None,
        seeds: Vec::new(),
        node_api: None,
        tls: None,
        authentication: None,
        schedules: Vec::new(),
        backup: None,
        restore: None,
        // An explicit default must not change the digest.
        debug: on(desired.spec.debug),
        hard_anti_affinity: on(desired.spec.hard_anti_affinity),
        platform_assigns_ids: on(desired.spec.platform_assigns_ids),
        share_process_namespace: on(desired.spec.share_process_namespace),
        read_only_root_filesystem: desired
            .spec
            .read_only_root_filesystem
            .filter(|&is_so| !is_so),
        // A change of these re-creates the pods.
        image_pull_policy: all.image_pull_policy.clone(),
        image_pull_secret: all.image_pull_secret.clone(),
        env_vars: all.env_vars.clone(),
        run_as_user: all.run_as_user,
        fs_group: all.fs_group,
        pod: all.pod.clone(),
        sidecar_configs: all.sidecar_configs.clone(),
        config_map_name: all.config_map_name.clone(),
        liveness_initial_delay_seconds: all.liveness_initial_delay_seconds,
        liveness_health_check_timeout: all.liveness_health_check_timeout,
        liveness_health_check_period: all.liveness_health_check_period,
        liveness_failure_threshold: all.liveness_failure_threshold,
        liveness_success_threshold: all.liveness_success_threshold,
        readiness_initial_delay_seconds: all.readiness_initial_delay_seconds,
        readiness_health_check_timeout: all.readiness_health_check_timeout,
        readiness_health_check_period: all.readiness_health_check_period,
        readiness_failure_threshold: all.readiness_failure_threshold,
        readiness_success_threshold: all.readiness_success_threshold,
        jmx_configuration: all.jmx_configuration.clone(),
        metrics: all.metrics.clone(),
    }
}

/// Digest of the inputs of a rack.
pub fn inputs_digest(desired: &Desired, rack: &DesiredRack) -> String {
    let spec = pod_inputs(desired);
    let rack = DesiredRack {
        replicas: 0,
        partition: 0,
        // Volumes are expanded under running pods; only the presence of a volume affects the pod.
        capacity: rack.capacity.as_ref().map(|_| String::new()),
        storage_class: None,
        ..rack.clone()
    };
    let secrets = &desired.secrets;
    let encryption = desired.encryption;
    let mut first = secrets.password.iter().chain(&secrets.certificates);
    digest(&Inputs {
        rack: &rack,
        image: &desired.image,
        service_account: &desired.service_account,
        first_secret: first.next().map_or("", String::as_str),
        second_secret: first.next().map(String::as_str),
        internode: secrets
            .internode
            .as_ref()
            .map(|secret| (encryption.internode.as_str(), secret)),
        client: secrets
            .client
            .as_ref()
            .map(|secret| (encryption.client.as_str(), secret, encryption.client_auth)),
        logins: Some(desired.logins.as_str()).filter(|_| desired.logins.has_logins()),
        node_api: match desired.spec.transport() {
            // As before there was a choice.
            NodeTransport::Jolokia => None,
            other => Some(other.as_str()),
        },
        key_revision: &desired.key_revision,
        scripts: desired.scripts.as_deref(),
        seeds: if desired.spec.auto_update_seed_list == Some(true) {
            seeds::seeds(desired, true)
        } else {
            Vec::new()
        },
        spec,
    })
}

/// The StatefulSet of a rack, with the number of replicas that it may have now.
pub fn build(desired: &Desired, rack: &DesiredRack, replicas: i32) -> StatefulSet {
    let labels = names::rack_labels(&desired.name, &rack.id);
    let name = names::stateful_set(&desired.name, &rack.id);
    let mut metadata = metadata(desired, name, labels.clone());
    let digest = inputs_digest(desired, rack);
    metadata.annotations = Some([(names::INPUTS_DIGEST.to_owned(), digest.clone())].into());
    StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            replicas: Some(replicas),
            service_name: Some(desired.name.clone()),
            selector: LabelSelector {
                match_labels: Some(labels.clone()),
                ..LabelSelector::default()
            },
            // The operator adds one pod at a time. In between, a pod that cannot start must not block the start of its
            // corrected revision, or of the pods after it.
            pod_management_policy: Some("Parallel".into()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(RollingUpdateStatefulSetStrategy {
                    partition: Some(rack.partition),
                    ..RollingUpdateStatefulSetStrategy::default()
                }),
            }),
            template: pod::template(desired, rack, labels.clone(), digest),
            volume_claim_templates: claims(desired, rack, &labels),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

/// Keeps the live pod template if the inputs digest is the same. Another version of the operator may render the
/// template differently, and that alone must not restart nodes.
pub fn keep_template(mut set: StatefulSet, live: &BTreeMap<String, StatefulSet>) -> StatefulSet {
    let digest = |set: &StatefulSet| set.annotations().get(names::INPUTS_DIGEST).cloned();
    let live = live
        .get(&set.name_any())
        .filter(|live| digest(live) == digest(&set));
    if let (Some(spec), Some(live)) = (&mut set.spec, live.and_then(|live| live.spec.as_ref())) {
        spec.template.clone_from(&live.template);
    }
    set
}

/// Changes only the volume claims; the pod template and the progress of its rollout stay the same.
pub fn only_volumes(mut set: StatefulSet, live: &BTreeMap<String, StatefulSet>) -> StatefulSet {
    let Some(live) = live.get(&set.name_any()) else {
        return set;
    };
    let digest = live.annotations().get(names::INPUTS_DIGEST).cloned();
    set.annotations_mut()
        .extend(digest.map(|digest| (names::INPUTS_DIGEST.to_owned(), digest)));
    if let (Some(spec), Some(live)) = (&mut set.spec, &live.spec) {
        spec.template.clone_from(&live.template);
        spec.update_strategy.clone_from(&live.update_strategy);
    }
    set
}

fn claims(
    desired: &Desired,
    rack: &DesiredRack,
    labels: &BTreeMap<String, String>,
) -> Option<Vec<PersistentVolumeClaim>> {
    let claim = |name: &str, spec: PersistentVolumeClaimSpec| PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(spec),
        ..PersistentVolumeClaim::default()
    };
    let data = rack
        .capacity
        .as_ref()
        .map(|capacity| PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            storage_class_name: rack.storage_class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), Quantity(capacity.clone()))].into()),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        });
    let data = data.map(|spec| claim(names::DATA_VOLUME, spec));
    let more = desired
        .spec
        .storage_configs
        .iter()
        .map(|storage| claim(&storage.name, storage.pvc_spec.clone()));
    Some(data.into_iter().chain(more).collect::<Vec<_>>()).filter(|claims| !claims.is_empty())
}
