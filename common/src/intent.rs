//! The intent protocol: annotations of a `CassandraCluster` that request operations and control them.
//!
//! ```text
//! operations.db.orange.com/<kind>:           "<id> [arguments]"
//! operations.db.orange.com/<kind>.<control>: "<id> [values]"
//! operations.db.orange.com/reconcile:        "paused"
//! ```
//! The operator only reads these annotations. A request is new if its ID is new. An invalid value changes nothing and
//! is reported.

use std::collections::BTreeMap;

use casskop_backup_protocol::Name;

use crate::{
    names::{self, BACKUP_SNAPSHOT},
    operations::{self, Arguments, DryRun, Operation, OperationKind},
};

/// Maximum length of an ID, which is the limit of a label value.
const MAX_ID: usize = 63;
/// Maximum length of an annotation value in bytes; longer values are not parsed. A request that needs more lists more
/// names than are readable.
const MAX_VALUE: usize = 8192;

/// Stands for the ID of the request in the text of a schedule.
pub const SCHEDULED_ID: &str = "{id}";

/// Most invalid annotations that are reported one by one; there are fewer known keys.
pub const MAX_INVALID: usize = 200;
/// Controls of a request.
const CONTROLS: [&str; 4] = ["pause", "cancel", "retry", "waive"];
/// Unknown kinds for which the nearest kind is searched: the search takes 0.1 ms.
const MAX_NEAREST: usize = 20;

/// Requests and controls in the annotations of one cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Intents {
    /// The request of each kind.
    pub requests: BTreeMap<OperationKind, Request>,
    /// Controls, by kind.
    pub controls: BTreeMap<OperationKind, Controls>,
    /// Whether all changes of the cluster are paused.
    pub reconcile_paused: bool,
    /// Tag of an image whose Cassandra release may be earlier than the running one.
    pub waived_downgrade: Option<String>,
    /// Invalid annotations, at most [`MAX_INVALID`]; those with a known key come first.
    pub invalid: Vec<Invalid>,
    /// Number of further invalid annotations.
    pub more_invalid: usize,
}

/// One requested operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Kind of the operation.
    pub kind: OperationKind,
    /// ID chosen by the requester; an ID is never run twice.
    pub id: String,
    /// Arguments of the operation.
    pub arguments: Arguments,
}

/// IDs in the controls of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// No further node of this request starts.
    pub pause: Option<String>,
    /// This request ends early.
    pub cancel: Option<String>,
    /// The failed nodes of this request are retried.
    pub retry: Option<String>,
    /// The named checks do not block this request.
    pub waive: Option<(String, Vec<String>)>,
}

/// An invalid annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Key of the annotation.
    pub annotation: String,
    /// The error, and the nearest valid word if there is one.
    pub message: String,
}

impl Intents {
    /// Parses the annotations of a cluster; annotations with another prefix are ignored.
    pub fn parse(annotations: &BTreeMap<String, String>) -> Self {
        let mut intents = Self::default();
        let mut unknown = Vec::new();
        for (key, value) in annotations {
            let Some(name) = key.strip_prefix(names::OPERATIONS_PREFIX) else {
                continue;
            };
            if !names_known(name) {
                unknown.push((key, name, value));
            } else if let Err(message) = intents.read(name, value) {
                intents.reject(key, message);
            }
        }
        // A mistyped control of a kind comes before a word that is no kind.
        unknown.sort_by_key(|(_, name, _)| !is_kind(kind_of(name)));
        let mut searches = 0;
        for (key, name, value) in unknown {
            if intents.invalid.len() >= MAX_INVALID {
                intents.more_invalid += 1;
                continue;
            }
            let kind = kind_of(name);
            let message = if is_kind(kind) {
                intents.read(name, value).err()
            } else if searches < MAX_NEAREST {
                searches += 1;
                Some(unknown_kind(kind))
            } else {
                Some(format!("no operation is called '{}'", clip(kind)))
            };
            if let Some(message) = message {
                intents.reject(key, message);
            }
        }
        intents
    }

    /// Records an invalid annotation, or only counts it.
    fn reject(&mut self, key: &str, message: String) {
        if self.invalid.len() >= MAX_INVALID {
            self.more_invalid += 1;
            return;
        }
        self.invalid.push(Invalid {
            annotation: key.to_owned(),
            message,
        });
    }

