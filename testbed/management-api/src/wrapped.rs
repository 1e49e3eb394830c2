//! The form of three of the reads: a value, wrapped into the description of an answer.

use serde_json::{Value, json};

/// The value as those reads give it.
pub fn wrapped(entity: &Value) -> Value {
    let media = json!({
        "type": "application", "subtype": "json", "parameters": {}, "wildcardType": false, "wildcardSubtype": false,
    });
    json!({
        "entity": entity,
        "variant": { "language": null, "mediaType": media, "encoding": null, "languageString": null },
        "annotations": [],
        "language": null,
        "encoding": null,
        "mediaType": media,
    })
}
