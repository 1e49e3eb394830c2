//! The modules of the program import each other in one direction only.

#[path = "../../testing/layers.rs"]
mod layers;

use std::path::Path;

/// From the ground up; the modules of one line do not know each other. `credentials` is as high as it is for its tests.
const LAYERS: [&[&str]; 10] = [
    &["clock", "error", "retention"],
    &["http", "pace", "place"],
    &["files"],
    &["bucket", "marker", "snapshot"],
    &[
        "announcement",
        "download",
        "manifests",
        "objects",
        "testing",
        "upload",
    ],
    &["credentials", "marks"],
    &["catalogue", "complete", "node", "open", "purge"],
    &["fetch", "verify"],
    &["cli"],
    &["lib", "main", "tests"],
];

#[test]
fn imports_go_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let violations = layers::violations(&src, &LAYERS).unwrap();
    assert!(violations.is_empty(), "{violations:#?}");
}
