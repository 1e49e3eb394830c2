//! The committed CRDs are those that the Rust types generate.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test compares files of the repository"
)]

use casskop_common::api::{CassandraCluster, MultiCasskop};
use kube_core::CustomResourceExt;
use serde_json::Value;

fn is_committed<K: CustomResourceExt>(file: &str) {
    let generated = serde_saphyr::to_string(&K::crd()).expect("a CRD is YAML");
    let path = format!("{}/../manifests/crds/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_CRDS").is_some() {
        std::fs::write(&path, &generated).expect("manifests/crds is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "manifests/crds/{file} differs from the types; run `make crds` and look at the difference"
    );
}

#[test]
fn committed_crds_are_up_to_date() {
    is_committed::<CassandraCluster>("cassandraclusters.yaml");
    is_committed::<MultiCasskop>("multicasskops.yaml");
}

/// The CRD of the first version, without its descriptions.
const FIRST: &str = include_str!("fixtures/first-crd.json");

/// Fields that are gone, because every version refused a spec that has them: no ring relies on one.
const GONE: [&str; 1] = [".spec.jolokia"];

/// An object that an earlier version stored remains valid and loses nothing: the schema only grows. Objects of the one
/// stored version are converted by nothing.
#[test]
fn the_schema_keeps_what_the_first_version_stored() {
    let first: Value = serde_json::from_str(FIRST).expect("the fixture is JSON");
    let now = serde_json::to_value(CassandraCluster::crd()).expect("a CRD is JSON");
    let [first, now] = [first, now].map(|crd| crd["spec"]["versions"].clone());
    let names = |versions: &Value| {
        let versions = versions.as_array().cloned().unwrap_or_default();
        let of = |version: &Value| (version["name"].clone(), version["storage"].clone());
        versions.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(names(&first), names(&now));
    let schema = |versions: &Value| versions[0]["schema"]["openAPIV3Schema"].clone();
    let mut seen = 0;
    keeps("", &schema(&first), &schema(&now), &mut seen);
    assert!(seen > 300, "{seen} fields");
}

/// A schema accepts all values of an earlier one, field by field.
fn keeps(path: &str, first: &Value, now: &Value, seen: &mut usize) {
    *seen += 1;
    assert_eq!(first["type"], now["type"], "{path}");
    let list = |schema: &Value, key: &str| schema[key].as_array().cloned().unwrap_or_default();
    for field in list(now, "required") {
        assert!(list(first, "required").contains(&field), "{path}: {field}");
    }
    if now["enum"].is_array() {
        assert!(first["enum"].is_array(), "{path}: any value was accepted");
        for word in list(first, "enum") {
            assert!(list(now, "enum").contains(&word), "{path}: {word}");
        }
    }
    for (name, field) in first["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if GONE.contains(&path.as_str()) {
            continue;
        }
        let now = now["properties"].get(name);
        let now = now.unwrap_or_else(|| panic!("{path} is gone"));
        keeps(&path, field, now, seen);
    }
    for inner in ["items", "additionalProperties"] {
        if first[inner].is_object() {
            keeps(&format!("{path}[]"), &first[inner], &now[inner], seen);
        }
    }
}
