//! Paths of fields, in a manifest and in the rows of a table.

use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer};
use serde_json::Value;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A field.
    Key(String),
    /// An item of a list, with its `name` if it has one.
    Item(usize, Option<String>),
}

/// The path of a field in a manifest, such as `spec.racks[0].name`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Part>);

/// A value without fields and items below it: a scalar, or an empty list or object.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf<'a> {
    /// Its path.
    pub path: Path,
    /// The value.
    pub value: &'a Value,
}

/// All leaves of a value, in its order.
pub fn leaves(value: &Value) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    collect(value, &mut Path::default(), &mut found);
    found
}

fn collect<'a>(value: &'a Value, path: &mut Path, found: &mut Vec<Leaf<'a>>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                path.0.push(Part::Key(key.clone()));
                collect(value, path, found);
                path.0.pop();
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                let name = value.get("name").and_then(Value::as_str);
                path.0.push(Part::Item(index, name.map(str::to_owned)));
                collect(value, path, found);
                path.0.pop();
            }
        }
        value => found.push(Leaf {
            path: path.clone(),
            value,
        }),
    }
}

impl Path {
    /// The path without its first `count` parts.
    pub fn below(&self, count: usize) -> Self {
        Self(self.0.get(count..).unwrap_or_default().to_vec())
    }

    /// The lists that the path leads through, by their own paths, with the item of each.
    pub fn lists(&self) -> Vec<(String, usize)> {
        let parts = self.0.iter().enumerate();
        let lists = parts.filter_map(|(at, part)| match part {
            Part::Item(index, _) => Some((Self(self.0[..at].to_vec()).pattern(), *index)),
            Part::Key(_) => None,
        });
        lists.collect()
    }

    /// The last key; empty if there is none.
    pub fn last_key(&self) -> &str {
        let keys = self.0.iter().rev().find_map(|part| match part {
            Part::Key(key) => Some(key.as_str()),
            Part::Item(..) => None,
        });
        keys.unwrap_or_default()
    }

    /// The path with `[]` for every item.
    pub fn pattern(&self) -> String {
        self.written(false)
    }

    fn written(&self, with_index: bool) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Key(key) if is_plain(key) => {
                    let dot = if text.is_empty() { "" } else { "." };
                    let _ = write!(text, "{dot}{key}");
                }
                Part::Key(key) => {
                    let _ = write!(text, "[{key:?}]");
                }
                Part::Item(index, _) if with_index => {
                    let _ = write!(text, "[{index}]");
                }
                Part::Item(..) => text.push_str("[]"),
            }
        }
        text
    }
}

fn is_plain(key: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !key.is_empty() && key.chars().all(known)
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.written(true))
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One step of the path of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A field.
    Key(&'static str),
    /// Any item of a list.
    Any,
    /// The items of this name.
    Named(&'static str),
}

/// The steps of the path of a row, such as `spec.containers[cassandra].env` or `spec.racks[].name`.
pub fn steps(path: &'static str) -> Vec<Step> {
    let mut steps = Vec::new();
    for word in path.split('.').filter(|word| !word.is_empty()) {
        let mut pieces = word.split('[');
        steps.extend(pieces.next().filter(|key| !key.is_empty()).map(Step::Key));
        steps.extend(pieces.map(|item| match item.trim_end_matches(']') {
            "" => Step::Any,
            name => Step::Named(name),
        }));
    }
    steps
}

/// Whether the steps lead to the field of a path, or to one above it.
pub fn leads(steps: &[Step], path: &Path) -> bool {
    let fits = |(step, part): (&Step, &Part)| match (step, part) {
        (Step::Key(key), Part::Key(own)) => key == own,
        (Step::Any, Part::Item(..)) => true,
        (Step::Named(name), Part::Item(_, own)) => own.as_deref() == Some(name),
        _ => false,
    };
    steps.len() <= path.0.len() && steps.iter().zip(&path.0).all(fits)
}

/// Whether the steps lead to a field below that of a path.
pub fn is_above(path: &Path, steps: &[Step]) -> bool {
    steps.len() > path.0.len() && leads(&steps[..path.0.len()], path)
}
