//! The values of the chart: each one is documented in `values.yaml`, judged by the schema and listed in the README.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test compares files of the repository"
)]

use std::{fmt::Write, path::PathBuf};

use serde_json::{Value, json};

const BEGIN: &str = "<!-- values: written by `make docs` -->\n";
const END: &str = "<!-- end of the values -->\n";
/// Values that Kubernetes defines; the schema names some of their fields.
const OF_KUBERNETES: [&str; 2] = ["resources", "affinity"];
/// Helm's own value, which a chart with subcharts shares with them.
const OF_HELM: &str = "global";

fn chart(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../charts/casskop")
        .join(file)
}

fn read(file: &str) -> String {
    let path = chart(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn schema() -> Value {
    serde_json::from_str(&read("values.schema.json")).expect("the schema is JSON")
}

/// A line of `values.yaml` with a key, and the comment above it.
struct Documented {
    /// Keys from the root, such as `image.tag`.
    path: String,
    /// The default as written; empty for a group of values.
    default: String,
    /// The comment.
    text: String,
}

fn documented() -> Vec<Documented> {
    let mut groups: Vec<(usize, String)> = Vec::new();
    let mut comment = Vec::new();
    let mut all = Vec::new();
    for line in read("values.yaml").lines() {
        let content = line.trim_start();
        if let Some(words) = content.strip_prefix("# ") {
            comment.push(words.to_owned());
        } else if let Some((key, default)) = content.split_once(':') {
            let indent = line.len() - content.len();
            groups.retain(|(outer, _)| *outer < indent);
            groups.push((indent, key.to_owned()));
            let keys: Vec<&str> = groups.iter().map(|(_, key)| key.as_str()).collect();
            all.push(Documented {
                path: keys.join("."),
                default: default.trim().to_owned(),
                text: std::mem::take(&mut comment).join(" "),
            });
        }
    }
    all
}

/// The schema of a value, with its reference followed.
fn judged<'a>(schema: &'a Value, path: &str) -> &'a Value {
    let mut at = schema;
    for key in path.split('.') {
        at = &at["properties"][key];
        if let Some(reference) = at["$ref"].as_str() {
            let pointer = reference.trim_start_matches('#');
            at = schema.pointer(pointer).expect("a definition");
        }
    }
    at
}

/// The type of a value, in the words of the schema.
fn kind(schema: &Value) -> String {
    if let Some(words) = schema["enum"].as_array() {
        let words = words.iter().filter_map(Value::as_str);
        let words: Vec<String> = words
            .filter(|word| !word.is_empty())
            .map(|word| format!("`{word}`"))
            .collect();
        return words.join(", ");
    }
    schema["type"].as_str().expect("a type").to_owned()
}

fn table() -> String {
    let schema = schema();
    let mut text = "| value | type | default | meaning |\n|---|---|---|---|\n".to_owned();
    for value in documented() {
        if value.default.is_empty() && value.text.is_empty() {
            continue;
        }
        let default = match value.default.as_str() {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let kind = kind(judged(&schema, &value.path));
        writeln!(
            text,
            "| `{}` | {kind} | {default} | {} |",
            value.path, value.text
        )
        .expect("a string takes it");
    }
    text
}

#[test]
fn the_readme_lists_the_values() {
    let committed = read("README.md");
    let (before, rest) = committed.split_once(BEGIN).expect("a mark of the values");
    let (_, after) = rest.split_once(END).expect("a mark after the values");
    let written = format!("{before}{BEGIN}\n{}\n{END}{after}", table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(chart("README.md"), &written).expect("charts is writable");
        return;
    }
    assert!(
        committed == written,
        "charts/casskop/README.md differs from values.yaml; run `make docs` and look at the difference"
    );
}

#[test]
fn each_value_has_a_comment() {
    let all = documented();
    for value in &all {
        let is_group = value.default.is_empty();
        assert!(is_group || !value.text.is_empty(), "{}", value.path);
    }
    assert!(all.len() > 20);
}

/// The keys of `values.yaml` are those of the schema, on each level; nothing else is accepted, and nothing may be missing,
/// as after `--set log=null`.
#[test]
fn the_schema_has_the_values_and_no_other() {
    let values = serde_saphyr::from_str(&read("values.yaml")).expect("the values are YAML");
    has_the_values("", &values, &schema());
}

fn has_the_values(path: &str, values: &Value, schema: &Value) {
    let values = values.as_object().unwrap_or_else(|| panic!("{path}"));
    let properties = schema["properties"].as_object();
    let properties = properties.unwrap_or_else(|| panic!("{path}: no properties"));
    let mut keys: Vec<&String> = values.keys().collect();
    let mut judged: Vec<&String> = properties.keys().filter(|key| *key != OF_HELM).collect();
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let mut required: Vec<&str> = required.iter().filter_map(Value::as_str).collect();
    keys.sort();
    judged.sort();
    required.sort_unstable();
    assert_eq!(keys, judged, "{path}");
    assert_eq!(keys, required, "{path}: required");
    assert_eq!(schema["additionalProperties"], json!(false), "{path}");
    for (key, value) in values {
        let schema = &properties[key];
        let is_group = schema["properties"].is_object() && !OF_KUBERNETES.contains(&key.as_str());
        if is_group {
            has_the_values(&format!("{path}.{key}"), value, schema);
        }
    }
}

#[test]
fn the_chart_has_the_version_of_the_workspace() {
    let chart: Value = serde_saphyr::from_str(&read("Chart.yaml")).expect("Chart.yaml is YAML");
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}
