//! The kinds of operations and their arguments. The grammar is the same for a command line after `kubectl casskop
//! <kind> <cluster>` and for an annotation.
//!
//! A new kind needs a file with its arguments, and an arm in [`Operation`].

pub mod backup;
pub mod cleanup;
pub mod clearsnapshot;
pub mod compact;
pub mod decommission;
pub mod deletebackup;
mod discard;
pub mod drain;
pub mod flush;
pub mod garbagecollect;
mod kind;
pub mod rebuild;
pub mod refresh;
pub mod relocate;
pub mod remove;
pub mod repair;
pub mod replace;
pub mod restart;
pub mod scrub;
mod shared;
pub mod snapshot;
pub mod support;
mod tables;
pub mod upgradesstables;
mod value;
pub mod verifybackup;

use std::sync::LazyLock;

use clap::{
    ArgMatches, Args, Command, FromArgMatches, Subcommand, error::ErrorKind, parser::ValueSource,
};

pub use discard::Discard;
pub use kind::{OperationKind, RecordedKind};
pub use shared::{DryRun, Parallel, Shared, Target, Waves};
pub use tables::Tables;
pub use value::ClusterValue;

/// An operation with its own arguments.
#[derive(Subcommand, Clone, Debug, PartialEq)]
pub enum Operation {
    /// Stream all data to the other nodes and leave the ring, where the spec requires fewer nodes
    #[command(hide = true)]
    Decommission(decommission::Decommission),
    /// Remove a permanently dead node from the ring; its pod is re-created with an empty volume
    Remove(remove::Remove),
    /// Replace a lost node with a new node, which starts with an empty volume
    Replace(replace::Replace),
    /// Delete the data that a node no longer owns, after the ring has grown
    Cleanup(cleanup::Cleanup),
    /// Write memtables to disk
    Flush(flush::Flush),
    /// Restart nodes one after the other; volumes stay
    Restart(restart::Restart),
    /// Repair the replicas of each range, node by node
    Repair(repair::Repair),
    /// Stream data from another data center, after this data center was added
    Rebuild(rebuild::Rebuild),
    /// Take a snapshot of the current data
    Snapshot(snapshot::Snapshot),
    /// Delete a snapshot
    #[command(name = "clearsnapshot")]
    ClearSnapshot(clearsnapshot::ClearSnapshot),
    /// Load data files that were copied into a table's folder
    Refresh(refresh::Refresh),
    /// Copy the current data to a store outside of the cluster
    Backup(backup::Backup),
    /// Check that a backup has everything
    #[command(name = "verifybackup")]
    VerifyBackup(verifybackup::VerifyBackup),
    /// Delete a backup
    #[command(name = "deletebackup")]
    DeleteBackup(deletebackup::DeleteBackup),
    /// Rewrite data files in the format of the running version of Cassandra, after an upgrade
    #[command(name = "upgradesstables")]
    UpgradeSsTables(upgradesstables::UpgradeSsTables),
    /// Merge the data files of each table
    Compact(compact::Compact),
    /// Drop deleted and overwritten data from data files
    #[command(name = "garbagecollect")]
    GarbageCollect(garbagecollect::GarbageCollect),
    /// Rewrite data files without the rows that cannot be read
    Scrub(scrub::Scrub),
    /// Move data files to the disk that their tokens belong to
    Relocate(relocate::Relocate),
    /// Write memtables to disk and stop serving, until the pod is restarted
    Drain(drain::Drain),
}

