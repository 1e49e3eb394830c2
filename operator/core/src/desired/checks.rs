//! Checks of a spec: settings that are refused, and settings that are accepted but not used.

use std::collections::BTreeSet;

use casskop_common::{
    api::CassandraClusterSpec,
    conditions::Reason,
    config::OPERATOR_KEYS,
    image::{self, ImageRef},
    names::RackId,
};
use serde_json::Value;

use crate::{
    desired::{DEFAULT_IMAGE, refused},
    pod_config::{self, environment},
    refusal::Refusal,
    schedules,
};

/// Checks the parts of the configuration that are known before a pod starts.
pub(crate) fn check_config(rack: &RackId, config: &Value) -> Result<(), Refusal> {
    let refuse = |message: String| {
        Err(refused(
            Reason::InvalidConfig,
            format!("config of {rack}: {message}"),
        ))
    };
    match &config["cassandra-yaml"] {
        Value::Null => {}
        Value::Object(yaml) => {
            if let Some(key) = OPERATOR_KEYS.iter().find(|key| yaml.contains_key(**key)) {
                return refuse(format!(
                    "cassandra-yaml.{key} is set by the operator: remove it (seeds outside this Kubernetes cluster go into spec.seeds)"
                ));
            }
        }
        _ => {
            return refuse(
                "cassandra-yaml is not an object: write options of cassandra.yaml below it".into(),
            );
        }
    }
    pod_config::jvm_options::check(config).or_else(refuse)
}

/// Refuses settings that this version does not support.
pub(crate) fn refuse_unsupported(spec: &CassandraClusterSpec) -> Result<(), Refusal> {
    // Clusters of a CRD without the rule, and those of a `MultiCasskop`.
    if spec.platform_assigns_ids == Some(true)
        && (spec.run_as_user.is_some() || spec.fs_group.is_some())
    {
        let message = "platformAssignsIds leaves the ids to the platform: remove runAsUser and fsGroup, or platformAssignsIds";
        return Err(refused(Reason::InvalidConfig, message.into()));
    }
    schedules::check(&spec.schedules)
        .map_err(|message| refused(Reason::InvalidSchedule, message))?;
    let image = spec.cassandra_image.as_deref().unwrap_or(DEFAULT_IMAGE);
    let old = |version: &str| image::release(version).is_some_and(|(major, _)| major < 4);
    let is_named = ImageRef::parse(image).unsupported_release().is_some();
    if is_named || spec.server_version.as_deref().is_some_and(old) {
        let message =
            format!("{image}: Cassandra before 4.0 is not supported: use 4.0, 4.1 or 5.0");
        return Err(refused(Reason::NotSupported, message));
    }
    Ok(())
}

/// Warnings: fields that are accepted for compatibility but not used, and the alternative for each.
pub(crate) fn warnings(spec: &CassandraClusterSpec) -> Vec<String> {
    let backup = spec
        .back_rest_sidecar
        .as_ref()
        .is_some_and(|sidecar| sidecar.enabled != Some(false));
    let notes = [
        (
            spec.config_builder_image.is_some(),
            "configBuilderImage is not used: the operator merges the configuration itself; remove the field",
        ),
        (
            backup,
            "backRestSidecar is not used: backups need no sidecar; declare a store in backup.stores, and remove the field",
        ),
        (
            spec.unlock_next_operation == Some(true),
            "unlockNextOperation is not used: a corrected spec needs no unlocking; remove the field",
        ),
        (
            spec.no_check_sts_are_equal == Some(true),
            "noCheckStsAreEqual is not used: the operator compares what it applied; remove the field",
        ),
        (
            spec.jmx_configuration.is_some()
                && spec
                    .env_vars
                    .iter()
                    .any(|variable| variable.name == "JVM_OPTS"),
            "jmxConfiguration is not used beside JVM_OPTS in envVars: write all options in one of them",
        ),
        (
            spec.server_version.is_some(),
            "serverVersion is not used: the nodes report the version of the image; remove the field",
        ),
        (
            spec.data_capacity.is_none()
                && spec
                    .topology
                    .iter()
                    .flat_map(|t| &t.dc)
                    .all(|dc| dc.data_capacity.is_none()),
            "dataCapacity is not set: nodes have no volume, and their data is lost with the pod",
        ),
    ];
    let notes = notes
        .into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, note)| note.to_owned());
    notes
        .chain(environment::unused(&spec.env_vars))
        .chain(environment::doubtful(&spec.env_vars))
        .chain(unused_config(spec))
        .collect()
}

/// Sections and keys of the configuration that are not used.
fn unused_config(spec: &CassandraClusterSpec) -> BTreeSet<String> {
    let dcs = spec.topology.iter().flat_map(|topology| &topology.dc);
    let of_dcs = dcs.map(|dc| dc.config.as_ref());
    let of_racks = spec.written_racks().map(|(_, rack)| rack.config.as_ref());
    let configs = std::iter::once(spec.config.as_ref())
        .chain(of_dcs)
        .chain(of_racks)
        .flatten();
    let is_known = |key: &str| {
        key == "cassandra-yaml"
            || pod_config::SECTIONS
                .iter()
                .any(|(section, _)| *section == key)
    };
    let mut notes = BTreeSet::new();
    for config in configs {
        let sections = config
            .as_object()
            .into_iter()
            .flat_map(|config| config.keys());
        notes.extend(sections.filter(|key| !is_known(key)).map(|key| {
            format!("config.{key} is not known and not used: cassandra-yaml, jvm-options and jvm-server-options are")
        }));
        let unused = pod_config::jvm_options::unused(config);
        notes.extend(unused.map(|(section, key, why)| {
            format!("config.{section}.{key} is not used: {why}; remove the key")
        }));
    }
    notes
}
