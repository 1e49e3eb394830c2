//! Values of a manifest with their verdicts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    path::Path,
    table::{Judged, Verdict},
};

/// One value of a manifest, and the verdict about it.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its path.
    pub path: String,
    /// The fields of which the verdict is the same, for people.
    #[serde(skip)]
    pub group: String,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The verdict of a table about a value.
pub fn field(path: &Path, judged: &Judged) -> Field {
    let group = Path(path.0.iter().take(judged.parts).cloned().collect());
    Field {
        path: path.to_string(),
        group: if judged.parts == path.0.len() && judged.verdict.is_in_the_way() {
            path.to_string()
        } else {
            group.pattern()
        },
        verdict: judged.verdict.clone(),
    }
}

/// Sets the verdict of a field that follows from others; a field that is missing is added.
pub fn set(fields: &mut Vec<Field>, path: &str, verdict: Verdict) {
    match fields.iter_mut().find(|field| field.path == path) {
        // The verdict on the field itself goes first.
        Some(field) if matches!(field.verdict, Verdict::Refused { .. }) => {}
        Some(field) => {
            path.clone_into(&mut field.group);
            field.verdict = verdict;
        }
        None => fields.push(Field {
            path: path.to_owned(),
            group: path.to_owned(),
            verdict,
        }),
    }
}

/// Keeps the worst verdict about a field.
pub fn worst(found: &mut BTreeMap<Path, Field>, path: &Path, field: Field) {
    match found.get_mut(path) {
        Some(own) if own.verdict >= field.verdict => {}
        Some(own) => *own = field,
        None => {
            found.insert(path.clone(), field);
        }
    }
}
