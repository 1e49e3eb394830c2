//! Changes of racks that are refused because they are not safe.

use casskop_common::{conditions::Reason, names, quantity};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube_core::ResourceExt;

use crate::{
    desired::Desired, objects::stateful_set, observed::ObservedState, refusal::Refusal,
    rollout::rack_diff::RackDiff,
};

/// Refuses changes that are irreversible or unsafe; running pods keep running.
pub(crate) fn refuse_irreversible(
    diffs: &[RackDiff<'_>],
    desired: &Desired,
    state: &ObservedState,
) -> Result<(), Refusal> {
    refuse_downgrade(desired, state)?;
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

/// Refuses a downgrade: Cassandra cannot read the data files of a later release, so data written since the upgrade
/// would be lost.
fn refuse_downgrade(desired: &Desired, state: &ObservedState) -> Result<(), Refusal> {
    let tag = tag(&desired.image);
    let newest = state
        .members()
        .filter_map(|(pod, reading)| Some((release(&reading.version)?, pod)))
        .max();
    let (Some(wanted), Some((runs, pod))) = (release(tag), newest) else {
        return Ok(());
    };
    let waived = state.intents.waived_downgrade.as_deref() == Some(tag);
    if wanted >= runs || waived {
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

/// The tag of an image reference, without a digest after it and without the port of a registry before it.
fn tag(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    let tag = name.rsplit_once(':').map(|(_, tag)| tag);
    tag.filter(|tag| !tag.contains('/')).unwrap_or_default()
}

/// The Cassandra release in a tag or version: the last two numbers with a dot between them that are a release of
/// Cassandra. `5.0.9`, `5.0-jdk17`, `v5.0` and `ubuntu20.04-5.0` all belong to the release 5.0.
fn release(version: &str) -> Option<(u32, u32)> {
    let words = version.split(|c: char| !c.is_ascii_digit() && c != '.');
    let mut releases = words.filter_map(|word| {
        let mut numbers = word.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    releases.rfind(|release| matches!(release, (4, 0 | 1) | (5 | 6, 0..=2)))
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

#[cfg(test)]
mod tests {
    use crate::{rollout::refuse::release, rollout::refuse::tag};

    #[test]
    fn the_release_of_an_image_is_in_its_tag() {
        let of = |image| release(tag(image));
        assert_eq!(of("cassandra:5.0.9"), Some((5, 0)));
        assert_eq!(of("registry:5000/cassandra:4.1-jdk11"), Some((4, 1)));
        assert_eq!(of("cassandra:v4.1"), Some((4, 1)));
        assert_eq!(of("cassandra:jdk11-prod-4.1.2"), Some((4, 1)));
        assert_eq!(of("cassandra:2025.11-5.0"), Some((5, 0)));
        assert_eq!(of("cassandra:ubuntu20.04-4.1"), Some((4, 1)));
        assert_eq!(of("cassandra:alpine3.18-5.0.9"), Some((5, 0)));
        assert_eq!(of("cassandra:5.0.9-jdk11.0.22"), Some((5, 0)));
        assert_eq!(of("cassandra:5.0@sha256:3f5a4.1"), Some((5, 0)));
        assert_eq!(of("registry.4.1:5000/cassandra"), None);
        assert_eq!(of("cassandra@sha256:3f5a"), None);
        assert_eq!(of("cassandra:latest"), None);
        assert_eq!(of("cassandra:5"), None);
    }
}
