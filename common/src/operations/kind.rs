//! The kinds of operations, as a request and as a status name them.

use serde::{Deserialize, Serialize};

/// The kind of an operation.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(into = "&str")]
pub enum OperationKind {
    /// `decommission`
    Decommission,
    /// `remove`
    Remove,
    /// `replace`
    Replace,
    /// `cleanup`
    Cleanup,
    /// `flush`
    Flush,
    /// `restart`
    Restart,
    /// `repair`
    Repair,
    /// `rebuild`
    Rebuild,
    /// `snapshot`
    Snapshot,
    /// `clearsnapshot`
    ClearSnapshot,
    /// `refresh`
    Refresh,
    /// `backup`
    Backup,
    /// `verifybackup`
    VerifyBackup,
    /// `deletebackup`
    DeleteBackup,
    /// `upgradesstables`
    UpgradeSsTables,
    /// `compact`
    Compact,
    /// `garbagecollect`
    GarbageCollect,
    /// `scrub`
    Scrub,
    /// `relocate`
    Relocate,
    /// `drain`
    Drain,
}

impl OperationKind {
    /// Every kind, in the order of [`Self::priority`].
    pub const ALL: [Self; 20] = [
        Self::Decommission,
        Self::Remove,
        Self::Replace,
        Self::Cleanup,
        Self::Flush,
        Self::Restart,
        Self::Repair,
        Self::Rebuild,
        Self::Snapshot,
        Self::ClearSnapshot,
        Self::Refresh,
        Self::Backup,
        Self::VerifyBackup,
        Self::DeleteBackup,
        Self::UpgradeSsTables,
        Self::Compact,
        Self::GarbageCollect,
        Self::Scrub,
        Self::Relocate,
        Self::Drain,
    ];

    /// Position in the queue: of two waiting requests, the one with the lower number starts first. The order is: the
    /// decommission of the rollout, the kinds that repair a ring, the kinds that free space or are short, and `drain`
    /// last.
    pub const fn priority(self) -> u8 {
        match self {
            Self::Decommission => 0,
            Self::Remove => 10,
            Self::Replace => 11,
            Self::Cleanup => 20,
            Self::Flush => 21,
            Self::Restart => 30,
            Self::Repair => 40,
            Self::Rebuild => 41,
            Self::Snapshot => 50,
            Self::ClearSnapshot => 51,
            Self::Refresh => 52,
            Self::Backup => 53,
            Self::VerifyBackup => 54,
            Self::DeleteBackup => 55,
            Self::UpgradeSsTables => 60,
            Self::Compact => 61,
            Self::GarbageCollect => 62,
            Self::Scrub => 63,
            Self::Relocate => 64,
            Self::Drain => 70,
        }
    }

    /// The word of the kind, in annotations, in the status and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decommission => "decommission",
            Self::Remove => "remove",
            Self::Replace => "replace",
            Self::Cleanup => "cleanup",
            Self::Flush => "flush",
            Self::Restart => "restart",
            Self::Repair => "repair",
            Self::Rebuild => "rebuild",
            Self::Snapshot => "snapshot",
            Self::ClearSnapshot => "clearsnapshot",
            Self::Refresh => "refresh",
            Self::Backup => "backup",
            Self::VerifyBackup => "verifybackup",
            Self::DeleteBackup => "deletebackup",
            Self::UpgradeSsTables => "upgradesstables",
            Self::Compact => "compact",
            Self::GarbageCollect => "garbagecollect",
            Self::Scrub => "scrub",
            Self::Relocate => "relocate",
            Self::Drain => "drain",
        }
    }

    /// The kind of a word; none for a word that this version does not know.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether the kind discards data for good. Its request contains the UID of the cluster, and an ID is never used
    /// twice.
    pub const fn discards_data(self) -> bool {
        matches!(self, Self::Remove | Self::Replace)
    }

    /// Whether a cancel lets the node at work do all its steps, or clean up: it would serve no clients, or keep a snapshot.
    pub const fn ends_its_node(self) -> bool {
        matches!(self, Self::Restart | Self::Backup)
    }

    /// Whether the executor of a node that is cancelled removes what the node keeps before the node ends.
    pub const fn cleans_up(self) -> bool {
        matches!(self, Self::Backup)
    }

    /// Whether all nodes begin at once, whatever the waves are: they take turns at a later step.
    pub const fn begins_together(self) -> bool {
        matches!(self, Self::Backup)
    }

    /// Whether a schedule may request the kind: it is done anew each time, on the ring as it is then.
    pub const fn may_be_scheduled(self) -> bool {
        match self {
            Self::Cleanup
            | Self::Flush
            | Self::Restart
            | Self::Repair
            | Self::Snapshot
            | Self::ClearSnapshot
            | Self::Backup
            | Self::UpgradeSsTables
            | Self::Compact
            | Self::GarbageCollect
            | Self::Scrub
            | Self::Relocate => true,
            Self::Decommission
            | Self::Remove
            | Self::Replace
            | Self::Rebuild
            | Self::Refresh
            | Self::DeleteBackup
            | Self::VerifyBackup
            | Self::Drain => false,
        }
    }

    /// The reason why the kind cannot be requested, if it cannot: the operator runs it if the spec requires it.
    pub const fn asked_by_spec(self) -> Option<&'static str> {
        match self {
            Self::Decommission => Some(
                "a node is decommissioned where the spec asks for fewer of them: lower nodesPerRacks, or take the rack out of the topology",
            ),
            _ => None,
        }
    }
}

impl std::fmt::Display for OperationKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<OperationKind> for &'static str {
    fn from(kind: OperationKind) -> Self {
        kind.as_str()
    }
}

/// The kind that a status records. A status that another version of the operator has written may name a kind that this
/// version does not know; the word is kept unchanged.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(from = "String", into = "String")]
pub enum RecordedKind {
    /// A kind of this version.
    Known(OperationKind),
    /// The word of another kind.
    Other(String),
}

impl RecordedKind {
    /// The word of the kind.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(kind) => kind.as_str(),
            Self::Other(word) => word,
        }
    }

    /// The kind; none for a word that this version does not know.
    pub fn known(&self) -> Option<OperationKind> {
        match self {
            Self::Known(kind) => Some(*kind),
            Self::Other(_) => None,
        }
    }

    /// Whether the kind discards data, see [`OperationKind::discards_data`]; false for an unknown kind.
    pub fn discards_data(&self) -> bool {
        self.known().is_some_and(OperationKind::discards_data)
    }
}

impl Default for RecordedKind {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl From<OperationKind> for RecordedKind {
    fn from(kind: OperationKind) -> Self {
        Self::Known(kind)
    }
}

impl From<&str> for RecordedKind {
    fn from(word: &str) -> Self {
        let known = OperationKind::from_word(word).map(Self::Known);
        known.unwrap_or_else(|| Self::Other(word.to_owned()))
    }
}

impl From<String> for RecordedKind {
    fn from(word: String) -> Self {
        Self::from(word.as_str())
    }
}

impl From<RecordedKind> for String {
    fn from(kind: RecordedKind) -> Self {
        match kind {
            RecordedKind::Known(kind) => kind.as_str().to_owned(),
            RecordedKind::Other(word) => word,
        }
    }
}

impl PartialEq<OperationKind> for RecordedKind {
    fn eq(&self, kind: &OperationKind) -> bool {
        self.known() == Some(*kind)
    }
}

impl std::fmt::Display for RecordedKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl schemars::JsonSchema for RecordedKind {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RecordedKind".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}
