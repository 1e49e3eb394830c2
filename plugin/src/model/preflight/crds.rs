//! The CRDs that exist, compared with those of this version.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Check, Finding, Lookup, Plan, items, text};
use crate::text::list;

/// Kind of a CRD.
pub const KIND: &str = "CustomResourceDefinition";

pub fn check(plan: &Plan, live: &BTreeMap<String, Lookup>) -> Vec<Finding> {
    let ours = plan
        .objects
        .iter()
        .filter(|object| text(object, "/kind") == KIND);
    ours.map(|ours| {
        let name = text(ours, "/metadata/name");
        of(name, ours, live.get(name).unwrap_or(&Lookup::Unknown))
    })
    .collect()
}

fn of(name: &str, ours: &Value, live: &Lookup) -> Finding {
    let check = Check::CustomResourceDefinitions;
    let live = match live {
        Lookup::Found(live) => live,
        Lookup::Absent => {
            return Finding::passed(check, format!("{name} is created by the installation"));
        }
        Lookup::Unknown => {
            return Finding::unknown(check, format!("whether {name} exists could not be read"));
        }
    };
    let served: BTreeSet<&str> = versions(ours).collect();
    let stored = items(live, "/status/storedVersions").iter();
    let foreign: Vec<&str> = stored
        .filter_map(Value::as_str)
        .filter(|version| !served.contains(version))
        .collect();
    if !foreign.is_empty() {
        let message = format!(
            "objects of {name} are stored as {}, which this version does not have",
            list(&foreign)
        );
        return Finding::failed(check, message)
            .next("store them anew, and take the version out of the CRD's status.storedVersions");
    }
    let known = fields(ours);
    let lost: Vec<String> = fields(live).difference(&known).cloned().collect();
    if lost.is_empty() {
        return Finding::passed(
            check,
            format!("{name} exists, and this version replaces it"),
        );
    }
    let message = format!(
        "{name} has fields that this version does not have, and that the API server would drop: {}",
        list(&lost)
    );
    Finding::warning(check, message)
        .next("is an operator of a later version installed? install that version, or look at `install generate`")
}

fn versions(crd: &Value) -> impl Iterator<Item = &str> {
    items(crd, "/spec/versions")
        .iter()
        .map(|version| text(version, "/name"))
}

/// The fields of all versions of a CRD, as paths.
fn fields(crd: &Value) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for version in items(crd, "/spec/versions") {
        if let Some(schema) = version.pointer("/schema/openAPIV3Schema") {
            collect(schema, "", &mut fields);
        }
    }
    fields
}

fn collect(schema: &Value, path: &str, fields: &mut BTreeSet<String>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, inner) in properties.into_iter().flatten() {
        let path = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        collect(inner, &path, fields);
        fields.insert(path);
    }
    if let Some(inner) = schema.get("items") {
        collect(inner, &format!("{path}[]"), fields);
    }
    if let Some(inner) = schema
        .get("additionalProperties")
        .filter(|inner| inner.is_object())
    {
        collect(inner, &format!("{path}.*"), fields);
    }
}
