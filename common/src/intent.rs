//! The intent protocol: annotations of a `CassandraCluster` that request operations and control them.
//!
//! ```text
//! operations.db.orange.com/<kind>:           "<id> [arguments]"
//! operations.db.orange.com/<kind>.<control>: "<id> [values]"
//! operations.db.orange.com/reconcile:        "paused"
//! ```
//! The operator only reads them. A request is new when its id is; an invalid value changes nothing and is told.

use std::collections::BTreeMap;

use crate::{
    names,
    operations::{self, Arguments, DryRun, asked_by_spec, discards_data, kinds},
};

/// Longest id, so that it may stand in a label.
const MAX_ID: usize = 63;
/// Longest annotation value that is parsed; a request that needs more names too much to be read by anyone.
const MAX_VALUE: usize = 8192;

/// Everything the annotations of one cluster ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Intents {
    /// The request of each kind.
    pub requests: BTreeMap<String, Request>,
    /// Controls, by kind.
    pub controls: BTreeMap<String, Controls>,
    /// Whether all action on the cluster is stopped.
    pub reconcile_paused: bool,
    /// Tag of the image that may be an earlier Cassandra than the one that runs.
    pub waived_downgrade: Option<String>,
    /// What could not be understood.
    pub invalid: Vec<Invalid>,
}

/// One requested operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Kind of the operation.
    pub kind: String,
    /// Id, chosen by whoever asks; the same id is never run twice.
    pub id: String,
    /// What exactly is asked.
    pub arguments: Arguments,
}

/// Ids that the controls beside a request quote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// No further node of this request starts.
    pub pause: Option<String>,
    /// This request ends early.
    pub cancel: Option<String>,
    /// The failed nodes of this request are tried again.
    pub retry: Option<String>,
    /// This request's named checks do not hold it back.
    pub waive: Option<(String, Vec<String>)>,
}

/// An annotation that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Key of the annotation.
    pub annotation: String,
    /// What is wrong with it, and the nearest valid word where there is one.
    pub message: String,
}

impl Intents {
    /// Reads the annotations of a cluster; those of others are passed over.
    pub fn parse(annotations: &BTreeMap<String, String>) -> Self {
        let mut intents = Self::default();
        for (key, value) in annotations {
            let Some(name) = key.strip_prefix(names::OPERATIONS_PREFIX) else {
                continue;
            };
            if let Err(message) = intents.read(name, value) {
                intents.invalid.push(Invalid {
                    annotation: key.clone(),
                    message,
                });
            }
        }
        intents
    }

    fn read(&mut self, name: &str, value: &str) -> Result<(), String> {
        if key_is_reconcile(name) {
            return self.read_reconcile(value);
        }
        if names::SPEC_WAIVE.strip_prefix(names::OPERATIONS_PREFIX) == Some(name) {
            return self.read_spec_waive(value);
        }
        let (kind, control) = match name.split_once('.') {
            Some((kind, control)) => (kind, Some(control)),
            None => (name, None),
        };
        if !kinds().any(|known| known == kind) {
            return Err(unknown_kind(kind));
        }
        let words = split(value)?;
        let (id, rest) = words
            .split_first()
            .ok_or("the value is empty: it begins with an id, such as a date or a ticket")?;
        check_id(id)?;
        match control {
            None => {
                let request = Request::new(kind, id, rest)?;
                self.requests.insert(kind.to_owned(), request);
            }
            Some(control) => self
                .controls
                .entry(kind.to_owned())
                .or_default()
                .set(control, id, rest)?,
        }
        Ok(())
    }

    fn read_reconcile(&mut self, value: &str) -> Result<(), String> {
        self.reconcile_paused = value == "paused";
        if self.reconcile_paused {
            Ok(())
        } else {
            Err(format!("the value is 'paused', not '{}'", clip(value)))
        }
    }
}

impl Intents {
    fn read_spec_waive(&mut self, value: &str) -> Result<(), String> {
        match value.split_whitespace().collect::<Vec<_>>()[..] {
            [tag, "downgrade"] => {
                self.waived_downgrade = Some(tag.to_owned());
                Ok(())
            }
            _ => Err(format!(
                "the value is '<image tag> downgrade', not '{}'",
                clip(value)
            )),
        }
    }
}

