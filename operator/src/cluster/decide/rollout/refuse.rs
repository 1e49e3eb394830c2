//! Changes of racks that cannot be carried out safely.

use casskop_common::names;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::ResourceExt;

use super::pair::Pair;
use crate::cluster::{
    build,
    desired::{Desired, Refused, quantity_bytes},
    snapshot::Snapshot,
};

/// What cannot be undone or carried out safely is refused; what runs keeps running.
pub(super) fn refuse_irreversible(
    pairs: &[Pair<'_>],
    desired: &Desired,
    snapshot: &Snapshot,
) -> Result<(), Refused> {
    refuse_downgrade(desired, snapshot)?;
    for pair in pairs {
        let Some(set) = pair.live else { continue };
        let wanted = build::stateful_set::build(desired, pair.wanted, pair.live_replicas());
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
            return Err(Refused {
                reason: "VolumeChanged",
                message: format!(
                    "the nodes of rack {} have {} and the spec asks for {}; volumes can only grow: set dataCapacity, dataStorageClass and storageConfigs back",
                    pair.wanted.id,
                    words(&live),
                    words(&wanted)
                ),
            });
        }
    }
    Ok(())
}

/// Cassandra does not read the files of a later one: a downgrade loses what was written since the upgrade.
fn refuse_downgrade(desired: &Desired, snapshot: &Snapshot) -> Result<(), Refused> {
    let tag = desired.image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let newest = snapshot
        .members()
        .filter_map(|(pod, reading)| Some((release(&reading.version)?, pod)))
        .max();
    let (Some(wanted), Some((runs, pod))) = (release(tag), newest) else {
        return Ok(());
    };
    let waived = snapshot.intents.waived_downgrade.as_deref() == Some(tag);
    if wanted >= runs || waived {
        return Ok(());
    }
    Err(Refused {
        reason: "Downgrade",
        message: format!(
            "{pod} runs Cassandra {}.{} and cassandraImage is {}: Cassandra does not read the files of a later one. Set the image back, or set the annotation {} to \"{tag} downgrade\" if nothing was written since",
            runs.0,
            runs.1,
            desired.image,
            names::SPEC_WAIVE,
        ),
    })
}

/// `5.0.9` and `5.0-jdk17` are both of the release 5.0.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

/// What of a volume claim cannot be changed.
pub(super) struct Claim {
    pub(super) name: String,
    class: Option<String>,
    pub(super) size: String,
}

impl Claim {
    /// Whether a volume of the other kind may become one of this kind: the same one, or larger.
    fn may_follow(&self, before: &Self) -> bool {
        let size = |claim: &Self| quantity_bytes(&claim.size);
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
pub(super) fn claims(set: &StatefulSet) -> Vec<Claim> {
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
    use super::release;

    #[test]
    fn a_release_is_the_first_two_numbers() {
        assert_eq!(release("5.0.9"), Some((5, 0)));
        assert_eq!(release("4.1-jdk11"), Some((4, 1)));
        assert_eq!(release("latest"), None);
        assert_eq!(release("5"), None);
    }
}
