//! The data centers of a `K8ssandraCluster`: what the ring sets holds for each one that does not override it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{RING, dc_rows, finish};
use crate::model::migrate::{
    datacenter::{self, Options},
    draft::Draft,
    fields::{Field, field, set, worst},
    metadata,
    path::{self, Leaf, Part, Path, leaves},
    schema::Schema,
    table::{Judged, Table, Verdict},
};

/// The data centers of a `K8ssandraCluster`. A setting of the ring is judged for each data center that does not override it.
pub fn judge(
    object: &Value,
    schema: &Schema,
    options: &Options,
    fields: &mut Vec<Field>,
) -> Vec<Draft> {
    let of_ring = Table::new(metadata::ROWS.into_iter().chain(RING));
    let of_dc = Table::new(dc_rows());
    let mut found: BTreeMap<Path, Field> = BTreeMap::new();
    let mut drafts = Vec::new();
    let all = leaves(object);
    let count = count(object);
    if count > MOST {
        let verdict = Verdict::refused(
            format!("{count} data centers are more than the {MOST} that are judged"),
            "check the manifest in parts",
        );
        for leaf in &all {
            let judged = Judged {
                verdict: Verdict::ignored("the manifest is not judged"),
                parts: leaf.path.0.len(),
            };
            fields.push(field(&leaf.path, &judged));
        }
        set(fields, "spec.cassandra.datacenters", verdict);
        return drafts;
    }
    for dc in 0..count.max(1) {
        let mut draft = Draft::default();
        draft
            .facts
            .insert(datacenter::RUNS, datacenter::runs(object));
        let is_of_dc = |path: &Path| !of_ring.covers(path);
        for leaf in &all {
            let is_elsewhere = dc_of(&leaf.path).is_some()
                || (is_of_dc(&leaf.path) && leaf.path.to_string().starts_with("spec.cassandra."));
            if !is_elsewhere {
                let judged = of_ring.judge(leaf, &mut draft, schema);
                worst(&mut found, &leaf.path, field(&leaf.path, &judged));
            }
        }
        for own in effective(&all, dc, is_of_dc) {
            let mut judged = of_dc.judge(&own.leaf, &mut draft, schema);
            let is_unknown = matches!(judged.verdict, Verdict::Unknown { .. });
            if is_unknown && dc_of(&own.whole).is_none() && !of_dc.covers(&own.leaf.path) {
                judged.verdict = of_ring.unknown(&own.whole);
            }
            judged.parts += own.whole.0.len() - own.leaf.path.0.len();
            worst(&mut found, &own.whole, field(&own.whole, &judged));
        }
        for (path, verdict) in between(&all, dc, is_of_dc) {
            let judged = Judged {
                verdict,
                parts: path.0.len(),
            };
            worst(&mut found, &path, field(&path, &judged));
        }
        finish(&mut draft);
        if count > 0 {
            for (path, verdict) in datacenter::finish(&mut draft, options) {
                late(&mut found, dc, path, verdict);
            }
            drafts.push(draft);
        }
    }
    for leaf in &all {
        let overridden = || Field {
            path: leaf.path.to_string(),
            group: leaf.path.pattern(),
            verdict: Verdict::ignored("every data center overrides it"),
        };
        let field = found.remove(&leaf.path).unwrap_or_else(overridden);
        fields.push(field);
    }
    fields.extend(found.into_values());
    if count == 0 {
        let verdict = Verdict::refused("it is missing", "name the data centers");
        set(fields, "spec.cassandra.datacenters", verdict);
    }
    drafts
}

/// A verdict that follows from several fields of a data center: about its own field, or about that of the ring.
fn late(found: &mut BTreeMap<Path, Field>, dc: usize, path: &str, verdict: Verdict) {
    let own = format!("spec.cassandra.datacenters[{dc}].{path}");
    let ring = format!("spec.cassandra.{path}");
    let places = [own.as_str(), ring.as_str()];
    let known = places.iter().find_map(|place| {
        let mut paths = found.keys();
        paths.find(|path| path.to_string() == **place).cloned()
    });
    let own_fault = known.as_ref().and_then(|path| found.get(path));
    if own_fault.is_some_and(|field| field.verdict.is_in_the_way()) {
        return;
    }
    let whole = known.as_ref().map_or(own.clone(), Path::to_string);
    let key = known.unwrap_or_else(|| Path(vec![path::Part::Key(own)]));
    found.insert(
        key,
        Field {
            path: whole.clone(),
            group: whole,
            verdict,
        },
    );
}

/// A leaf of a data center: where it stands in the manifest, and below the data center.
struct Effective<'a> {
    /// The path in the manifest.
    whole: Path,
    /// The leaf, by its path in the data center.
    leaf: Leaf<'a>,
}

/// The data centers of a manifest.
fn count(manifest: &Value) -> usize {
    let dcs = manifest.pointer("/spec/cassandra/datacenters");
    dcs.and_then(Value::as_array).map_or(0, Vec::len)
}

