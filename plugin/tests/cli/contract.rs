//! Nothing that these tests or the documentation show could not come from the operator: every condition type, reason, check,
//! mode and field exists in the shared contract.

use std::{fs, path::PathBuf};

use casskop_common::{
    api::{CassandraClusterStatus, MultiCasskopStatus, OperationMode, OperationReason},
    checks::CheckName,
    conditions::{Action, Reason, TYPES},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Words and fields in the resources of an answer that the operator never writes.
pub fn unknown(answer: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for item in answer["items"].as_array().into_iter().flatten() {
        found.extend(unknown(item));
    }
    if answer["object"].is_object() {
        found.extend(unknown(&answer["object"]));
    }
    let status = &answer["status"];
    if !status.is_object() {
        return found;
    }
    match answer["kind"].as_str() {
        Some("CassandraCluster") => {
            found.extend(fields::<CassandraClusterStatus>(status));
            found.extend(words(status));
        }
        Some("MultiCasskop") => {
            found.extend(fields::<MultiCasskopStatus>(status));
            found.extend(conditions(status));
        }
        _ => {}
    }
    found
}

fn list<'a>(of: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    of[field].as_array().into_iter().flatten()
}

fn conditions(status: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for condition in list(status, "conditions") {
        let (kind, reason) = (&condition["type"], &condition["reason"]);
        if !TYPES.iter().any(|known| kind == known) {
            found.push(format!("condition {kind}"));
        }
        if Reason::from_word(reason.as_str().unwrap_or_default()).is_none() {
            found.push(format!("reason {reason} of condition {kind}"));
        }
    }
    found
}

fn words(status: &Value) -> Vec<String> {
    let mut found = conditions(status);
    if let Some(action) = status["lastClusterAction"].as_str() {
        found.extend(action_of(action));
    }
    let racks = status["cassandraRackStatus"].as_object();
    for rack in racks.into_iter().flat_map(|racks| racks.values()) {
        let action = rack["cassandraLastAction"]["name"].as_str();
        found.extend(action.and_then(action_of));
    }
    let nodes = status["cassandraNodeStatus"].as_object();
    for node in nodes.into_iter().flat_map(|nodes| nodes.values()) {
        let state = node["state"].as_str().unwrap_or("Unknown");
        if state != "Unknown" && matches!(OperationMode::from(state), OperationMode::Other(_)) {
            found.push(format!("state {state}"));
        }
    }
    let operations = list(status, "operations").chain(list(status, "operationHistory"));
    for operation in operations {
        if let Some(reason) = operation["reason"].as_str()
            && matches!(OperationReason::from(reason), OperationReason::Other(_))
        {
            found.push(format!("reason {reason} of {}", operation["kind"]));
        }
        for check in list(operation, "checks").chain(list(status, "blockedBy")) {
            let name = check["name"].as_str().unwrap_or_default();
            if matches!(CheckName::from(name), CheckName::Other(_)) {
                found.push(format!("check {name} of {}", operation["kind"]));
            }
        }
    }
    found
}

fn action_of(word: &str) -> Option<String> {
    Action::from_word(word)
        .is_none()
        .then(|| format!("action {word}"))
}

/// Fields that the type of the status does not have.
fn fields<T: DeserializeOwned + Serialize>(status: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match serde_json::from_value::<T>(status.clone()) {
        Ok(read) => {
            let kept = serde_json::to_value(read).unwrap();
            missing(status, &kept, "status", &mut found);
        }
        Err(error) => found.push(format!("status: {error}")),
    }
    found
}

fn missing(given: &Value, kept: &Value, path: &str, found: &mut Vec<String>) {
    match (given, kept) {
        (Value::Object(given), kept) => {
            for (key, value) in given {
                let path = format!("{path}.{key}");
                let is_empty = match value {
                    Value::Null | Value::Bool(false) => true,
                    Value::String(text) => text.is_empty(),
                    Value::Array(list) => list.is_empty(),
                    Value::Object(map) => map.is_empty(),
                    _ => false,
                };
                match kept.get(key) {
                    Some(kept) => missing(value, kept, &path, found),
                    None if is_empty => {}
                    None => found.push(format!("field {path}")),
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (given, kept) in given.iter().zip(kept) {
                missing(given, kept, &format!("{path}[]"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn a_word_that_does_not_exist_is_noticed() {
    let cluster = serde_json::json!({ "kind": "CassandraCluster", "status": {
        "spentIds": { "remove": ["a"] },
        "lastClusterAction": "ScaledUp",
        "conditions": [{ "type": "Settled", "status": "True", "reason": "AsAsked", "message": "",
            "lastTransitionTime": "2026-11-22T17:05:18Z" }],
        "cassandraNodeStatus": { "a": { "state": "SLEEPING" } },
        "operations": [{ "kind": "cleanup", "id": "a", "phase": "Pending", "reason": "RingNotSettled",
            "checks": [{ "name": "ring-calm", "passed": false, "evidence": "" }] }],
    } });
    insta::assert_snapshot!(unknown(&cluster).join("\n"), @r#"
    field status.spentIds
    condition "Settled"
    reason "AsAsked" of condition "Settled"
    action ScaledUp
    state SLEEPING
    reason RingNotSettled of "cleanup"
    check ring-calm of "cleanup"
    "#);
}

#[test]
fn fixtures_have_only_words_that_the_operator_writes() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let fixture: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let found = unknown(&fixture);
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
}

/// The reason in a line of a screen, such as `  degraded  for 3m8s  NodesUnhealthy: …` or `At work for 4m: ScaleUp: …`.
fn reason_on_screen(line: &str) -> Option<&str> {
    let (words, rest) = line.split_once("for ")?;
    let is_condition = words.starts_with("  ") && words.ends_with("  ");
    let is_reason = words == "Held up " || words == "At work ";
    let (_, rest) = rest.split_once([' ', ':'])?;
    let word = rest.trim_start().split([':', ' ']).next()?;
    let is_word = word.starts_with(|c: char| c.is_ascii_uppercase());
    ((is_condition || is_reason) && is_word).then_some(word)
}

/// Reasons of the plugin's own, about what the operator cannot know.
const OF_THE_PLUGIN: [&str; 6] = [
    "BeingDeleted",
    "NotReported",
    "SpecNotObserved",
    "OperatorNotRunning",
    "ReconcilePaused",
    "RequestNotObserved",
];

#[test]
fn documentation_shows_only_reasons_that_exist() {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut seen = 0;
    for file in fs::read_dir(docs).unwrap() {
        let path = file.unwrap().path();
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for word in text.lines().filter_map(reason_on_screen) {
            seen += 1;
            let exists = Reason::from_word(word).is_some()
                || OF_THE_PLUGIN.contains(&word)
                || !matches!(OperationReason::from(word), OperationReason::Other(_));
            assert!(exists, "{}: {word}", path.display());
        }
    }
    assert!(seen > 0, "the documentation shows no screen");
}
