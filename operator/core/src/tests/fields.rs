//! No field is silently ignored: each shows in an object, or the status says what it does not do; and each stands in the
//! guide for those who come from the Go `CassKop`.

mod effects;

use std::collections::BTreeSet;

use casskop_common::api::CassandraCluster;
use kube_core::CustomResourceExt;
use serde_json::{Value, json};

use crate::simulation::{THREE_RACKS, World};
use effects::{SEEN_LATER, seen_at_once};

const GUIDE: &str = include_str!("../../../../docs/from-go-casskop.md");

/// A ring with the least of everything that has fields below it.
fn least() -> Value {
    let mut cluster = serde_json::to_value(World::new(THREE_RACKS).cluster).expect("JSON");
    cluster["spec"]["topology"] =
        json!({ "dc": [{ "name": "dc1", "rack": [{ "name": "rack1" }] }] });
    cluster
}

/// Sets a field, in lists that of the first element.
fn set(spec: &mut Value, path: &str, value: Value) {
    let mut at = spec;
    for part in path.split('.') {
        at = match part.strip_suffix("[]") {
            Some(list) => {
                if at[list].is_null() {
                    at[list] = json!([{ "name": "more", "mountPath": "/more", "pvcSpec": {} }]);
                }
                &mut at[list][0]
            }
            None => &mut at[part],
        };
    }
    *at = value;
}

/// The outcome: the objects of the first pass, and the report.
fn outcome(cluster: Value) -> String {
    let mut world = World::new(THREE_RACKS);
    world.cluster = serde_json::from_value(cluster).expect("the field is known");
    let objects = serde_json::to_string(&world.plan().objects).expect("JSON");
    world.pass();
    objects + &world.condition("SpecAccepted")
}

#[test]
fn every_field_shows_its_effect_or_is_told() {
    let before = outcome(least());
    let count = |text: &str, seen: &str| text.matches(seen).count();
    for (path, value, seen) in seen_at_once() {
        let mut cluster = least();
        set(&mut cluster["spec"], path, value);
        let after = outcome(cluster);
        assert!(
            count(&after, seen) > count(&before, seen),
            "{path}: {after}"
        );
    }
}

/// Fields whose own fields are those of Kubernetes, or explained elsewhere.
const WHOLE: [&str; 12] = [
    "resources",
    "envVars",
    "sidecarConfigs",
    "pvcSpec",
    "tolerations",
    "volumeMount",
    "blockedBy",
    "conditions",
    "intentErrors",
    "operations",
    "operationHistory",
    "replication",
];

/// Paths of all fields of a part of the resource.
fn fields(part: &str) -> BTreeSet<String> {
    fn walk(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
        let (below, mark) = [
            (&schema["items"], "[]"),
            (&schema["additionalProperties"], ".*"),
            (schema, ""),
        ]
        .into_iter()
        .find(|(below, _)| below["properties"].is_object())
        .unwrap_or((&Value::Null, ""));
        let name = path.rsplit('.').next().unwrap_or_default();
        let Some(properties) = below["properties"]
            .as_object()
            .filter(|_| !WHOLE.contains(&name))
        else {
            found.insert(path.to_owned());
            return;
        };
        for (name, schema) in properties {
            let join = if path.is_empty() { "" } else { "." };
            walk(schema, &format!("{path}{mark}{join}{name}"), found);
        }
    }
    let crd = serde_json::to_value(CassandraCluster::crd()).expect("JSON");
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part];
    let mut found = BTreeSet::new();
    walk(schema, "", &mut found);
    found
}

#[test]
fn no_field_is_forgotten_here() {
    let tried = seen_at_once();
    let tested: BTreeSet<String> = tried
        .iter()
        .map(|(field, ..)| *field)
        .chain(SEEN_LATER.map(|(field, _)| field))
        .map(str::to_owned)
        .collect();
    assert_eq!(fields("spec"), tested);
}

/// Names in the first column of the tables below a heading of the guide.
fn in_the_guide(heading: &str) -> BTreeSet<String> {
    let section = GUIDE.split("\n## ").find(|part| part.starts_with(heading));
    let rows = section.expect("the heading is there").lines();
    let first = rows.filter_map(|row| row.strip_prefix("| ")?.split(" | ").next());
    let names = first.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

/// Fields of the Go `CassKop`'s status that no program reads from a ring that runs.
const LEFT_OUT: [&str; 3] = [
    "cassandraRackStatus.*.cassandraLastAction.updatedNodes",
    "cassandraRackStatus.*.podLastOperation.operatorName",
    "cassandraRackStatus.*.statefulSetSnapshotBeforeStorageResize",
];

#[test]
fn every_field_stands_in_the_guide() {
    assert_eq!(in_the_guide("Fields of the spec"), fields("spec"));
    let mut status = fields("status");
    status.extend(LEFT_OUT.map(str::to_owned));
    assert_eq!(in_the_guide("Fields of the status"), status);
}
