//! The tables of foreign fields: what becomes of each.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::{
    config,
    draft::Draft,
    path::{self, Leaf, Part, Path, Step},
    schema::Schema,
};
use crate::text::nearest;

/// Why a value needs nothing here that is empty, or a default.
const NOTHING: &str = "it asks for nothing";

/// The verdict about a field.
#[derive(Serialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(tag = "verdict")]
pub enum Verdict {
    /// The field exists here, with the same meaning.
    Supported,
    /// Another field has its meaning.
    Replaced {
        /// The field here.
        by: Cow<'static, str>,
    },
    /// The manifest here needs nothing for it.
    Ignored {
        /// Why.
        reason: Cow<'static, str>,
    },
    /// A ring of this operator would not be what the field asks for.
    Refused {
        /// Why.
        reason: Cow<'static, str>,
        /// The way that works instead.
        next: Cow<'static, str>,
    },
    /// The foreign kind has no such field.
    Unknown {
        /// The next step of the user.
        next: Cow<'static, str>,
    },
}

impl Verdict {
    /// Replaced by a field here.
    pub fn by(field: impl Into<Cow<'static, str>>) -> Self {
        Self::Replaced { by: field.into() }
    }

    /// Not needed, and why.
    pub fn ignored(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Ignored {
            reason: reason.into(),
        }
    }

    /// Refused, and what works instead.
    pub fn refused(
        reason: impl Into<Cow<'static, str>>,
        next: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Refused {
            reason: reason.into(),
            next: next.into(),
        }
    }

    /// Whether no manifest is made because of it.
    pub fn is_in_the_way(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unknown { .. })
    }
}

