//! The fields that a foreign manifest becomes here, before the fields are put together.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    path::{self, Part, Path, Step},
    table::{Verdict, field},
};

/// One step of a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// A field.
    Key(String),
    /// An item of a list, by the list that it comes from: those of one keep their order, and several stand one after the other.
    Item(String, usize),
}

/// A place in a draft: below `metadata`, `spec` or `dc`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub Vec<At>);

impl Place {
    /// Whether any value may be there: the configuration of Cassandra.
    pub fn is_free_form(&self) -> bool {
        let config = |at: &At| matches!(at, At::Key(key) if key == "config");
        self.0.iter().any(config)
            && !matches!(self.0.first(), Some(At::Key(root)) if root == "metadata")
    }

    /// The place of a path as it is written in this crate.
    pub fn of(path: &'static str) -> Self {
        let steps = path::steps(path).into_iter();
        Self(
            steps
                .filter_map(|step| match step {
                    Step::Key(key) => Some(At::Key(key.to_owned())),
                    Step::Any | Step::Named(_) => None,
                })
                .collect(),
        )
    }

    /// One key further.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.0.push(At::Key(key.to_owned()));
        self
    }

    /// Further by a path below; `lists` are those of its items.
    #[must_use]
    pub fn then(mut self, path: &Path, lists: impl IntoIterator<Item = (String, usize)>) -> Self {
        let mut lists = lists.into_iter();
        for part in &path.0 {
            self.0.push(match part {
                Part::Key(key) => At::Key(key.clone()),
                Part::Item(..) => item(&mut lists),
            });
        }
        self
    }

    /// One item further.
    #[must_use]
    pub fn item(mut self, source: &str, index: usize) -> Self {
        self.0.push(At::Item(source.to_owned(), index));
        self
    }
}

fn item(lists: &mut impl Iterator<Item = (String, usize)>) -> At {
    let (list, index) = lists.next().unwrap_or_default();
    At::Item(list, index)
}

/// The fields of one data center, or of a whole ring.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    fields: BTreeMap<Place, Value>,
    /// Facts that more than one field decides about.
    pub facts: BTreeMap<&'static str, Value>,
    /// Notes for the user besides the fields.
    pub notes: Vec<String>,
}

impl Draft {
    /// The place that a field goes to: the target of its row, with the last items of the path, and what is below the row, whose
    /// path has so many parts.
    pub fn place(target: &'static str, path: &Path, parts: usize) -> Place {
        let (above, below) = path.0.split_at(parts.min(path.0.len()));
        let is_item = |part: &&Part| matches!(part, Part::Item(..));
        let mut of_row = path.lists();
        let of_rest = of_row.split_off(above.iter().filter(is_item).count());
        let steps = path::steps(target);
        let is_list = |step: &&Step| !matches!(step, Step::Key(_));
        let lists = steps.iter().filter(is_list).count();
        let outer = of_row.len().saturating_sub(lists);
        let mut of_row = of_row.into_iter().skip(outer);
        let steps = steps.into_iter();
        let place = steps.map(|step| match step {
            Step::Key(key) => At::Key(key.to_owned()),
            Step::Any | Step::Named(_) => item(&mut of_row),
        });
        Place(place.collect()).then(&Path(below.to_vec()), of_rest)
    }

    /// Writes the value of a field to a place. The verdict about the field is this one, unless another field has written
    /// another value there.
    pub fn written(&mut self, place: Place, value: Value, verdict: Verdict) -> Verdict {
        match self.fields.get(&place) {
            Some(written) if *written != value => Verdict::refused(
                "another field of the manifest has another value for the same field here",
                "keep one of the two",
            ),
            Some(_) => verdict,
            None => {
                self.fields.insert(place, value);
                verdict
            }
        }
    }

    /// Adds an item to a list.
    pub fn add(&mut self, list: &'static str, (source, index): (&str, usize), value: String) {
        let place = Place::of(list).item(source, index);
        self.fields.insert(place, value.into());
    }

    /// Writes a value where none is yet.
    pub fn put_default(&mut self, target: &'static str, value: impl Into<Value>) {
        let place = Place::of(target);
        let is_there = self.fields.keys().any(|own| own.0.starts_with(&place.0));
        if !is_there {
            self.fields.insert(place, value.into());
        }
    }

    /// The value at a place.
    pub fn get(&self, target: &'static str) -> Option<&Value> {
        self.fields.get(&Place::of(target))
    }

    /// Number of items of a list.
    pub fn count(&self, list: &Place) -> usize {
        let below = self
            .fields
            .keys()
            .filter_map(|place| place.0.strip_prefix(list.0.as_slice()));
        let items: BTreeSet<&At> = below.filter_map(<[At]>::first).collect();
        items.len()
    }

    /// All fields together.
    pub fn built(&self) -> Value {
        let fields: Vec<(&[At], &Value)> = self
            .fields
            .iter()
            .map(|(place, value)| (place.0.as_slice(), value))
            .collect();
        build(&fields)
    }

    /// Writes the value of a field whose meaning another field has here.
    pub fn replaced(&mut self, target: &'static str, value: impl Into<Value>) -> Verdict {
        self.written(Place::of(target), value.into(), Verdict::by(field(target)))
    }
}

/// The value of places in their order. Parts that cannot be one value, as a text and an object, become a list of both, which no
/// schema accepts: nothing is lost silently.
fn build(fields: &[(&[At], &Value)]) -> Value {
    let (here, below): (Vec<_>, Vec<_>) = fields.iter().partition(|(place, _)| place.is_empty());
    let mut values: Vec<Value> = here
        .into_iter()
        .map(|(_, value)| (*value).clone())
        .collect();
    let (keys, items): (Vec<_>, Vec<_>) = below
        .into_iter()
        .partition(|(place, _)| matches!(place.first(), Some(At::Key(_))));
    if !keys.is_empty() {
        let groups = keys.chunk_by(|one, other| one.0.first() == other.0.first());
        let fields = groups.filter_map(|group| match group.first()?.0.first()? {
            At::Key(key) => Some((key.clone(), build(&inner(group)))),
            At::Item(..) => None,
        });
        values.push(Value::Object(fields.collect()));
    }
    if !items.is_empty() {
        let groups = items.chunk_by(|one, other| one.0.first() == other.0.first());
        values.push(groups.map(|group| build(&inner(group))).collect());
    }
    if values.len() > 1 {
        values.retain(|value| !is_hollow(value));
    }
    match values.len() {
        0 => Value::Null,
        1 => values.remove(0),
        _ => Value::Array(values),
    }
}

fn inner<'a>(group: &[(&'a [At], &'a Value)]) -> Vec<(&'a [At], &'a Value)> {
    let inner = group.iter().map(|(place, value)| (&place[1..], *value));
    inner.collect()
}

/// Whether a value is the place of others only.
fn is_hollow(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}
