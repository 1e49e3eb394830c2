//! Changes of racks that are refused because they are not safe.

use std::collections::BTreeSet;

use casskop_common::{
    conditions::Reason,
    image::{self, ImageRef},
    names, quantity, text,
};
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::EnvVar};
use kube_core::ResourceExt;

use crate::{
    desired::{Desired, accepted},
    objects::{config_map, stateful_set},
    observed::ObservedState,
    pod_config::environment,
    refusal::Refusal,
    rollout::rack_diff::RackDiff,
};

/// Refuses changes that are irreversible or unsafe; running pods keep running.
pub(crate) fn refuse_irreversible(
    diffs: &[RackDiff<'_>],
    desired: &Desired,
    state: &ObservedState,
) -> Result<(), Refusal> {
    refuse_downgrade(desired, state)?;
    refuse_missing_racks(desired, state)?;
    refuse_variables(diffs, desired, state)?;
    for diff in diffs {
        let Some(set) = diff.live else { continue };
        let wanted = stateful_set::build(desired, diff.wanted, diff.live_replicas());
        let (wanted, live) = (claims(&wanted), claims(set));
        let same = wanted.len() == live.len()
            && wanted
                .iter()
                .zip(&live)
                .all(|(wanted, live)| wanted.may_follow(live));
        if !same {
            let words = |claims: &[Claim]| match claims {
                [] => "no volume".to_owned(),
                claims => claims
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            return Err(Refusal {
                reason: Reason::VolumeChanged,
                message: format!(
                    "the nodes of rack {} have {} and the spec requires {}; volumes can only grow: restore dataCapacity, dataStorageClass and storageConfigs",
                    diff.wanted.id,
                    words(&live),
                    words(&wanted)
                ),
            });
        }
    }
    Ok(())
}

/// Refuses environment variables with which Cassandra does not start, before a pod has them. Each check is left out if the
/// pods have the variables that it reads, or an earlier version has accepted them.
fn refuse_variables(
    diffs: &[RackDiff<'_>],
    desired: &Desired,
    state: &ObservedState,
) -> Result<(), Refusal> {
    if desired.instead_of.is_some() {
        return Ok(());
    }
    let variables = &desired.spec.env_vars;
    let live: Vec<&StatefulSet> = diffs.iter().filter_map(|diff| diff.live).collect();
    // A StatefulSet may be missing while it is created again.
    let accepted = accepted::read(&state.live.config_maps, &state.cluster);
    let is_in_force = |names: &[&str]| {
        let is_equal = |other: &[EnvVar]| environment::are_equal(names, variables, other);
        let is_live = !live.is_empty() && live.iter().all(|set| is_equal(live_variables(set)));
        let accepted = accepted.as_ref();
        is_live || accepted.is_some_and(|accepted| is_equal(&accepted.spec.env_vars))
    };
    let mut found = environment::contradictions(variables).into_iter();
    let new = found.find(|found| !is_in_force(found.variables));
    new.map_or(Ok(()), |found| {
        Err(Refusal {
            reason: Reason::InvalidConfig,
            message: format!("envVars: {}", found.message),
        })
    })
}

/// Variables of the Cassandra container.
fn live_variables(set: &StatefulSet) -> &[EnvVar] {
    let pod = set
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let mut containers = pod.iter().flat_map(|pod| &pod.containers);
    let cassandra = containers.find(|container| container.name == names::CASSANDRA_CONTAINER);
    let variables = cassandra.and_then(|container| container.env.as_deref());
    variables.unwrap_or_default()
}

/// Refuses a spec without the racks of kept volumes, before any rack exists: nodes of other racks would form a second
/// ring beside the one on the volumes. While a rack runs, nodes of other racks join its ring.
fn refuse_missing_racks(desired: &Desired, state: &ObservedState) -> Result<(), Refusal> {
    let live = &state.live;
    let runs = |set: &StatefulSet| set.metadata.deletion_timestamp.is_none();
    let mark = live.config_maps.get(&names::ring_mark(&desired.name));
    let never_formed = mark.is_some_and(|mark| !config_map::is_marked(mark));
    let is_accepted = accepted::read(&live.config_maps, &state.cluster).is_some();
    if never_formed || is_accepted || live.stateful_sets.values().any(runs) {
        return Ok(());
    }
    let racks = desired.racks.iter();
    let wanted: BTreeSet<String> = racks
        .map(|rack| names::stateful_set(&desired.name, &rack.id))
        .collect();
    let is_known = |claim: &str| {
        let pod = claim.strip_prefix(names::DATA_VOLUME)?.strip_prefix('-')?;
        let (set, ordinal) = pod.rsplit_once('-')?;
        let is_ours = set.starts_with(&format!("{}-", desired.name));
        (is_ours && ordinal.parse::<u32>().is_ok()).then(|| wanted.contains(set))
    };
    let volumes = live.volumes.iter().filter(|(_, volume)| !volume.deleting);
    let unknown: Vec<&str> = volumes
        .map(|(name, _)| name.as_str())
        .filter(|name| is_known(name) == Some(false))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Refusal {
        reason: Reason::RackMissing,
        message: format!(
            "the spec does not have the racks of these volumes, which may hold the data of a ring, and other racks would form a second one: {}. Add the data centers and racks of the volumes to topology; if the data is given up, or their nodes have left the ring, delete the volumes",
            text::listed(&unknown)
        ),
    })
}

/// Refuses a downgrade: Cassandra cannot read the data files of a later release, so data written since the upgrade
/// would be lost.
fn refuse_downgrade(desired: &Desired, state: &ObservedState) -> Result<(), Refusal> {
    let image = ImageRef::parse(&desired.image);
    let tag = image.tag;
    let newest = state
        .members()
        .filter_map(|(pod, reading)| Some((image::supported(&reading.version)?, pod)))
        .max();
    let (Some(wanted), Some((runs, pod))) = (image.release(), newest) else {
        return Ok(());
    };
    let waived = state.intents.waived_downgrade.as_deref() == Some(tag);
    if wanted >= runs || waived || has_own_tags(image.repository, state) {
        return Ok(());
    }
    Err(Refusal {
        reason: Reason::Downgrade,
        message: format!(
            "{pod} runs Cassandra {}.{} and cassandraImage is {}: Cassandra does not read the files of a later one. Set the image back, or set the annotation {} to \"{tag} downgrade\" if nothing was written since",
            runs.0,
            runs.1,
            desired.image,
            names::SPEC_WAIVE,
        ),
    })
}

/// Whether the tags of a repository do not name releases of Cassandra: a node of an image of the repository reports
/// another release than its tag names.
fn has_own_tags(repository: &str, state: &ObservedState) -> bool {
    let mut members = state.members();
    members.any(|(pod, reading)| {
        let image = state.pods.get(pod).map(|pod| ImageRef::parse(&pod.image));
        let image = image.filter(|image| image.repository == repository);
        let named = image.and_then(|image| image.release());
        let runs = image::supported(&reading.version);
        named.zip(runs).is_some_and(|(named, runs)| named != runs)
    })
}

/// The immutable fields of a volume claim, and its size.
pub(crate) struct Claim {
    pub(crate) name: String,
    class: Option<String>,
    pub(crate) size: String,
}

impl Claim {
    /// Whether a volume with the claim `before` can become a volume with this claim: the same size, or larger.
    fn may_follow(&self, before: &Self) -> bool {
        let size = |claim: &Self| quantity::parse(&claim.size);
        self.name == before.name && self.class == before.class && size(self) >= size(before)
    }
}

impl PartialEq for Claim {
    /// Sizes are compared as numbers: the API server writes `1024Mi` as `1Gi`.
    fn eq(&self, other: &Self) -> bool {
        self.may_follow(other) && other.may_follow(self)
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let class = self.class.as_deref().unwrap_or("default");
        write!(f, "{} of {} (class {class})", self.name, self.size)
    }
}

/// The volume claims of a StatefulSet.
pub(crate) fn claims(set: &StatefulSet) -> Vec<Claim> {
    let templates = set
        .spec
        .iter()
        .filter_map(|spec| spec.volume_claim_templates.as_ref())
        .flatten();
    templates
        .map(|template| {
            let spec = template.spec.clone().unwrap_or_default();
            let requests = spec.resources.and_then(|resources| resources.requests);
            let size = requests.and_then(|requests| requests.get("storage").cloned());
            Claim {
                name: template.name_any(),
                class: spec.storage_class_name,
                size: size.map(|size| size.0).unwrap_or_default(),
            }
        })
        .collect()
}
