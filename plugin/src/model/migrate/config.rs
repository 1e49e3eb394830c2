//! The configuration of Cassandra: sections of the config builder, which the Go `CassKop` and cass-operator share.

use casskop_common::config::{OPERATOR_KEYS, jvm_options};
use serde_json::Value;

use super::{
    path::{Part, Path},
    table::{Verdict, word},
};

/// Sections with options of the JVM.
const JVM: [&str; 4] = [
    "jvm-options",
    "jvm-server-options",
    "jvm11-server-options",
    "jvm17-server-options",
];
/// Sections for other programs, or for a Java that no supported Cassandra runs on.
const NOT_OF_THE_NODE: [&str; 4] = [
    "jvm8-server-options",
    "jvm-clients-options",
    "jvm8-clients-options",
    "jvm11-clients-options",
];
/// Files that only a script edits.
const OTHER_FILES: [&str; 5] = [
    "cassandra-env-sh",
    "dse-yaml",
    "dse-default",
    "logback-xml",
    "cassandra-rackdc-properties",
];
/// Section of the start script, whose options of the JVM have a place here.
pub const ENV: &str = "cassandra-env-sh";
/// Key of a list of options of the JVM.
pub const MORE_OPTIONS: &str = "additional-jvm-opts";
/// Where those of the start script go.
pub const MORE_SECTION: &str = "jvm-server-options";
/// How a file is edited that has no section.
const BY_SCRIPT: &str = "edit the file in post_run.sh of the ConfigMap that configMapName names";

/// The verdict about a field of the configuration, and the path below the configuration here.
pub fn judge(path: &Path, value: &Value) -> (Verdict, Path) {
    let same = |verdict| (verdict, path.clone());
    let Some(Part::Key(section)) = path.0.first() else {
        return same(Verdict::refused(
            "the configuration is not an object",
            "write the sections below it",
        ));
    };
    let section = section.as_str();
    if section == "cassandra-yaml" {
        return same(cassandra_yaml(&path.below(1)));
    }
    if JVM.contains(&section) {
        return same(jvm(&path.below(1), value));
    }
    if section == ENV && super::table::is_key(path.0.get(1), MORE_OPTIONS) {
        let mut place = path.clone();
        if let Some(first) = place.0.first_mut() {
            *first = Part::Key(MORE_SECTION.to_owned());
        }
        return (
            Verdict::by(format!("config.{MORE_SECTION}.{MORE_OPTIONS}")),
            place,
        );
    }
    if NOT_OF_THE_NODE.contains(&section) {
        return same(Verdict::ignored("no process of the node reads it"));
    }
    if OTHER_FILES.contains(&section) {
        return same(Verdict::refused(
            "the configuration has no section for this file",
            BY_SCRIPT,
        ));
    }
    same(Verdict::Unknown {
        next: format!(
            "sections are cassandra-yaml and {}; remove it",
            JVM.join(", ")
        )
        .into(),
    })
}

/// The verdict about an option of `cassandra.yaml`.
pub fn cassandra_yaml(path: &Path) -> Verdict {
    let Some(Part::Key(option)) = path.0.first() else {
        return Verdict::refused(
            "cassandra.yaml is not an object",
            "write its options below it",
        );
    };
    if option == "seed_provider" {
        return Verdict::refused(
            "the nodes are the seeds",
            "seeds elsewhere go into spec.seeds: --seed HOST",
        );
    }
    if OPERATOR_KEYS.contains(&option.as_str()) {
        return Verdict::ignored("the address of the pod determines it");
    }
    Verdict::Supported
}

/// Whether an option of `cassandra.yaml` demands encryption, whose files the pods here do not have.
pub fn demands_keystores(path: &Path, value: &Value) -> bool {
    let sections = ["server_encryption_options", "client_encryption_options"];
    let is_off = matches!(word(value).as_str(), "" | "none" | "false");
    sections
        .iter()
        .any(|section| super::table::is_key(path.0.first(), section))
        && !is_off
}

fn jvm(path: &Path, value: &Value) -> Verdict {
    match path.0.as_slice() {
        [] => Verdict::ignored("it asks for nothing"),
        [Part::Item(..)] => line(value),
        [Part::Key(key), rest @ ..] if key == MORE_OPTIONS && rest.len() <= 1 => line(value),
        [Part::Key(key)] => option(key, value),
        _ => Verdict::refused("it is not one value", "write one value"),
    }
}

/// The verdict about a named option of the JVM.
pub fn option(key: &str, value: &Value) -> Verdict {
    if let Some(why) = jvm_options::unused(key) {
        return Verdict::ignored(why);
    }
    match jvm_options::option(key, value) {
        Ok(_) => Verdict::Supported,
        Err(why) => Verdict::refused(why, "remove it"),
    }
}

fn line(value: &Value) -> Verdict {
    match value.as_str() {
        Some(option) if option.starts_with('-') && !option.contains('\n') => Verdict::Supported,
        None if super::table::is_empty(value) => Verdict::ignored("it asks for nothing"),
        _ => Verdict::refused(
            "it is not one option of the JVM that begins with '-'",
            "write one option in each line",
        ),
    }
}