impl Operation {
    /// Its kind.
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Decommission(_) => OperationKind::Decommission,
            Self::Remove(_) => OperationKind::Remove,
            Self::Replace(_) => OperationKind::Replace,
            Self::Cleanup(_) => OperationKind::Cleanup,
            Self::Flush(_) => OperationKind::Flush,
            Self::Restart(_) => OperationKind::Restart,
            Self::Repair(_) => OperationKind::Repair,
            Self::Rebuild(_) => OperationKind::Rebuild,
            Self::Snapshot(_) => OperationKind::Snapshot,
            Self::ClearSnapshot(_) => OperationKind::ClearSnapshot,
            Self::Refresh(_) => OperationKind::Refresh,
            Self::Backup(_) => OperationKind::Backup,
            Self::VerifyBackup(_) => OperationKind::VerifyBackup,
            Self::DeleteBackup(_) => OperationKind::DeleteBackup,
            Self::UpgradeSsTables(_) => OperationKind::UpgradeSsTables,
            Self::Compact(_) => OperationKind::Compact,
            Self::GarbageCollect(_) => OperationKind::GarbageCollect,
            Self::Scrub(_) => OperationKind::Scrub,
            Self::Relocate(_) => OperationKind::Relocate,
            Self::Drain(_) => OperationKind::Drain,
        }
    }
}

/// A parsed request: kind, arguments and targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Arguments {
    /// Arguments of the kind.
    pub operation: Operation,
    /// Arguments that every kind has, such as targets.
    pub shared: Shared,
    /// UID of the cluster, for a kind that discards data.
    pub cluster_uid: Option<String>,
    /// All arguments in canonical form, as written after the ID in an annotation.
    pub text: String,
}

/// The grammar: a command with one subcommand per kind, each with the arguments of the kind and the shared arguments.
pub fn grammar(name: &'static str) -> Command {
    Operation::augment_subcommands(Command::new(name)).mut_subcommands(|kind| {
        // The shared arguments would replace the description of the kind.
        let about = kind.get_about().cloned().unwrap_or_default();
        let kind = Shared::augment_args(kind).about(about);
        // One node after the other, a backup of a large ring would take weeks; each node has a rate of its own.
        if kind.get_name() == OperationKind::Backup.as_str() {
            return kind.mut_arg("parallel", |parallel| parallel.default_value("rack"));
        }
        kind
    })
}

/// The grammar of an annotation, without help flags. Built once, because every reconciliation parses the annotations.
static REQUEST: LazyLock<Command> =
    LazyLock::new(|| grammar("request").mut_subcommands(|kind| kind.disable_help_flag(true)));

/// The part of that grammar for a request of one kind; the whole grammar for an unknown kind.
fn request(kind: &str) -> Command {
    let command = match REQUEST.find_subcommand(kind) {
        Some(own) => Command::new("request").subcommand(own.clone()),
        None => REQUEST.clone(),
    };
    command.disable_help_subcommand(true)
}

/// Names of all kinds in the order of their priority: the first waiting one runs first.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    OperationKind::ALL.into_iter().map(OperationKind::as_str)
}

/// Argument of the kinds that discard data.
const CLUSTER_UID: &str = "cluster_uid";

impl Arguments {
    /// Reads a request from the matches of a command that [`grammar`] built; the subcommand is the kind.
    ///
    /// # Errors
    /// If the arguments contradict each other. The message is for users.
    pub fn from_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let operation = Operation::from_arg_matches(matches)?;
        let (kind, own) = matches.subcommand().unwrap_or(("", matches));
        if given(own, "table") > 0 && given(own, "keyspace") != 1 {
            return Err(clap::Error::raw(
                ErrorKind::ArgumentConflict,
                "--table names tables of one keyspace: give exactly one --keyspace with it\n",
            ));
        }
        let text = REQUEST
            .find_subcommand(kind)
            .map(|kind| canonical(kind, own))
            .unwrap_or_default();
        Ok(Self {
            operation,
            shared: Shared::from_arg_matches(own)?,
            cluster_uid: own
                .try_get_one::<String>(CLUSTER_UID)
                .ok()
                .flatten()
                .cloned(),
            text,
        })
    }

    /// Parses [`Self::text`], as recorded in the status. None if another version wrote it with words that this version
    /// does not know.
    pub fn recorded(kind: &RecordedKind, text: &str) -> Option<Self> {
        Self::parse(kind.as_str(), &shlex::split(text)?).ok()
    }

    /// Parses the words after the ID in an annotation.
    ///
    /// # Errors
    /// The message of the parser in one line, with the nearest valid word if there is one.
    pub fn parse(kind: &str, words: &[String]) -> Result<Self, String> {
        let argv = ["request", kind]
            .into_iter()
            .map(str::to_owned)
            .chain(words.iter().cloned());
        request(kind)
            .try_get_matches_from(argv)
            .and_then(|matches| Self::from_matches(&matches))
            .map_err(|error| one_line(&error))
    }
}

