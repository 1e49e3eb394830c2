//! The Cassandra pods of a rack.
//!
//! A pod starts in steps: the Cassandra image copies its `/etc/cassandra` into a shared volume, the operator's image
//! writes the configuration over it, the scripts of the user, if any, edit the result, and Cassandra starts with it. This
//! works with the stock image of every version.

mod containers;
mod encryption;
mod logins;
mod metrics;
mod placement;
mod transport;

use std::collections::BTreeMap;

use casskop_common::names;
use k8s_openapi::{
    api::core::v1::{
        ConfigMapVolumeSource, EmptyDirVolumeSource, LocalObjectReference, PodSecurityContext,
        PodSpec, PodTemplateSpec, SeccompProfile, Volume,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::desired::{Desired, DesiredRack};
pub(super) use containers::restricted;
pub(crate) use metrics::PORT as METRICS_PORT_NAME;
use transport::Transport;

/// User and group of Cassandra in the official image.
const CASSANDRA_ID: i64 = 999;
/// Termination grace period. A node drains and flushes when it is terminated, and large memtables take time.
const GRACE_SECONDS: i64 = 1800;

/// Volume of the shared configuration directory.
const CONFIG: &str = "bootstrap";
/// Empty volume of Cassandra's log.
const LOG: &str = "log";
/// Empty volume of temporary files.
const TMP: &str = "tmp";
/// Volume of the rack's ConfigMap.
const RACK: &str = "rack";
/// Volume of the user's scripts.
pub const SCRIPTS: &str = "scripts";

/// The template of the pods of a rack.
pub fn template(
    desired: &Desired,
    rack: &DesiredRack,
    labels: BTreeMap<String, String>,
    digest: String,
) -> PodTemplateSpec {
    let spec = &desired.spec;
    let mut pod = spec.pod.clone().unwrap_or_default();
    // A pod reads its configuration when it starts, so a change of the configuration has to re-create the pods.
    pod.annotations
        .insert(names::INPUTS_DIGEST.to_owned(), digest);
    let transport = Transport::of(desired);
    // The operator reaches a pod in the way that the pod was started with.
    for ours in [
        names::NODE_API,
        names::INTERNODE_TLS,
        names::CLIENT_TLS,
        names::LOGINS,
    ] {
        pod.annotations.remove(ours);
    }
    pod.annotations.extend(transport.annotation());
    pod.annotations.extend(encryption::annotations(desired));
    pod.annotations.extend(logins::annotation(desired));
    let id = |given: Option<i64>| match spec.platform_assigns_ids {
        Some(true) => None,
        _ => Some(given.unwrap_or(CASSANDRA_ID)),
    };
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: Some(pod.annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(desired.service_account.clone()),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            image_pull_secrets: spec
                .image_pull_secret
                .as_ref()
                .filter(|secret| !secret.name.is_empty())
                .map(|secret| {
                    vec![LocalObjectReference {
                        name: secret.name.clone(),
                    }]
                }),
            share_process_namespace: spec.share_process_namespace,
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            tolerations: Some(pod.tolerations).filter(|tolerations| !tolerations.is_empty()),
            priority_class_name: pod.priority_class_name.filter(|name| !name.is_empty()),
            affinity: Some(placement::affinity(desired, rack)),
            security_context: Some(PodSecurityContext {
                run_as_user: id(spec.run_as_user),
                run_as_group: id(spec.run_as_user),
                run_as_non_root: Some(true),
                fs_group: id(spec.fs_group),
                // Large volumes: the ownership of the files changes only if that of the root directory is wrong.
                fs_group_change_policy: Some("OnRootMismatch".into()),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".into(),
                    ..SeccompProfile::default()
                }),
                ..PodSecurityContext::default()
            }),
            init_containers: Some(containers::init(desired, rack)),
            containers: containers::main(desired, rack),
            volumes: Some(volumes(desired, rack)),
            ..PodSpec::default()
        }),
    }
}

fn volumes(desired: &Desired, rack: &DesiredRack) -> Vec<Volume> {
    let empty = |name: &str| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    let mut volumes = vec![
        empty(CONFIG),
        empty(LOG),
        empty(TMP),
        Volume {
            name: RACK.into(),
            config_map: Some(ConfigMapVolumeSource {
                name: names::stateful_set(&desired.name, &rack.id),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
    ];
    volumes.extend(Transport::of(desired).secrets(desired));
    volumes.extend(encryption::volumes(desired));
    volumes.extend(logins::volume(desired));
    if let Some(name) = &desired.spec.config_map_name {
        volumes.push(Volume {
            name: SCRIPTS.into(),
            config_map: Some(ConfigMapVolumeSource {
                name: name.clone(),
                default_mode: Some(0o555),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        });
    }
    if rack.capacity.is_none() {
        volumes.push(empty(names::DATA_VOLUME));
    }
    // A claim of the user that takes the place of the empty volume may have its name.
    let theirs = &desired.spec.storage_configs;
    volumes.retain(|ours| theirs.iter().all(|storage| storage.name != ours.name));
    volumes
}
