//! The objects of a file: YAML or JSON, several documents, lists.

use serde_json::Value;

use crate::{
    error::{CliError, Result},
    text::plain,
};

/// Deepest nesting of an object that is read.
const DEEPEST: usize = 100;

/// The objects of a text, in their order. Empty documents are none.
///
/// # Errors
/// When the text is neither YAML nor JSON, or holds something else than objects.
pub fn objects(text: &str) -> Result<Vec<Value>> {
    let documents = if text.trim_start().starts_with(['{', '[']) {
        serde_json::Deserializer::from_str(text)
            .into_iter()
            .collect::<std::result::Result<Vec<Value>, _>>()
            .map_err(|error| unreadable("JSON", &error.to_string()))?
    } else {
        serde_saphyr::from_multiple::<Value>(text)
            .map_err(|error| unreadable("YAML", &error.to_string()))?
    };
    let mut objects = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        collect(document, &mut objects, 0)
            .map_err(|why| CliError::failed(format!("document {} {why}", index + 1)))?;
    }
    Ok(objects)
}

/// Adds an object, or the objects of a list.
fn collect(document: Value, objects: &mut Vec<Value>, depth: usize) -> Result<(), String> {
    match document {
        Value::Null => Ok(()),
        _ if depth > DEEPEST => Err("has lists in lists".into()),
        Value::Array(items) => {
            let mut items = items.into_iter();
            items.try_for_each(|item| collect(item, objects, depth + 1))
        }
        Value::Object(mut fields) => {
            let kind = fields.get("kind").and_then(Value::as_str);
            if kind.is_some_and(|kind| kind.ends_with("List"))
                && let Some(Value::Array(items)) = fields.remove("items")
            {
                return collect(Value::Array(items), objects, depth + 1);
            }
            let object = Value::Object(fields);
            if !is_shallow(&object, DEEPEST) {
                return Err(format!("is nested deeper than {DEEPEST} levels"));
            }
            objects.push(object);
            Ok(())
        }
        _ => Err("is not an object".into()),
    }
}

fn is_shallow(value: &Value, levels: usize) -> bool {
    let Some(levels) = levels.checked_sub(1) else {
        return false;
    };
    match value {
        Value::Object(fields) => fields.values().all(|value| is_shallow(value, levels)),
        Value::Array(items) => items.iter().all(|value| is_shallow(value, levels)),
        _ => true,
    }
}

/// Only the first line: the others show the text, in which a Secret may be.
fn unreadable(format: &str, why: &str) -> CliError {
    let first = why.lines().next().unwrap_or_default();
    CliError::failed(format!("it is not {format}: {}", plain(first)))
        .hint("a template is rendered first: helm template, kustomize build")
}