impl Request {
    /// A request from its parts.
    ///
    /// # Errors
    /// What is wrong with the id or the arguments.
    pub fn new(kind: &str, id: &str, words: &[String]) -> Result<Self, String> {
        check_id(id)?;
        if let Some(why) = asked_by_spec(kind) {
            return Err(why.to_owned());
        }
        let arguments = Arguments::parse(kind, words)?;
        if arguments.shared.dry_run == Some(DryRun::Client) {
            return Err(
                "--dry-run=client is for the command line; in an annotation use --dry-run".into(),
            );
        }
        if discards_data(kind) && arguments.cluster_uid.is_none() {
            return Err(format!(
                "{kind} discards data, so it says which cluster is meant: add --cluster-uid <metadata.uid of the cluster>"
            ));
        }
        Ok(Self {
            kind: kind.to_owned(),
            id: id.to_owned(),
            arguments,
        })
    }

    /// The value of the annotation that asks for this.
    pub fn value(&self) -> String {
        format!("{} {}", self.id, self.arguments.text)
            .trim_end()
            .to_owned()
    }

    /// Whether the plan is all that is asked for.
    pub fn is_dry_run(&self) -> bool {
        self.arguments.shared.dry_run.is_some()
    }
}

impl Controls {
    fn set(&mut self, control: &str, id: &str, rest: &[String]) -> Result<(), String> {
        if control == "waive" {
            let checks: Vec<String> = rest
                .iter()
                .flat_map(|word| word.split(','))
                .filter(|check| !check.is_empty())
                .map(str::to_owned)
                .collect();
            if checks.is_empty() {
                return Err(
                    "the value is '<id> <check>[,<check>…]': name the checks that are waived"
                        .into(),
                );
            }
            if let Some(bad) = checks.iter().find(|check| !is_check_name(check)) {
                return Err(format!("'{}' is not the name of a check", clip(bad)));
            }
            self.waive = Some((id.to_owned(), checks));
            return Ok(());
        }
        let slot = match control {
            "pause" => &mut self.pause,
            "cancel" => &mut self.cancel,
            "retry" => &mut self.retry,
            _ => {
                return Err(format!(
                    "no control is called '{}': pause, cancel, retry and waive are",
                    clip(control)
                ));
            }
        };
        if !rest.is_empty() {
            return Err("the value is the id of the request and nothing else".into());
        }
        *slot = Some(id.to_owned());
        Ok(())
    }
}

/// Checks the id of a request: a word of letters, digits and `. _ : -` that starts with a letter or digit.
///
/// # Errors
/// What is wrong with it.
pub fn check_id(id: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    let first = id.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if first && id.len() <= MAX_ID && id.chars().all(inner) {
        return Ok(());
    }
    Err(format!(
        "'{}' is not an id: at most {MAX_ID} letters, digits, '.', '_', ':' or '-', the first one a letter or digit",
        clip(id)
    ))
}

/// Names of checks are short words, such as `nodes-up`.
fn is_check_name(text: &str) -> bool {
    let known = |c: char| c.is_ascii_lowercase() || c == '-';
    text.len() <= MAX_ID && text.chars().all(known)
}

fn key_is_reconcile(name: &str) -> bool {
    names::RECONCILE.strip_prefix(names::OPERATIONS_PREFIX) == Some(name)
}

fn split(value: &str) -> Result<Vec<String>, String> {
    if value.len() > MAX_VALUE {
        return Err(format!(
            "the value has {} bytes; at most {MAX_VALUE} are read",
            value.len()
        ));
    }
    shlex::split(value)
        .ok_or_else(|| "the value ends within a quotation or after a backslash".into())
}

/// The message names the nearest kind, as the parser does for a mistyped subcommand.
fn unknown_kind(kind: &str) -> String {
    let kind = clip(kind);
    match Arguments::parse(&kind, &[]) {
        Err(message) => message.replace("subcommand", "operation"),
        Ok(_) => format!("no operation is called '{kind}'"),
    }
}

/// Enough of a bad value to recognise it; a status has limits.
fn clip(text: &str) -> String {
    operations::clip(text, 80)
}
