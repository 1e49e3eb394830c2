//! Rows for the metadata, which all kinds have.

use super::{
    draft::{Draft, Place},
    path::Leaf,
    table::{Row, Rule, Verdict},
};

const BY_THE_SERVER: &str = "the API server sets it";
/// Beginnings of annotations and labels of the tools that applied a manifest.
const OF_TOOLS: [&str; 5] = [
    "kubectl.kubernetes.io/",
    "meta.helm.sh/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
];

/// Rows of all kinds.
pub const ROWS: [Row; 15] = [
    ("metadata.namespace", Rule::Same("metadata.namespace")),
    ("metadata.labels", Rule::Own(label)),
    ("metadata.annotations", Rule::Own(annotation)),
    (
        "metadata.finalizers",
        Rule::Ignored(
            "the operator here has no finalizer; remove it from the living object before its operator is gone",
        ),
    ),
    (
        "metadata.ownerReferences",
        Rule::Ignored("the owner is not an owner of the new object"),
    ),
    ("metadata.uid", Rule::Ignored(BY_THE_SERVER)),
    ("metadata.resourceVersion", Rule::Ignored(BY_THE_SERVER)),
    ("metadata.generation", Rule::Ignored(BY_THE_SERVER)),
    ("metadata.creationTimestamp", Rule::Ignored(BY_THE_SERVER)),
    ("metadata.deletionTimestamp", Rule::Ignored(BY_THE_SERVER)),
    (
        "metadata.deletionGracePeriodSeconds",
        Rule::Ignored(BY_THE_SERVER),
    ),
    ("metadata.selfLink", Rule::Ignored(BY_THE_SERVER)),
    ("metadata.managedFields", Rule::Ignored(BY_THE_SERVER)),
    ("metadata.generateName", Rule::Ignored(BY_THE_SERVER)),
    (
        "status",
        Rule::Ignored("the operator here observes the ring itself"),
    ),
];

fn label(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    carried("labels", leaf, draft)
}

/// The verdict about an annotation that no operator gives a meaning.
pub fn annotation(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    carried("annotations", leaf, draft)
}

fn carried(map: &str, leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let key = leaf.path.last_key();
    if OF_TOOLS.iter().any(|tool| key.starts_with(tool)) {
        return Verdict::ignored("it belongs to the tool that applied the manifest");
    }
    let Some(text) = leaf.value.as_str().filter(|_| leaf.path.0.len() == 3) else {
        return Verdict::refused("it is not text", "quote the value");
    };
    let place = Place::of("metadata").key(map).key(key);
    draft.written(place, text.into(), Verdict::Supported)
}
