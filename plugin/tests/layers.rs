//! The folders of the plugin import each other in one direction only.

#[path = "../../testing/layers.rs"]
mod layers;

use std::{fs, path::Path};

/// From the first that others build on to the last; the modules of one line do not know each other.
const LAYERS: [&[&str]; 7] = [
    &["completer", "error", "text", "time"],
    &["model", "runtime", "terminal"],
    &["client", "view"],
    &["dashboard"],
    &["commands"],
    &["complete"],
    &["main"],
];

#[test]
fn imports_go_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let violations = layers::violations(&src, &LAYERS).unwrap();
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn an_import_against_the_order_is_found() {
    let src = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layers");
    let _ = fs::remove_dir_all(&src);
    fs::create_dir_all(src.join("low/deep")).unwrap();
    for (file, text) in [
        ("high.rs", "use crate::{low::{a, b}, beside};\n"),
        (
            "low.rs",
            "use super::high::a;\n\n#[cfg(test)]\nmod tests {\n    use super::high;\n}\n",
        ),
        (
            "low/deep.rs",
            "use super::high;\n// crate::high is a comment.\nfn f() -> super::super::high::A {\n    crate::high::f()\n}\n",
        ),
        (
            "low/deep/x.rs",
            "use crate::{\n    low::a,\n    high::{self, b},\n};\n",
        ),
        ("beside.rs", "use crate::high;\n"),
        ("new.rs", ""),
    ] {
        fs::write(src.join(file), text).unwrap();
    }
    let violations = layers::violations(&src, &[&["low"], &["beside", "high"]]).unwrap();
    assert_eq!(
        violations,
        [
            "beside imports high",
            "high imports beside",
            "low imports high",
            "low/deep imports high",
            "low/deep/x imports high",
            "new: new is in no layer",
        ]
    );
}
