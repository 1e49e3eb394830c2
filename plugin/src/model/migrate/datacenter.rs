//! The common part of `CassandraDatacenter` and the data centers of a `K8ssandraCluster`: fields that more than one foreign
//! field decides about.

use std::collections::BTreeMap;

use casskop_common::image;
use serde_json::{Value, json};

use super::{
    config,
    draft::{Draft, Place},
    path::{Leaf, Path},
    rules::{is_cluster_name, is_part_of_names, plain},
    table::{Verdict, is_key, word},
};

/// Reasons that both kinds have.
pub mod why {
    /// The version of the manifest here.
    pub const API_VERSION: &str = "db.orange.com/v2";
    /// The kind of the manifest here.
    pub const KIND: &str = "CassandraCluster, or MultiCasskop over several Kubernetes clusters";
    /// Labels of pods and other objects.
    pub const LABELS: &str = "pods have fixed labels: select them by cassandracluster and dc-rack";
    /// Settings of pods without a field here.
    pub const POD: &str = "the operator makes the pods, and has no field for it";
    /// The way that works for them.
    pub const POD_NEXT: &str = "remove it, or have an admission webhook change the pods";
    /// The container that reads the log.
    pub const LOGGER: &str = "Cassandra logs to stdout of its container";
    /// The program that merges the configuration.
    pub const BUILDER: &str = "the operator merges the configuration itself";
    /// Certificates of the Management API.
    pub const CERTIFICATES: &str = "the operator makes the certificates between itself and the nodes; nodeApi.tlsSecretName names others";
    /// Logins of Cassandra.
    pub const ROLES: &str = "roles are in the ring (system_auth): a ring that is joined keeps them, and a new one begins with Cassandra's own; the operator creates none";
    /// Settings of further Services.
    pub const SERVICES: &str = "a cluster has one Service, <cluster>";
    /// Encryption by keystores.
    pub const KEYSTORES: &str = "keystores are not mounted into the pods";
    /// The way that works for it.
    pub const KEYSTORES_NEXT: &str = "remove it, and set tls.internode and tls.client in the printed manifest (certificates in PEM)";
    /// A restart that the spec asks for.
    pub const RESTART: &str = "pods are restarted on request: kubectl casskop restart CLUSTER";
    /// Settings of DSE.
    pub const DSE: &str = "only Apache Cassandra is supported";
    /// The way that works for it.
    pub const DSE_NEXT: &str = "stay with the operator that runs it";
}

/// Additions of the command line.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Data centers that get another name.
    pub renamed: BTreeMap<String, String>,
    /// Nodes of the ring to join.
    pub seeds: Vec<String>,
}

impl Options {
    /// Adds the seeds to those of the manifest.
    pub fn add_seeds(&self, draft: &mut Draft) {
        for (index, seed) in self.seeds.iter().enumerate() {
            draft.add("spec.seeds", ("--seed", index), seed.clone());
        }
    }
}

