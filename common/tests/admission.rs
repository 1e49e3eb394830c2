//! The committed admission policies and roles have the words of the grammar.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test compares files of the repository"
)]

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

use casskop_common::{
    checks::CheckName,
    operations::{OperationKind, grammar},
};

const BEGIN: &str = "    # ---- words of the grammar: written by `make crds`\n";
const END: &str = "    # ---- end of the words\n";

fn manifest(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../manifests")
        .join(file)
}

/// A list of strings in CEL.
fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("'{word}'")).collect();
    format!("[{}]", words.join(", "))
}

fn words() -> String {
    let grammar = grammar("request");
    let arguments: BTreeMap<&str, String> = grammar
        .get_subcommands()
        .map(|kind| {
            let long = kind.get_arguments().filter_map(clap::Arg::get_long);
            let flags: Vec<String> = long.map(|long| format!("--{long}")).collect();
            (kind.get_name(), list(flags.iter().map(String::as_str)))
        })
        .collect();
    let kinds = OperationKind::ALL.map(OperationKind::as_str);
    let discards_data = OperationKind::ALL
        .into_iter()
        .filter(|kind| kind.discards_data())
        .map(OperationKind::as_str);
    let mut text = String::new();
    let mut variable = |name: &str, lines: Vec<String>| {
        writeln!(text, "    - name: {name}\n      expression: >-").expect("a string takes it");
        for line in lines {
            writeln!(text, "        {line}").expect("a string takes it");
        }
    };
    variable("kinds", vec![list(kinds)]);
    variable("discardsData", vec![list(discards_data)]);
    let rows = arguments
        .iter()
        .map(|(kind, flags)| format!("'{kind}': {flags},"));
    variable(
        "arguments",
        ["{".to_owned()]
            .into_iter()
            .chain(rows)
            .chain(["}".to_owned()])
            .collect(),
    );
    variable(
        "controls",
        vec![list(["pause", "cancel", "retry", "waive"])],
    );
    variable(
        "checks",
        vec![list(CheckName::ALL.iter().map(CheckName::as_str))],
    );
    text
}

#[test]
fn the_policy_has_the_words_of_the_grammar() {
    let path = manifest("admission/requests.yaml");
    let committed = std::fs::read_to_string(&path).expect("the policy is committed");
    let (before, rest) = committed.split_once(BEGIN).expect("a mark of the words");
    let (_, after) = rest.split_once(END).expect("a mark after the words");
    let written = format!("{before}{BEGIN}{}{END}{after}", words());
    if std::env::var_os("UPDATE_CRDS").is_some() {
        std::fs::write(&path, &written).expect("manifests/admission is writable");
        return;
    }
    assert!(
        committed == written,
        "manifests/admission/requests.yaml differs from the grammar; run `make crds` and look at the difference"
    );
}

#[test]
fn the_ready_roles_request_every_kind() {
    let requests = |file: &str| {
        let text = std::fs::read_to_string(manifest(file)).expect("the role is committed");
        let role: serde_json::Value = serde_saphyr::from_str(&text).expect("the role is YAML");
        let rules = role["rules"].as_array().cloned().unwrap_or_default();
        let mut kinds: Vec<String> = rules
            .iter()
            .filter(|rule| rule["verbs"] == serde_json::json!(["request"]))
            .flat_map(|rule| rule["resources"].as_array().cloned().unwrap_or_default())
            .filter_map(|resource| {
                let kind = resource.as_str()?.strip_prefix("cassandraclusters/")?;
                Some(kind.to_owned())
            })
            .collect();
        kinds.sort();
        kinds
    };
    let kinds = |discards: bool| {
        let kinds = OperationKind::ALL.into_iter();
        let kinds = kinds
            .filter(move |kind| kind.asked_by_spec().is_none() && kind.discards_data() == discards);
        kinds.map(OperationKind::as_str)
    };
    let mut safe: Vec<&str> = kinds(false).chain(["reconcile"]).collect();
    safe.sort_unstable();
    assert_eq!(requests("rbac/operations.yaml"), safe);
    let mut discarding: Vec<&str> = kinds(true).collect();
    discarding.sort_unstable();
    assert_eq!(requests("rbac/replace.yaml"), discarding);
    let mut all = [safe, discarding].concat();
    all.sort_unstable();
    assert_eq!(requests("rbac/editor.yaml"), all);
}