/// Data centers that are judged at most.
const MOST: usize = 100;
/// Lists that k8ssandra merges item by item: those of the pod, and volumes.
const MERGED: [&str; 4] = [
    "containers",
    "initContainers",
    "extraVolumes",
    "additionalVolumes",
];

/// Verdicts about fields of the ring and of a data center that say something about the same: lists that k8ssandra merges, and
/// empty values, which override nothing.
fn between(all: &[Leaf<'_>], dc: usize, is_of_dc: impl Fn(&Path) -> bool) -> Vec<(Path, Verdict)> {
    let of_ring: Vec<&Leaf<'_>> = all
        .iter()
        .filter(|leaf| is_of_ring(&leaf.path, &is_of_dc))
        .collect();
    let inherited: BTreeSet<String> = of_ring
        .iter()
        .map(|leaf| list(&leaf.path.below(RING_PARTS)))
        .collect();
    let own = all.iter().filter(|leaf| dc_of(&leaf.path) == Some(dc));
    let (empty, set): (Vec<_>, Vec<_>) = own.partition(|leaf| is_empty(leaf.value));
    let set: BTreeSet<String> = set
        .into_iter()
        .map(|leaf| list(&leaf.path.below(DC_PARTS)))
        .collect();
    let is_merged = |name: &str| {
        let first = name.split('.').next().unwrap_or_default();
        MERGED.contains(&first) && set.contains(name)
    };
    let merged = of_ring
        .iter()
        .filter(|leaf| is_merged(&list(&leaf.path.below(RING_PARTS))));
    let merged = merged.map(|leaf| {
        let verdict = Verdict::refused(
            "a data center has the list, too, and k8ssandra merges both",
            "write the whole list into each data center, and none into the ring",
        );
        (leaf.path.clone(), verdict)
    });
    let empty = empty.into_iter().filter(|leaf| {
        let name = list(&leaf.path.below(DC_PARTS));
        inherited.contains(&name) && !set.contains(&name)
    });
    let empty = empty.map(|leaf| {
        let verdict = Verdict::ignored("it is empty, and that of the ring holds");
        (leaf.path.clone(), verdict)
    });
    merged.chain(empty).collect()
}

/// Whether a value overrides nothing in k8ssandra.
fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn is_of_ring(path: &Path, is_of_dc: impl Fn(&Path) -> bool) -> bool {
    path.to_string().starts_with("spec.cassandra.") && dc_of(path).is_none() && is_of_dc(path)
}

/// Number of parts of the path of the ring's own settings.
const RING_PARTS: usize = 2;
/// Number of parts of the path of a data center.
const DC_PARTS: usize = 4;

/// The leaves of a data center, and those of the ring that it does not override. A list overrides a list as a whole.
fn effective<'a>(
    all: &[Leaf<'a>],
    dc: usize,
    is_of_dc: impl Fn(&Path) -> bool,
) -> Vec<Effective<'a>> {
    let own: Vec<Effective<'_>> = all
        .iter()
        .filter(|leaf| dc_of(&leaf.path) == Some(dc))
        .map(|leaf| below(leaf, DC_PARTS))
        .collect();
    let set: BTreeSet<String> = own
        .iter()
        .filter(|own| !is_empty(own.leaf.value))
        .map(|own| list(&own.leaf.path))
        .collect();
    let of_ring = all.iter().filter(|leaf| is_of_ring(&leaf.path, &is_of_dc));
    let inherited = of_ring.map(|leaf| below(leaf, RING_PARTS));
    let inherited: Vec<_> = inherited
        .filter(|leaf| !set.contains(&list(&leaf.leaf.path)))
        .collect();
    let held: BTreeSet<String> = inherited.iter().map(|leaf| list(&leaf.leaf.path)).collect();
    let own = own
        .into_iter()
        .filter(|own| !is_empty(own.leaf.value) || !held.contains(&list(&own.leaf.path)));
    inherited.into_iter().chain(own).collect()
}

fn below<'a>(leaf: &Leaf<'a>, parts: usize) -> Effective<'a> {
    Effective {
        whole: leaf.path.clone(),
        leaf: Leaf {
            path: leaf.path.below(parts),
            value: leaf.value,
        },
    }
}

/// A field as far as the list that it is in.
fn list(path: &Path) -> String {
    let pattern = path.pattern();
    pattern.split('[').next().unwrap_or_default().to_owned()
}

/// The data center that a path is in.
fn dc_of(path: &Path) -> Option<usize> {
    match path.0.as_slice() {
        [
            Part::Key(spec),
            Part::Key(cassandra),
            Part::Key(dcs),
            Part::Item(index, _),
            ..,
        ] if spec == "spec" && cassandra == "cassandra" && dcs == "datacenters" => Some(*index),
        _ => None,
    }
}
