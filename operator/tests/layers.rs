//! The modules of the operator import each other in one direction only.

#[path = "../../testing/layers.rs"]
mod layers;

use std::path::Path;

/// From the ground up; the modules of one line do not know each other.
const LAYERS: [&[&str]; 13] = [
    &["identity", "leadership", "random"],
    &["node_api", "server", "telemetry"],
    &["metrics"],
    &["bootstrap", "kubernetes"],
    &["api_server"],
    &["effects", "leader", "probe"],
    &["executor"],
    &["context"],
    &["cluster"],
    &["run"],
    &["multi"],
    &["cli"],
    &["main"],
];

#[test]
fn imports_go_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let violations = layers::violations(&src, &LAYERS).unwrap();
    assert!(violations.is_empty(), "{violations:#?}");
}