/// Verdicts about fields, by their paths, that follow from several of them.
pub type Late = Vec<(&'static str, Verdict)>;

/// Keeps a value for [`finish`].
fn fact(name: &'static str, leaf: &Leaf<'_>, draft: &mut Draft, by: &'static str) -> Verdict {
    if leaf.value.is_object() || leaf.value.is_array() {
        return Verdict::refused("it is not a scalar", "write one value");
    }
    draft.facts.insert(name, leaf.value.clone());
    Verdict::by(by)
}

/// The number of nodes of a data center.
pub fn size(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    fact("size", leaf, draft, "topology.dc[].nodesPerRacks")
}

/// The name of the ring.
pub fn cluster_name(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    fact(
        "clusterName",
        leaf,
        draft,
        "metadata.name and config.cassandra-yaml.cluster_name",
    )
}

/// The name of the object, which is that of the data center unless another one is set.
pub fn resource_name(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    fact("name", leaf, draft, "topology.dc[].name")
}

/// The name of the data center.
pub fn datacenter_name(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    fact("datacenterName", leaf, draft, "topology.dc[].name")
}

/// The image, which has the Management API.
pub fn server_image(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    fact(
        "serverImage",
        leaf,
        draft,
        "cassandraImage and nodeApi.kind",
    )
}

/// The version of Cassandra.
pub fn server_version(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let is_old = |(major, _): (u32, u32)| major < 4;
    if image::release(&word(leaf.value)).is_some_and(is_old) {
        return Verdict::refused(
            "Cassandra before 4.0 is not supported",
            "upgrade the ring to 4.0 or later under the operator that runs it, then migrate",
        );
    }
    fact("serverVersion", leaf, draft, "cassandraImage")
}

/// Whether it is Cassandra.
pub fn server_type(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    if word(leaf.value) != "cassandra" {
        return Verdict::refused(why::DSE, why::DSE_NEXT);
    }
    draft.written(
        Place::of("spec.serverType"),
        "cassandra".into(),
        Verdict::Supported,
    )
}

/// A rack, by the name that its nodes get: no volume is taken over, so it may be another one.
pub fn rack_name(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let name = word(leaf.value);
    let plain = plain(&name);
    if plain.is_empty() {
        return Verdict::refused(
            "it has no letter or digit",
            "name the rack with lower-case letters and digits",
        );
    }
    if plain != name {
        draft.notes.push(format!(
            "rack {name} is called {plain} here: the name is part of the names of pods"
        ));
    }
    put_rack(leaf, "name", plain, draft, "topology.dc[].rack[].name")
}

/// The zone of a rack, which is a label of Kubernetes nodes.
pub fn rack_zone(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let place = rack(leaf).key("labels").key("topology.kubernetes.io/zone");
    draft.written(
        place,
        leaf.value.clone(),
        Verdict::by("topology.dc[].rack[].labels"),
    )
}

fn put_rack(
    leaf: &Leaf<'_>,
    key: &str,
    value: String,
    draft: &mut Draft,
    by: &'static str,
) -> Verdict {
    draft.written(rack(leaf).key(key), value.into(), Verdict::by(by))
}

/// The place of the rack that a field belongs to.
fn rack(leaf: &Leaf<'_>) -> Place {
    let (list, index) = leaf.path.lists().into_iter().next().unwrap_or_default();
    Place::of("dc.rack").item(&list, index)
}

/// Puts together what follows from several fields, and from missing ones.
pub fn finish(draft: &mut Draft, options: &Options) -> Late {
    let mut late = Late::new();
    name_ring(draft, &mut late);
    name_dc(draft, options, &mut late);
    count_nodes(draft, &mut late);
    choose_image(draft, &mut late);
    draft.put_default("spec.hardAntiAffinity", true);
    draft.put_default("spec.autoPilot", true);
    options.add_seeds(draft);
    join(draft, options, &mut late);
    draft.notes.push("connections between nodes and of clients are not encrypted: if they are to be, set tls.internode and tls.client in the printed manifest before it is applied".into());
    if draft.get("dc.dataCapacity").is_none() {
        late.push(("storageConfig", Verdict::refused(
            "cassandraDataVolumeClaimSpec.resources.requests.storage is missing: the nodes would have no volume",
            "set the size of the data volume",
        )));
    }
    late
}

fn text(draft: &Draft, fact: &str) -> String {
    draft.facts.get(fact).map(word).unwrap_or_default()
}

fn missing(next: &'static str) -> Verdict {
    Verdict::refused("it is missing", next)
}

fn name_ring(draft: &mut Draft, late: &mut Late) {
    let ring = text(draft, "clusterName");
    let name: String = ring
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let name = name.trim_matches('-').to_owned();
    if ring.is_empty() {
        late.push(("clusterName", missing("set the name of the ring")));
    } else if !is_cluster_name(&name) {
        late.push(("clusterName", Verdict::refused(
            "no name of a CassandraCluster can be made of it: it begins with a letter",
            "a ring keeps its name: set config.cassandra-yaml.cluster_name by hand in a manifest of another name",
        )));
    } else {
        draft.put_default("metadata.name", name);
        draft.put_default("dc.config.cassandra-yaml.cluster_name", ring);
    }
}

/// The name of the data center of a draft in its own manifest.
pub fn name(draft: &Draft) -> Option<String> {
    let names = ["datacenterName", "name"].map(|fact| text(draft, fact));
    names.into_iter().find(|name| !name.is_empty())
}

fn name_dc(draft: &mut Draft, options: &Options, late: &mut Late) {
    let own = text(draft, "datacenterName");
    let (field, own) = if own.is_empty() {
        ("metadata.name", text(draft, "name"))
    } else {
        ("datacenterName", own)
    };
    let name = options.renamed.get(&own).unwrap_or(&own);
    if own.is_empty() {
        late.push((field, missing("set the name of the data center")));
    } else if is_part_of_names(name) {
        draft.put_default("dc.name", name.clone());
    } else {
        let plain = plain(name);
        late.push((field, Verdict::refused(
            format!("data center {name}: a name has lower-case letters and digits only, because it is part of the names of pods"),
            format!("--rename-dc {own}={plain}; the replication of keyspaces and the settings of clients name the data center"),
        )));
    }
}

/// Nodes without seeds form a ring of their own: never beside a ring of the same name that runs.
fn join(draft: &mut Draft, options: &Options, late: &mut Late) {
    let own = name(draft).unwrap_or_default();
    let next = || {
        format!(
            "--seed with the Service of its seeds and --rename-dc {own}=NEW print a second data center of the ring"
        )
    };
    if !options.seeds.is_empty() && !options.renamed.contains_key(&own) {
        late.push((
            "metadata.name",
            Verdict::refused(
                format!(
                    "the ring that is joined has a data center {own}, which two operators would run"
                ),
                next(),
            ),
        ));
    } else if draft.count(&Place::of("spec.seeds")) == 0 {
        if draft.facts.get(RUNS) == Some(&Value::Bool(true)) {
            late.push((
                "metadata.name",
                Verdict::refused(
                    "the ring runs, and nodes without seeds form another, empty ring of its name",
                    next(),
                ),
            ));
        }
        draft.notes.push("the nodes form a new, empty ring; its superuser is cassandra with the password cassandra if it requires logins: change it before clients connect. A ring that runs is moved with --seed and --rename-dc".into());
    }
}

/// The fact that an object is one of a Kubernetes cluster, and not a manifest that was written.
pub const RUNS: &str = "runs";

/// Whether an object is one of a Kubernetes cluster: the server has given it an id, or an operator a status.
pub fn runs(object: &Value) -> Value {
    let has = |path| object.pointer(path).is_some_and(|value| !value.is_null());
    Value::Bool(has("/metadata/uid") || has("/status"))
}

fn count_nodes(draft: &mut Draft, late: &mut Late) {
    let racks = draft.count(&Place::of("dc.rack"));
    if racks == 0 {
        draft.put_default("dc.rack", json!([{ "name": "default" }]));
    }
    let racks = i64::try_from(racks.max(1)).unwrap_or(i64::MAX);
    let late_size = match draft.facts.get("size").map(Value::as_i64) {
        None => missing("set the number of nodes"),
        Some(Some(size)) if size >= 1 && size % racks == 0 => {
            draft.put_default("dc.nodesPerRacks", size / racks);
            return;
        }
        Some(Some(size)) if size >= 1 => Verdict::refused(
            format!(
                "racks of a data center have the same number of nodes, and {size} nodes are not the same in each of {racks} racks"
            ),
            format!("set it to {}", (size / racks + 1) * racks),
        ),
        Some(_) => Verdict::refused("it is not a number of nodes", "set a whole number from 1"),
    };
    late.push(("size", late_size));
}

fn choose_image(draft: &mut Draft, late: &mut Late) {
    let (image, version) = (text(draft, "serverImage"), text(draft, "serverVersion"));
    if !image.is_empty() {
        draft.put_default("spec.cassandraImage", image);
        draft.put_default("spec.nodeApi.kind", "ManagementApi");
        draft.notes.push("the image of the manifest is kept, with its Management API, which has to be 0.1.125 or later; the official image of Cassandra works as well: remove nodeApi, and set cassandraImage".into());
    } else if version.is_empty() {
        late.push((
            "serverVersion",
            missing("set the version that the ring runs"),
        ));
    } else {
        draft.put_default("spec.cassandraImage", format!("cassandra:{version}"));
    }
}

/// A part of the configuration of a data center, by its path below the configuration.
pub fn config(path: &Path, value: &Value, draft: &mut Draft) -> Verdict {
    let (verdict, place) = config::judge(path, value);
    let is_yaml = is_key(path.0.first(), "cassandra-yaml");
    if is_yaml && config::demands_keystores(&path.below(1), value) {
        return Verdict::refused(why::KEYSTORES, why::KEYSTORES_NEXT);
    }
    if !matches!(verdict, Verdict::Supported | Verdict::Replaced { .. }) {
        return verdict;
    }
    let place = Place::of("dc.config").then(&place, path.lists());
    draft.written(place, value.clone(), verdict)
}