/// Number of values of an argument; 0 if the kind does not have the argument.
fn given(matches: &ArgMatches, id: &str) -> usize {
    matches
        .try_get_many::<String>(id)
        .ok()
        .flatten()
        .map_or(0, Iterator::count)
}

/// The explicit arguments as they are typed, in the order of the grammar.
fn canonical(command: &Command, matches: &ArgMatches) -> String {
    let mut words = Vec::new();
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        let Some(long) = arg.get_long() else { continue };
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        if !arg.get_action().takes_values() {
            words.push(format!("--{long}"));
            continue;
        }
        for value in matches.get_raw(id).into_iter().flatten() {
            let value = value.to_string_lossy();
            let value = shlex::try_quote(&value).unwrap_or_default();
            let between = if arg.is_require_equals_set() {
                '='
            } else {
                ' '
            };
            words.push(format!("--{long}{between}{value}"));
        }
    }
    words.join(" ")
}

/// The message of clap without the usage lines after it.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let message = text.split("\n\nUsage:").next().unwrap_or_default();
    let message = message
        .split("\n\nFor more information")
        .next()
        .unwrap_or_default();
    let message = message
        .trim_start_matches("error:")
        .replace("\n\n  tip:", "; tip:");
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    clip(&line, MAX_MESSAGE)
}

/// Maximum length of a message about an invalid argument, in characters: the message quotes the value, and the size of
/// the status is limited.
const MAX_MESSAGE: usize = 400;

/// The beginning of a text, with an ellipsis if the text is longer.
pub(crate) fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_the_grammar_is_one_of_the_enum() {
        let grammar = grammar("kinds");
        let mut words: Vec<&str> = grammar.get_subcommands().map(Command::get_name).collect();
        let mut known: Vec<&str> = kinds().collect();
        words.sort_unstable();
        known.sort_unstable();
        assert_eq!(words, known);
        for kind in OperationKind::ALL {
            assert_eq!(OperationKind::from_word(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn a_status_keeps_the_word_of_a_kind_of_another_version() {
        let status: crate::api::CassandraClusterStatus =
            serde_json::from_value(serde_json::json!({
                "operations": [
                    { "kind": "verify", "id": "a", "phase": "Running", "requestedBy": "schedule" },
                    { "kind": "cleanup", "id": "b", "phase": "Running", "requestedBy": "autoPilot" },
                ],
            }))
            .expect("an unknown kind is no error");
        let [unknown, known] = &status.operations[..] else {
            unreachable!("two operations")
        };
        assert_eq!(unknown.kind, RecordedKind::Other("verify".into()));
        assert_eq!(unknown.kind.known(), None);
        assert_eq!(known.kind, OperationKind::Cleanup);
        assert_eq!(known.requested_by, Some(crate::api::Requester::AutoPilot));
        let written = serde_json::to_value(&status).expect("JSON");
        assert_eq!(written["operations"][0]["kind"], "verify");
        assert_eq!(written["operations"][0]["requestedBy"], "schedule");
        assert_eq!(written["operations"][1]["kind"], "cleanup");
        assert_eq!(written["operations"][1]["requestedBy"], "autoPilot");
    }

    #[test]
    fn kinds_are_listed_by_priority() {
        let priorities = OperationKind::ALL.map(OperationKind::priority);
        assert!(priorities.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn what_discards_data_says_which_cluster_is_meant() {
        for kind in grammar("kinds").get_subcommands() {
            let mut arguments = kind.get_arguments();
            let asks = arguments.any(|argument| argument.get_id() == CLUSTER_UID);
            let known = OperationKind::from_word(kind.get_name()).expect("a kind");
            assert_eq!(known.discards_data(), asks, "{known}");
        }
    }
}
