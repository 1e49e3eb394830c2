//! The report of a job at its end: one line of JSON on standard output and in the termination message of its container.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Name;

/// Bytes of a termination message that Kubernetes keeps.
pub const TERMINATION_LIMIT: usize = 4096;

/// Exit codes, for the `podFailurePolicy` of a Job.
pub mod exit {
    /// Done.
    pub const DONE: u8 = 0;
    /// Failed, and the same command fails again.
    pub const FAILED: u8 = 1;
    /// The arguments are not understood.
    pub const USAGE: u8 = 2;
    /// A backup is damaged or incomplete.
    pub const DAMAGED: u8 = 65;
    /// Failed for now: the same command may succeed later, and sends nothing twice.
    pub const RETRY: u8 = 75;
}

/// How a job ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// [`exit::DONE`].
    #[default]
    Done,
    /// [`exit::FAILED`].
    Failed,
    /// [`exit::DAMAGED`].
    Damaged,
    /// [`exit::RETRY`].
    Retry,
}

/// The work of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// The subcommand.
    pub command: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The backup that it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Name>,
    /// The failure: of which action, on which object, why, and what to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Files of the backup.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were written to the store, or files to the volume.
    pub sent_objects: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Objects that were there already.
    pub skipped_objects: u64,
    /// Their bytes.
    pub skipped_bytes: u64,
    /// Bytes whose digest was computed.
    pub hashed_bytes: u64,
    /// The most memory that the process had, resident.
    pub peak_memory_bytes: u64,
    /// Wall time in milliseconds.
    pub milliseconds: u64,
    /// `purge`, `delete`: backups that exist no longer, those that were deleted before among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted_backups: Vec<Name>,
    /// `purge`: begun backups without a sign of life, whose manifests were removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub abandoned: Vec<Name>,
    /// `purge`: backups that run, for whose sake no object was deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<Name>,
    /// `purge`: objects that were deleted.
    pub deleted_objects: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// `purge`: objects without a backup that the next pass may delete.
    pub orphans: u64,
    /// Their bytes.
    pub orphan_bytes: u64,
    /// `purge`, `delete`: objects that the store keeps by an object lock, or does not let these credentials delete.
    pub locked: u64,
    /// `list`: the backups that exist, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backups: Vec<BackupListing>,
    /// `verify`: what is missing or damaged, the first of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// Problems or backups that had no place in the line.
    pub more: u64,
}

/// A backup in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupListing {
    /// Its id.
    pub backup: Name,
    /// When it began; missing if its manifest cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Its nodes.
    pub nodes: u64,
    /// Their files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Keyspaces that it has, without the others; all if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyspaces: Vec<Name>,
    /// Nodes that it does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Name>,
    /// Why its manifest cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A fault of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The object or file.
    pub object: String,
    /// Its fault.
    pub problem: String,
}

impl Summary {
    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self.outcome {
            Outcome::Done => exit::DONE,
            Outcome::Failed => exit::FAILED,
            Outcome::Damaged => exit::DAMAGED,
            Outcome::Retry => exit::RETRY,
        }
    }

    /// One line of JSON of at most `limit` bytes: lists are cut and the rest counted in [`Summary::more`].
    pub fn line(&self, limit: usize) -> String {
        let mut cut = self.clone();
        loop {
            let line = serde_json::to_string(&cut).unwrap_or_default();
            if line.len() <= limit {
                return line;
            }
            let removed = cut.problems.pop().is_some()
                || cut.backups.pop().is_some()
                || cut.deleted_backups.pop().is_some()
                || cut.abandoned.pop().is_some()
                || cut.waits_for.pop().is_some();
            if removed {
                cut.more += 1;
                continue;
            }
            match &mut cut.error {
                // A character of JSON is 6 bytes at most.
                Some(error) if error.chars().count() > 400 => {
                    *error = error.chars().take(400).collect();
                }
                _ => return line,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_into_a_termination_message() {
        let problem = Problem {
            object: "o".repeat(90),
            problem: "p".repeat(90),
        };
        let summary = Summary {
            problems: vec![problem; 1000],
            error: Some("\u{1}".repeat(10_000)),
            outcome: Outcome::Damaged,
            ..Summary::default()
        };
        let line = summary.line(TERMINATION_LIMIT);
        assert!(line.len() <= TERMINATION_LIMIT);
        let read: Summary = serde_json::from_str(&line).unwrap();
        assert_eq!(read.more + read.problems.len() as u64, 1000);
        assert_eq!(read.exit_code(), exit::DAMAGED);
    }
}
