//! The crate does no I/O: its manifest names no client, no runtime and no server.

#![expect(
    clippy::disallowed_methods,
    reason = "the test reads the manifest of the crate"
)]

use std::{fs, path::Path};

/// Crates that reach a network, a file or a clock by themselves.
const FORBIDDEN: [&str; 10] = [
    "futures",
    "getrandom",
    "hyper",
    "hyper-util",
    "kube",
    "kube-client",
    "kube-runtime",
    "reqwest",
    "tokio",
    "ureq",
];

/// The dependencies that a manifest declares outside `[dev-dependencies]`.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut table = "";
    let lines = manifest.lines().filter_map(|line| {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']');
            return None;
        }
        let is_normal = table.ends_with("dependencies") && !table.ends_with("dev-dependencies");
        let name = line.split(['.', ' ', '=']).next()?;
        (is_normal && !name.is_empty() && !name.starts_with('#')).then_some(name)
    });
    lines.collect()
}

#[test]
fn the_manifest_names_no_client_and_no_runtime() {
    for folder in ["", "../operator/core"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(folder)
            .join("Cargo.toml");
        let manifest = fs::read_to_string(&path).unwrap();
        let names = dependencies(&manifest);
        assert!(
            names.contains(&"kube-core"),
            "{}: {names:?}",
            path.display()
        );
        let found: Vec<_> = names
            .iter()
            .filter(|name| FORBIDDEN.contains(name))
            .collect();
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
}

#[test]
fn dependencies_of_tests_do_not_count() {
    let manifest = "[package]\nname = \"a\"\n[dependencies]\nserde.workspace = true\nkube = { workspace = true }\n\
        [dev-dependencies]\ntokio = \"1\"\n[target.'cfg(unix)'.dependencies]\nureq.workspace = true\n";
    assert_eq!(dependencies(manifest), ["serde", "kube", "ureq"]);
}
