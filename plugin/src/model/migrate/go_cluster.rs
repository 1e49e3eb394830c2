//! `CassandraCluster` of the Go `CassKop`, `db.orange.com/v1alpha1` and `v2`: fields that are not here are the same.

use casskop_common::image::{self, ImageRef};
use serde_json::Value;

use super::{
    datacenter::{Options, why},
    draft::{Draft, Place},
    path::Leaf,
    table::{Row, Rule, Verdict, word},
};

const OF_OPERATOR: &str = "the operator prepares the pods itself";
const TOO_OLD: &str = "Cassandra before 4.0 is not supported";
const UPGRADE: &str =
    "upgrade the ring to 4.0 or later under the operator that runs it, then migrate";

/// The rows.
pub const ROWS: [Row; 24] = [
    ("apiVersion", Rule::Value(version)),
    ("kind", Rule::Value(|_, _| Verdict::Supported)),
    ("metadata.name", Rule::Same("metadata.name")),
    ("metadata.annotations", Rule::Own(annotation)),
    ("spec", Rule::Same("spec")),
    ("spec.config", Rule::Config("spec.config")),
    (
        "spec.topology.dc[].config",
        Rule::Config("spec.topology.dc[].config"),
    ),
    (
        "spec.topology.dc[].rack[].config",
        Rule::Config("spec.topology.dc[].rack[].config"),
    ),
    (
        "spec.topology.dc[].numTokens",
        Rule::By("spec.topology.dc[].config.cassandra-yaml.num_tokens"),
    ),
    ("spec.cassandraImage", Rule::Value(cassandra_image)),
    ("spec.baseImage", Rule::Value(base_image)),
    ("spec.version", Rule::Value(image_version)),
    ("spec.bootstrapImage", Rule::Value(bootstrap_image)),
    (
        "spec.configBuilderImage",
        Rule::Ignored("the operator merges the configuration itself"),
    ),
    ("spec.initContainerImage", Rule::Ignored(OF_OPERATOR)),
    ("spec.initContainerCmd", Rule::Ignored(OF_OPERATOR)),
    ("spec.configMapName", Rule::Value(config_map)),
    (
        "spec.backRestSidecar",
        Rule::Ignored("backups need no sidecar: declare a store in spec.backup.stores"),
    ),
    (
        "spec.gcStdout",
        Rule::Ignored("the log of the garbage collector is in /var/log/cassandra"),
    ),
    (
        "spec.noCheckStsAreEqual",
        Rule::Ignored("the operator compares what it applied"),
    ),
    (
        "spec.unlockNextOperation",
        Rule::Ignored("a corrected spec needs no unlocking"),
    ),
    ("spec.serverVersion", Rule::Value(server_version)),
    ("spec.serverType", Rule::Value(server_type)),
    (
        "spec.topology.dc[].rack[].rollingRestart",
        Rule::Value(restart),
    ),
];

fn version(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let version = word(leaf.value);
    draft.facts.insert("apiVersion", leaf.value.clone());
    if version.ends_with("/v2") {
        Verdict::Supported
    } else {
        Verdict::by(why::API_VERSION)
    }
}

fn annotation(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    if leaf.path.last_key() == "cassandraclusters.db.orange.com/last-applied-configuration" {
        return Verdict::ignored("the Go CassKop wrote it");
    }
    super::metadata::annotation(leaf, draft)
}

fn kept(field: &'static str, leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    draft.written(
        Place::of("spec").key(field),
        leaf.value.clone(),
        Verdict::Supported,
    )
}

fn cassandra_image(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let image = word(leaf.value);
    if ImageRef::parse(&image).unsupported_release().is_some() {
        return Verdict::refused(TOO_OLD, UPGRADE);
    }
    kept("cassandraImage", leaf, draft)
}

fn base_image(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    draft.facts.insert("baseImage", leaf.value.clone());
    Verdict::by("cassandraImage")
}

fn image_version(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    if is_too_old(leaf.value) {
        return Verdict::refused(TOO_OLD, UPGRADE);
    }
    draft.facts.insert("version", leaf.value.clone());
    Verdict::by("cassandraImage")
}

fn is_too_old(version: &Value) -> bool {
    image::release(&word(version)).is_some_and(|(major, _)| major < 4)
}

fn bootstrap_image(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let image = word(leaf.value);
    let of_go = ["casskop-bootstrap", "cassandra-bootstrap"];
    if of_go.iter().any(|name| image.contains(name)) {
        return Verdict::ignored(OF_OPERATOR);
    }
    kept("bootstrapImage", leaf, draft)
}

fn config_map(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    if draft
        .facts
        .get("apiVersion")
        .is_some_and(|version| word(version).ends_with("v1alpha1"))
    {
        draft.notes.push("only pre_run.sh and post_run.sh of the ConfigMap are run: options of a cassandra.yaml in it go into spec.config".into());
    }
    kept("configMapName", leaf, draft)
}

fn server_version(leaf: &Leaf<'_>, _: &mut Draft) -> Verdict {
    if is_too_old(leaf.value) {
        return Verdict::refused(TOO_OLD, UPGRADE);
    }
    Verdict::ignored("the image determines the version")
}

fn server_type(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    match word(leaf.value).as_str() {
        "cassandra" => kept("serverType", leaf, draft),
        "" => Verdict::ignored("it asks for nothing"),
        _ => Verdict::refused(
            "only Apache Cassandra is supported",
            "stay with the operator that runs it",
        ),
    }
}

/// The Go `CassKop` takes the field back when it has restarted the rack.
fn restart(leaf: &Leaf<'_>, _: &mut Draft) -> Verdict {
    if leaf.value == &Value::Bool(true) {
        return Verdict::ignored(
            "pods are restarted on request: kubectl casskop restart CLUSTER --rack RACK",
        );
    }
    Verdict::ignored("it asks for nothing")
}

/// The consequences of several fields, or of a missing one.
pub fn finish(draft: &mut Draft, options: &Options) {
    options.add_seeds(draft);
    let text = |draft: &Draft, fact| draft.facts.get(fact).map(word).unwrap_or_default();
    let (base, tag) = (text(draft, "baseImage"), text(draft, "version"));
    if !base.is_empty() {
        let image = if tag.is_empty() {
            base
        } else {
            format!("{base}:{tag}")
        };
        draft.put_default("spec.cassandraImage", image);
    }
    if draft.get("spec.cassandraImage").is_none() {
        draft.notes.push("cassandraImage is not set: the Go CassKop runs cassandra:3.11.10 then, and this operator cassandra:5.0; set the image that the ring runs".into());
    }
    if text(draft, "apiVersion").ends_with("v1alpha1") {
        draft.put_default("spec.config.cassandra-yaml.num_tokens", 256);
        draft.notes.push("num_tokens is 256 where numTokens is not set, as in v1alpha1: a node does not start with another number than before".into());
    }
}
