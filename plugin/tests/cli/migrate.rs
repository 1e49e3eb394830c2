//! Manifests of other operators: the report, the manifests, and input that is none.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Output, Stdio},
};

use serde_json::Value;

use crate::run::{binary, file, run_alone, show};

fn manifests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/manifests")
}

/// The output of `migrate check` in the folder of the manifests.
fn output(arguments: &[&str]) -> Output {
    let arguments = [&["migrate", "check"], arguments].concat();
    let mut command = binary(&arguments);
    command.current_dir(manifests()).output().unwrap()
}

fn check(arguments: &[&str]) -> String {
    let shown = show(
        &[&["migrate", "check"], arguments].concat(),
        &output(arguments),
        &[],
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    shown
}

macro_rules! shows {
    ($name:ident, $($argument:literal),*) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(check(&[$($argument),*]));
        }
    };
}

shows!(fields_in_the_way, "dc1.yaml");
shows!(a_data_center_that_is_taken_over, "dc1-corrected.yaml");
shows!(
    a_second_data_center_of_the_ring,
    "dc1-corrected.yaml",
    "--rename-dc",
    "dc1=dc2",
    "--seed",
    "orders-seed-service"
);
shows!(
    a_data_center_with_all_that_can_be_taken_over,
    "datacenter.yaml"
);
shows!(a_ring_of_the_go_casskop, "go-v2.yaml");
shows!(backups_of_the_go_casskop, "go-backup.yaml");
shows!(a_ring_over_two_kubernetes_clusters, "k8ssandra.yaml");

/// Data goes to stdout only when nothing is in the way, so that it can be piped.
#[test]
fn nothing_is_printed_while_a_field_is_in_the_way() {
    let refused = output(&["dc1.yaml"]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    let printed = output(&["dc1-corrected.yaml"]);
    assert_eq!(printed.status.code(), Some(0));
    let manifest: Value =
        serde_saphyr::from_str(&String::from_utf8(printed.stdout).unwrap()).unwrap();
    assert_eq!(manifest["kind"], "CassandraCluster");
}

#[test]
fn the_manifest_on_stdin() {
    let mut child = binary(&["migrate", "check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = fs::read(manifests().join("dc1-corrected.yaml")).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let read = child.wait_with_output().unwrap();
    assert_eq!(read.stdout, output(&["dc1-corrected.yaml"]).stdout);
}

#[test]
fn data_for_programs() {
    for (file, code, manifests) in [
        ("dc1.yaml", 1, 0),
        ("go-v2.yaml", 0, 1),
        ("k8ssandra.yaml", 0, 1),
    ] {
        let json = output(&[file, "-o", "json"]);
        assert_eq!(json.status.code(), Some(code));
        let read: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(read["manifests"].as_array().unwrap().len(), manifests);
        let fields = read["documents"][0]["fields"].as_array().unwrap();
        assert!(
            fields
                .iter()
                .all(|field| field["path"].is_string() && field["verdict"].is_string())
        );
        let yaml = output(&[file, "-o", "yaml"]);
        let same: Value = serde_saphyr::from_str(&String::from_utf8(yaml.stdout).unwrap()).unwrap();
        assert_eq!(same, read);
    }
}

#[test]
fn input_that_is_none() {
    let shown = [
        &["nowhere.yaml"][..],
        &["."],
        &["dc1.yaml", "--rename-dc", "dc9=dc2"],
        &["dc1.yaml", "--rename-dc", "dc1=dc-2"],
        &["dc1.yaml", "--seed", "10.0.0.1 10.0.0.2"],
        &[],
    ]
    .map(check);
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn files_without_a_manifest() {
    let large = " ".repeat(17 * 1024 * 1024);
    let shown = [
        "",
        "a: [",
        "kind: Pod\napiVersion: v1\n",
        "\u{1b}[2J: {}",
        &large,
    ]
    .map(|text| {
        let path = file(text).display().to_string();
        run_alone(&["migrate", "check", &path], &[]).replace(&path, "FILE")
    });
    insta::assert_snapshot!(shown.join("\n"));
    let path = file("");
    fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    let path = path.display().to_string();
    let shown = run_alone(&["migrate", "check", &path], &[]);
    assert!(shown.contains("is not text (UTF-8)"), "{shown}");
}