    fn read(&mut self, name: &str, value: &str) -> Result<(), String> {
        if key_is_reconcile(name) {
            return self.read_reconcile(value);
        }
        if key_is_spec_waive(name) {
            return self.read_spec_waive(value);
        }
        let (kind, control) = match name.split_once('.') {
            Some((kind, control)) => (kind, Some(control)),
            None => (name, None),
        };
        let kind = OperationKind::from_word(kind).ok_or_else(|| unknown_kind(kind))?;
        let words = split(value)?;
        let (id, rest) = words
            .split_first()
            .ok_or("the value is empty: it begins with an id, such as a date or a ticket")?;
        check_id(id)?;
        match control {
            None => {
                let request = Request::new(kind, id, rest)?;
                self.requests.insert(kind, request);
            }
            Some(control) => self
                .controls
                .entry(kind)
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
    /// The error in the ID or the arguments.
    pub fn new(kind: OperationKind, id: &str, words: &[String]) -> Result<Self, String> {
        check_id(id)?;
        if let Some(why) = kind.asked_by_spec() {
            return Err(why.to_owned());
        }
        let arguments = Arguments::parse(kind.as_str(), words)?;
        if arguments.shared.dry_run == Some(DryRun::Client) {
            return Err(
                "--dry-run=client is for the command line; in an annotation use --dry-run".into(),
            );
        }
        if kind.discards_data() && arguments.cluster_uid.is_none() {
            return Err(format!(
                "{kind} discards data, so it says which cluster is meant: add --cluster-uid <metadata.uid of the cluster>"
            ));
        }
        // The id is a part of the names of files and objects.
        if kind == OperationKind::Backup
            && let Err(error) = format!("{BACKUP_SNAPSHOT}{id}").parse::<Name>()
        {
            return Err(format!(
                "the id of a backup is a part of its name in the store, and {error}"
            ));
        }
        Ok(Self {
            kind,
            id: id.to_owned(),
            arguments,
        })
    }

    /// A request of a schedule, from the text `<kind> [arguments]`, in which `{id}` stands for the ID.
    ///
    /// # Errors
    /// The error in the kind, the ID or the arguments, or the reason why a schedule may not have them.
    pub fn scheduled(id: &str, text: &str) -> Result<Self, String> {
        let words = split(&text.replace(SCHEDULED_ID, id))?;
        let (kind, rest) = words
            .split_first()
            .ok_or("the request is empty: it begins with a kind, such as repair")?;
        let kind = OperationKind::from_word(kind).ok_or_else(|| unknown_kind(kind))?;
        if !kind.may_be_scheduled() {
            let all = OperationKind::ALL.iter();
            let others = all.filter(|kind| kind.may_be_scheduled());
            let others: Vec<&str> = others.map(|kind| kind.as_str()).collect();
            return Err(format!(
                "{kind} cannot be scheduled: request it by its annotation. Kinds that can are {}",
                others.join(", ")
            ));
        }
        let request = Self::new(kind, id, rest)?;
        if request.is_dry_run() {
            return Err("a plan alone cannot be scheduled: remove --dry-run".into());
        }
        let names_it = |operation: &Operation| match operation {
            Operation::Snapshot(snapshot) => snapshot.name.contains(id),
            _ => true,
        };
        if !names_it(&request.arguments.operation) {
            return Err(format!(
                "each snapshot needs a name of its own: write --name {SCHEDULED_ID}, which stands for the id of the request"
            ));
        }
        Ok(request)
    }

    /// Value of the request annotation.
    pub fn value(&self) -> String {
        format!("{} {}", self.id, self.arguments.text)
            .trim_end()
            .to_owned()
    }

    /// Whether only a plan is requested.
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

/// Checks the ID of a request: a word of letters, digits and `. _ : -` that starts with a letter or digit.
///
/// # Errors
/// The reason why the ID is invalid.
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

/// Names of checks consist of lower-case letters and `-`, such as `nodes-up`.
fn is_check_name(text: &str) -> bool {
    let known = |c: char| c.is_ascii_lowercase() || c == '-';
    text.len() <= MAX_ID && text.chars().all(known)
}

/// Whether an annotation requests an operation, controls one, or controls the cluster; the number of such keys is
/// limited.
pub fn is_known(annotation: &str) -> bool {
    let name = annotation.strip_prefix(names::OPERATIONS_PREFIX);
    name.is_some_and(names_known)
}

fn names_known(name: &str) -> bool {
    let is_control = |control: &str| CONTROLS.contains(&control);
    key_is_reconcile(name)
        || key_is_spec_waive(name)
        || match name.split_once('.') {
            Some((kind, control)) => is_kind(kind) && is_control(control),
            None => is_kind(name),
        }
}

fn is_kind(name: &str) -> bool {
    OperationKind::from_word(name).is_some()
}

fn kind_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(kind, _)| kind)
}

fn key_is_spec_waive(name: &str) -> bool {
    names::SPEC_WAIVE.strip_prefix(names::OPERATIONS_PREFIX) == Some(name)
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

/// Error for an unknown kind. It names the nearest kind, as the parser does for a mistyped subcommand.
fn unknown_kind(kind: &str) -> String {
    let kind = clip(kind);
    match Arguments::parse(&kind, &[]) {
        Err(message) => message.replace("subcommand", "operation"),
        Ok(_) => format!("no operation is called '{kind}'"),
    }
}

/// Shortens an invalid value, because the size of the status is limited.
fn clip(text: &str) -> String {
    operations::clip(text, 80)
}
