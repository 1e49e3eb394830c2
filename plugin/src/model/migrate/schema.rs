//! The schema of the CRD: whether a field exists, and whether an object is accepted. The rules in CEL are in
//! [`rules`](super::rules).

use std::sync::LazyLock;

use casskop_common::api::CassandraCluster;
use kube::CustomResourceExt;
use serde_json::Value;

use super::draft::{At, Place};

/// The schema of a custom resource.
pub struct Schema(Value);

static CLUSTER: LazyLock<Schema> = LazyLock::new(|| {
    let crd = serde_json::to_value(CassandraCluster::crd()).unwrap_or_default();
    let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema");
    Schema(schema.cloned().unwrap_or_default())
});

/// A fault of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field.
    pub path: String,
    /// The fault.
    pub message: String,
}

/// A field that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name; empty for an item of something that is no list.
    pub field: String,
    /// The fields that exist beside it.
    pub known: Vec<String>,
}

impl Fault {
    /// A fault of a field.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl Schema {
    /// That of a `CassandraCluster`.
    pub fn cluster() -> &'static Self {
        &CLUSTER
    }

    /// Whether the place of a draft is a field.
    ///
    /// # Errors
    /// The first part of the place that is none.
    pub fn knows(&self, place: &Place) -> Result<(), Missing> {
        let mut place = place.0.as_slice();
        if matches!(place, [At::Key(root), ..] if root == "metadata") {
            return Ok(());
        }
        let mut at = &self.0;
        let dc = ["spec", "topology", "dc"];
        if matches!(place, [At::Key(root), ..] if root == "dc") {
            for key in dc {
                at = &at["properties"][key];
            }
            at = &at["items"];
            place = &place[1..];
        }
        for step in place {
            if keeps_unknown(at) {
                return Ok(());
            }
            let next = match step {
                At::Key(key) => {
                    let fields = at["properties"].get(key);
                    fields.unwrap_or(&at["additionalProperties"])
                }
                At::Item(..) => &at["items"],
            };
            if !next.is_object() {
                let fields = at["properties"].as_object().into_iter().flatten();
                return Err(Missing {
                    field: match step {
                        At::Key(key) => key.clone(),
                        At::Item(..) => String::new(),
                    },
                    known: fields.map(|(name, _)| name.clone()).collect(),
                });
            }
            at = next;
        }
        Ok(())
    }

    /// The faults of an object.
    pub fn faults(&self, object: &Value) -> Vec<Fault> {
        let mut faults = Vec::new();
        check(
            &object["spec"],
            &self.0["properties"]["spec"],
            "spec",
            &mut faults,
        );
        faults
    }
}

fn keeps_unknown(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == Value::Bool(true)
}

fn check(value: &Value, schema: &Value, path: &str, faults: &mut Vec<Fault>) {
    let mut fault = |message: String| faults.push(Fault::new(path, message));
    if value.is_null() && schema["nullable"] == Value::Bool(true) {
        return;
    }
    if let Some(wanted) = wrong_type(value, schema) {
        return fault(format!("is not {wanted}"));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        fault(format!("is none of {}", words.join(", ")));
    }
    for (key, message) in limits(value, schema) {
        fault(format!("{message} {}", schema[key]));
    }
    match value {
        Value::Object(fields) => {
            let required = schema["required"].as_array().into_iter().flatten();
            for name in required.filter_map(Value::as_str) {
                if !fields.contains_key(name) {
                    fault(format!("has no {name}"));
                }
            }
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                let inner = schema["properties"].get(name);
                let inner = inner.unwrap_or(&schema["additionalProperties"]);
                if inner.is_object() {
                    check(value, inner, &path, faults);
                } else if !keeps_unknown(schema) {
                    faults.push(Fault::new(path, "is not a field"));
                }
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                check(value, &schema["items"], &format!("{path}[{index}]"), faults);
            }
        }
        _ => {}
    }
}

/// The type that a value does not have.
fn wrong_type(value: &Value, schema: &Value) -> Option<&'static str> {
    if schema["x-kubernetes-int-or-string"] == Value::Bool(true) {
        let fits = value.is_string() || value.is_i64() || value.is_u64();
        return (!fits).then_some("a whole number or text");
    }
    let (fits, name) = match schema["type"].as_str()? {
        "object" => (value.is_object(), "an object"),
        "array" => (value.is_array(), "a list"),
        "string" => (value.is_string(), "text"),
        "boolean" => (value.is_boolean(), "true or false"),
        "integer" => (value.is_i64() || value.is_u64(), "a whole number"),
        "number" => (value.is_number(), "a number"),
        _ => return None,
    };
    (!fits).then_some(name)
}

/// The limits that a value exceeds.
fn limits(value: &Value, schema: &Value) -> Vec<(&'static str, &'static str)> {
    let size = |value: usize| i32::try_from(value).map_or(f64::INFINITY, f64::from);
    let (least, most, measured) = match value {
        Value::Number(number) => ("minimum", "maximum", number.as_f64()),
        Value::String(text) => ("minLength", "maxLength", Some(size(text.chars().count()))),
        Value::Array(items) => ("minItems", "maxItems", Some(size(items.len()))),
        _ => return Vec::new(),
    };
    let Some(measured) = measured else {
        return Vec::new();
    };
    let mut exceeded = Vec::new();
    if schema[least].as_f64().is_some_and(|least| measured < least) {
        exceeded.push((least, "is below the least of"));
    }
    if schema[most].as_f64().is_some_and(|most| measured > most) {
        exceeded.push((most, "is above the most of"));
    }
    exceeded
}
