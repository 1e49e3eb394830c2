//! The modules of the core import each other in one direction only.

#![expect(
    clippy::disallowed_methods,
    reason = "the test reads the sources of the crate"
)]

#[path = "../../../testing/layers.rs"]
mod layers;

use std::path::Path;

/// From the ground up; the modules of one line do not know each other.
const LAYERS: [&[&str]; 13] = [
    &["digest", "lease", "refusal", "testing", "verdict"],
    &["authority", "pod_config", "node", "schedules"],
    &["observed"],
    &["desired"],
    &["objects"],
    &["operations", "users"],
    &["rollout"],
    &["scheduler"],
    &["status"],
    &["plan"],
    &["simulation"],
    &["multi"],
    &["lib", "tests"],
];

#[test]
fn imports_go_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let violations = layers::violations(&src, &LAYERS).unwrap();
    assert!(violations.is_empty(), "{violations:#?}");
}