/// The rule for the fields of a row.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// The same field here.
    Same(&'static str),
    /// Another field here.
    By(&'static str),
    /// The configuration of Cassandra, at this place here.
    Config(&'static str),
    /// A function decides about one value, and writes.
    Value(fn(&Leaf<'_>, &mut Draft) -> Verdict),
    /// A function decides about every value, and writes.
    Own(fn(&Leaf<'_>, &mut Draft) -> Verdict),
    /// Nothing, for this reason.
    Ignored(&'static str),
    /// Nothing: it is refused for this reason, and that works instead.
    Refused(&'static str, &'static str),
    /// These values ask for nothing; any other one is refused for this reason, and that works instead.
    Only(&'static [&'static str], &'static str, &'static str),
}

/// A row of a table: a field, with all that is below it and has no row of its own.
pub type Row = (&'static str, Rule);

/// Rows with their paths read.
pub struct Table {
    rows: Vec<(Vec<Step>, Row)>,
}

/// The judgement of a table about a leaf.
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// Number of parts of the path that the row has; all of them where the verdict is about this leaf alone.
    pub parts: usize,
}

impl Table {
    /// The table of these rows.
    pub fn new(rows: impl IntoIterator<Item = Row>) -> Self {
        let rows = rows.into_iter().map(|row| (path::steps(row.0), row));
        Self {
            rows: rows.collect(),
        }
    }

    /// Judges a leaf, and writes what takes its place.
    pub fn judge(&self, leaf: &Leaf<'_>, draft: &mut Draft, schema: &Schema) -> Judged {
        let all = leaf.path.0.len();
        if is_hollow(leaf.value) && self.is_above_rows(&leaf.path) {
            return Judged {
                verdict: Verdict::ignored(NOTHING),
                parts: all,
            };
        }
        let Some((steps, rule)) = self.row(&leaf.path) else {
            return Judged {
                verdict: self.unknown(&leaf.path),
                parts: all,
            };
        };
        let verdict = match *rule {
            Rule::Same(target) | Rule::By(target) => {
                moved(leaf, steps.len(), (rule, target), draft, schema)
            }
            Rule::Config(target) => configured(leaf, steps.len(), target, draft),
            Rule::Value(_) if all > steps.len() => {
                Verdict::refused("it is not one value", "write one value")
            }
            Rule::Value(decide) | Rule::Own(decide) => decide(leaf, draft),
            Rule::Ignored(reason) => Verdict::ignored(reason),
            Rule::Only(harmless, reason, next) => {
                if is_empty(leaf.value) || harmless.contains(&word(leaf.value).as_str()) {
                    Verdict::ignored("it is so without it")
                } else {
                    Verdict::refused(reason, next)
                }
            }
            Rule::Refused(reason, next) => Verdict::refused(reason, next),
        };
        let decides = matches!(rule, Rule::Value(_) | Rule::Own(_) | Rule::Config(_));
        let parts = match verdict {
            Verdict::Unknown { .. } => all,
            Verdict::Supported | Verdict::Replaced { .. } if decides => all.min(steps.len() + 1),
            _ if decides => all,
            _ => steps.len(),
        };
        Judged { verdict, parts }
    }

    /// Whether a field has only such below it as have rows, or a row that decides about what is below it.
    fn is_above_rows(&self, path: &Path) -> bool {
        let mut rows = self.rows.iter();
        rows.any(|(steps, (_, rule))| {
            let decides = matches!(rule, Rule::Value(_) | Rule::Own(_) | Rule::Config(_));
            let is_it = steps.len() == path.0.len() && path::leads(steps, path);
            path::is_above(path, steps) || (decides && is_it)
        })
    }

    /// Whether a row is about the field of a path.
    pub fn covers(&self, path: &Path) -> bool {
        self.row(path).is_some()
    }

    /// The row that says most about a path.
    fn row(&self, path: &Path) -> Option<(&[Step], &Rule)> {
        let named = |steps: &[Step]| {
            let names = steps.iter().filter(|step| matches!(step, Step::Named(_)));
            names.count()
        };
        let rows = self.rows.iter();
        rows.filter(|(steps, _)| path::leads(steps, path))
            .max_by_key(|(steps, _)| (steps.len(), named(steps)))
            .map(|(steps, (_, rule))| (steps.as_slice(), rule))
    }

    /// The verdict about a field without a row.
    pub fn unknown(&self, path: &Path) -> Verdict {
        let written = path.pattern();
        let mut below = self.rows.iter();
        let below = below.find(|(steps, _)| path::is_above(path, steps));
        let rows = self.rows.iter().map(|(_, (row, _))| *row);
        let alike = nearest(&written, rows).filter(|row| *row != written);
        Verdict::Unknown {
            next: match (below, alike) {
                (Some((_, (row, _))), _) => {
                    format!("fill it, for example with {row}, or remove it").into()
                }
                (None, Some(row)) => format!("is {row} meant? otherwise remove it").into(),
                (None, None) => "remove it".into(),
            },
        }
    }
}

/// Writes a value to its place here.
fn moved(
    leaf: &Leaf<'_>,
    parts: usize,
    (rule, target): (&Rule, &'static str),
    draft: &mut Draft,
    schema: &Schema,
) -> Verdict {
    let place = Draft::place(target, &leaf.path, parts);
    if let Err(missing) = schema.knows(&place) {
        let names = missing.known.iter().map(String::as_str);
        return Verdict::Unknown {
            next: match nearest(&missing.field, names) {
                Some(meant) => format!("is {meant} meant? otherwise remove it").into(),
                None => "remove it".into(),
            },
        };
    }
    if leaf.value.is_null() && !place.is_free_form() {
        return Verdict::ignored(NOTHING);
    }
    let verdict = match rule {
        Rule::Same(_) => Verdict::Supported,
        _ => Verdict::by(field(target)),
    };
    draft.written(place, leaf.value.clone(), verdict)
}

/// Writes a part of the configuration.
fn configured(leaf: &Leaf<'_>, parts: usize, target: &'static str, draft: &mut Draft) -> Verdict {
    let below = leaf.path.below(parts);
    let (verdict, path) = config::judge(&below, leaf.value);
    if !matches!(verdict, Verdict::Supported | Verdict::Replaced { .. }) {
        return verdict;
    }
    let above = Path(leaf.path.0.iter().take(parts).cloned().collect());
    let place = Draft::place(target, &above, parts).then(&path, below.lists());
    draft.written(place, leaf.value.clone(), verdict)
}

/// A place of a draft as a field of a manifest: `dc` and `spec` are where they are in a `CassandraCluster`.
pub fn field(target: &str) -> String {
    match target.split_once('.') {
        Some(("dc", rest)) => format!("topology.dc[].{rest}"),
        Some(("spec", rest)) => rest.to_owned(),
        _ => target.to_owned(),
    }
}

/// A scalar as a word; empty for anything else.
pub fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => String::new(),
    }
}

/// Whether a value asks for nothing.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Whether a value has nothing in it, whatever its field is.
fn is_hollow(value: &Value) -> bool {
    is_empty(value) && !value.is_string()
}

/// Whether a part is the key.
pub fn is_key(part: Option<&Part>, key: &str) -> bool {
    matches!(part, Some(Part::Key(own)) if own == key)
}
