//! Puts the drafts of the data centers of a ring together.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::api::{CassandraCluster, MultiCasskop};
use kube::CustomResourceExt;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    draft::Draft,
    rules,
    schema::{Fault, Schema},
};

/// A manifest for here.
#[derive(Serialize, Clone, Debug)]
#[serde(untagged)]
pub enum Manifest {
    /// A ring in one Kubernetes cluster.
    Cluster(Box<CassandraCluster>),
    /// A ring over several.
    Multi(Box<MultiCasskop>),
}

impl Manifest {
    /// Kind, namespace and name.
    pub fn identity(&self) -> (&'static str, String, String) {
        let (kind, metadata) = match self {
            Self::Cluster(cluster) => ("CassandraCluster", &cluster.metadata),
            Self::Multi(multi) => ("MultiCasskop", &multi.metadata),
        };
        let namespace = metadata.namespace.clone().unwrap_or_default();
        (kind, namespace, metadata.name.clone().unwrap_or_default())
    }
}

/// Fields of a data center that stand in the spec if all data centers have the same.
const COMMON: [&str; 5] = [
    "config",
    "dataCapacity",
    "dataStorageClass",
    "nodesPerRacks",
    "resources",
];

/// The manifest of a ring from the drafts of its data centers.
///
/// # Errors
/// The faults of the manifest.
pub fn of_datacenters(drafts: &[Draft], schema: &Schema) -> Result<Manifest, Vec<Fault>> {
    let (mut metadata, mut specs) = (Map::new(), Vec::new());
    let (mut dcs, mut faults) = (Vec::new(), Vec::new());
    for draft in drafts {
        let mut built = draft.built();
        merge_metadata(&mut metadata, built["metadata"].take(), &mut faults);
        specs.push(built["spec"].take());
        dcs.push((site(draft), built["dc"].take()));
    }
    let mut spec = common(specs, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    for field in COMMON {
        hoist(field, &mut spec, &mut dcs);
    }
    let contexts: BTreeSet<Option<&str>> = drafts.iter().map(context).collect();
    let sites: BTreeSet<Option<String>> = drafts.iter().map(site).collect();
    if sites.len() < contexts.len() {
        let message = "has k8sContexts that differ in characters only that no name of a site has: rename a context";
        return Err(vec![Fault::new("spec.override", message)]);
    }
    if sites.len() > 1 {
        return over_sites(&metadata, &spec, dcs, schema);
    }
    let dcs: Vec<Value> = dcs.into_iter().map(|(_, dc)| dc).collect();
    spec.insert("topology".into(), json!({ "dc": dcs }));
    cluster(&metadata, &spec, schema).map(|cluster| Manifest::Cluster(Box::new(cluster)))
}

/// The manifest of a draft that is whole.
///
/// # Errors
/// The faults of the manifest.
pub fn of_cluster(draft: &Draft, schema: &Schema) -> Result<Manifest, Vec<Fault>> {
    let mut built = draft.built();
    let metadata = built["metadata"].take();
    let spec = match built["spec"].take() {
        Value::Null => Value::Object(Map::new()),
        spec => spec,
    };
    cluster(&metadata, &spec, schema).map(|cluster| Manifest::Cluster(Box::new(cluster)))
}

/// The Kubernetes cluster of a data center; none is that of the operator.
fn context(draft: &Draft) -> Option<&str> {
    let context = draft.facts.get("context")?.as_str()?;
    (!context.is_empty()).then_some(context)
}

/// The name of the site of a data center: contexts have characters that no name of a site has.
fn site(draft: &Draft) -> Option<String> {
    let context = context(draft)?;
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let name: String = context
        .chars()
        .map(|c| if known(c) { c } else { '-' })
        .collect();
    Some(name.trim_start_matches('.').to_owned())
}

/// Adds the metadata of a further data center: none says more than another about the same.
fn merge_metadata(all: &mut Map<String, Value>, more: Value, faults: &mut Vec<Fault>) {
    let Value::Object(more) = more else { return };
    for (field, value) in more {
        if *all.entry(field.clone()).or_insert_with(|| value.clone()) != value {
            faults.push(differs(&format!("metadata.{field}")));
        }
    }
}

/// The fields of a ring that its data centers have in common; the seeds are those of all of them.
fn common(specs: Vec<Value>, faults: &mut Vec<Fault>) -> Map<String, Value> {
    let specs = specs.into_iter().map(|spec| match spec {
        Value::Object(fields) => fields,
        _ => Map::new(),
    });
    let specs: Vec<Map<String, Value>> = specs.collect();
    let names: BTreeSet<&String> = specs.iter().flat_map(Map::keys).collect();
    let mut all = Map::new();
    for name in names {
        let values: Vec<&Value> = specs.iter().filter_map(|spec| spec.get(name)).collect();
        let is_same = values.len() == specs.len() && values.windows(2).all(|two| two[0] == two[1]);
        if name == "seeds" {
            let seeds = values.into_iter().filter_map(Value::as_array).flatten();
            let mut known: Vec<Value> = Vec::new();
            for seed in seeds {
                if !known.contains(seed) {
                    known.push(seed.clone());
                }
            }
            all.insert(name.clone(), known.into());
        } else if let Some(value) = values.first().filter(|_| is_same) {
            all.insert(name.clone(), (*value).clone());
        } else {
            faults.push(differs(&format!("spec.{name}")));
        }
    }
    all
}

fn differs(path: &str) -> Fault {
    Fault::new(
        path,
        "differs between the data centers, which have it in common in one ring",
    )
}

/// Moves a field of all data centers into the spec.
fn hoist(field: &str, spec: &mut Map<String, Value>, dcs: &mut [(Option<String>, Value)]) {
    let Some(value) = dcs.first().and_then(|(_, dc)| dc.get(field)).cloned() else {
        return;
    };
    if dcs.iter().all(|(_, dc)| dc.get(field) == Some(&value)) {
        for (_, dc) in dcs.iter_mut().filter(|(_, dc)| dc.is_object()) {
            if let Value::Object(fields) = dc {
                fields.remove(field);
            }
        }
        spec.insert(field.to_owned(), value);
    }
}

/// A ring over several Kubernetes clusters. Each site is checked as the cluster that it gets.
fn over_sites(
    metadata: &Map<String, Value>,
    spec: &Map<String, Value>,
    dcs: Vec<(Option<String>, Value)>,
    schema: &Schema,
) -> Result<Manifest, Vec<Fault>> {
    let mut sites: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (site, dc) in dcs {
        let Some(site) = site else {
            let message = "has data centers with and without k8sContext: set it in all of them";
            return Err(vec![Fault::new("spec.override", message)]);
        };
        sites.entry(site).or_default().push(dc);
    }
    let mut base = Map::new();
    let mut overrides = Map::new();
    for (site, dcs) in sites {
        let mut own = spec.clone();
        own.insert("topology".into(), json!({ "dc": dcs }));
        base = normal(&cluster(metadata, &own, schema)?);
        let topology = base.remove("topology");
        overrides.insert(site, json!({ "spec": { "topology": topology } }));
    }
    let multi = json!({
        "apiVersion": api_version(),
        "kind": "MultiCasskop",
        "metadata": metadata,
        "spec": {
            "base": { "metadata": { "name": metadata.get("name") }, "spec": base },
            "override": overrides,
        },
    });
    typed(multi).map(|multi| Manifest::Multi(Box::new(multi)))
}

/// The spec of a cluster as JSON.
fn normal(cluster: &CassandraCluster) -> Map<String, Value> {
    match serde_json::to_value(&cluster.spec) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn api_version() -> String {
    CassandraCluster::api_resource().api_version
}

fn cluster(
    metadata: &impl Serialize,
    spec: &impl Serialize,
    schema: &Schema,
) -> Result<CassandraCluster, Vec<Fault>> {
    let mut object = json!({
        "apiVersion": api_version(),
        "kind": "CassandraCluster",
        "metadata": metadata,
        "spec": spec,
    });
    quantities(&mut object, false);
    let faults = schema.faults(&object);
    if !faults.is_empty() {
        return Err(faults);
    }
    let cluster: CassandraCluster = typed(object)?;
    let faults = rules::faults(&cluster);
    if faults.is_empty() {
        Ok(cluster)
    } else {
        Err(faults)
    }
}

/// The reason is not repeated: it may quote a value.
fn typed<T: serde::de::DeserializeOwned>(object: Value) -> Result<T, Vec<Fault>> {
    serde_json::from_value(object).map_err(|_| {
        vec![Fault::new(
            "spec",
            "has a value of another type than its field",
        )]
    })
}

/// Quantities may be numbers in YAML, and are text in the API.
fn quantities(value: &mut Value, is_quantity: bool) {
    match value {
        Value::Number(number) if is_quantity => *value = number.to_string().into(),
        Value::Object(fields) => {
            for (key, value) in fields {
                let names = ["limits", "requests"];
                let is_amount = key == "dataCapacity" || (is_quantity && !value.is_object());
                quantities(value, names.contains(&key.as_str()) || is_amount);
            }
        }
        Value::Array(items) => {
            for item in items {
                quantities(item, false);
            }
        }
        _ => {}
    }
}
