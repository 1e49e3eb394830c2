//! The Cassandra pods of a rack.
//!
//! Three steps: the Cassandra image copies its own `/etc/cassandra` into a shared volume, our image lays the
//! configuration over it, Cassandra starts with it. Works with the stock image, whatever its version.

mod containers;
mod placement;

use std::collections::BTreeMap;

use casskop_common::names;
use k8s_openapi::{
    api::core::v1::{
        ConfigMapVolumeSource, EmptyDirVolumeSource, LocalObjectReference, PodSecurityContext,
        PodSpec, PodTemplateSpec, SeccompProfile, SecretVolumeSource, Volume,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::desired::{Desired, DesiredRack};

/// User and group of Cassandra in the official image.
const CASSANDRA_ID: i64 = 999;
/// A node drains and flushes when it is told to end; big memtables take their time.
const GRACE_SECONDS: i64 = 1800;

/// The shared configuration folder.
const CONFIG: &str = "bootstrap";
/// What the operator decided for the rack.
const RACK: &str = "rack";
/// The Jolokia Secret.
const JOLOKIA: &str = "jolokia";
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
    // Configuration reaches a pod when it starts: a change of it must make new pods.
    pod.annotations
        .insert(names::INPUTS_DIGEST.to_owned(), digest);
    let user = spec.run_as_user.unwrap_or(CASSANDRA_ID);
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
            affinity: Some(placement::affinity(desired, rack)),
            security_context: Some(PodSecurityContext {
                run_as_user: Some(user),
                run_as_group: Some(user),
                run_as_non_root: Some(true),
                fs_group: Some(spec.fs_group.unwrap_or(CASSANDRA_ID)),
                // Large volumes: change the owner of the files only where the folder's is wrong.
                fs_group_change_policy: Some("OnRootMismatch".into()),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".into(),
                    ..SeccompProfile::default()
                }),
                ..PodSecurityContext::default()
            }),
            init_containers: Some(containers::init(desired)),
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
        empty("log"),
        empty("tmp"),
        Volume {
            name: RACK.into(),
            config_map: Some(ConfigMapVolumeSource {
                name: names::stateful_set(&desired.name, &rack.id),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        Volume {
            name: JOLOKIA.into(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(desired.jolokia_secret.clone()),
                default_mode: Some(0o440),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        },
    ];
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
    volumes
}
