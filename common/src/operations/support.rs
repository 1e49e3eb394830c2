//! Features that the transports to a node support, by release of Cassandra. A request that asks for more is refused before
//! anything is called; `docs/reference/node-api.md` is written from the same rows.

use crate::{
    api::NodeApiKind,
    operations::{Operation, OperationKind},
};

/// Major and minor number of a release of Cassandra.
pub type Release = (u32, u32);

/// The supported releases.
pub const RELEASES: [Release; 3] = [(4, 0), (4, 1), (5, 0)];

/// Something that a request asks of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// All that a kind does without further arguments.
    Kind(OperationKind),
    /// The rebuild of single keyspaces.
    RebuildOfKeyspace,
    /// A snapshot that Cassandra deletes.
    ExpiringSnapshot,
    /// A cancel that ends the step at work.
    EndOfRunningStep,
}

/// The reason why a node has no way to do something, and the way that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The lack, after the name of the transport or of the release.
    pub lack: &'static str,
    /// The way that works.
    pub instead: &'static str,
}

impl Feature {
    /// Every feature, in the order of the reference.
    pub fn all() -> impl Iterator<Item = Self> {
        let kinds = OperationKind::ALL.into_iter().flat_map(|kind| {
            let more = match kind {
                OperationKind::Rebuild => Some(Self::RebuildOfKeyspace),
                OperationKind::Snapshot => Some(Self::ExpiringSnapshot),
                _ => None,
            };
            std::iter::once(Self::Kind(kind)).chain(more)
        });
        kinds.chain([Self::EndOfRunningStep])
    }

    /// The words of a request for it.
    pub fn words(self) -> String {
        match self {
            Self::Kind(kind) => kind.to_string(),
            Self::RebuildOfKeyspace => "rebuild --keyspace".into(),
            Self::ExpiringSnapshot => "snapshot --ttl".into(),
            Self::EndOfRunningStep => "cancel, of the step at work".into(),
        }
    }

    /// The features that an operation needs.
    pub fn needed_by(operation: &Operation) -> impl Iterator<Item = Self> {
        let more = match operation {
            Operation::Rebuild(rebuild) if !rebuild.keyspace.is_empty() => {
                Some(Self::RebuildOfKeyspace)
            }
            Operation::Snapshot(snapshot) if snapshot.ttl.is_some() => Some(Self::ExpiringSnapshot),
            _ => None,
        };
        std::iter::once(Self::Kind(operation.kind())).chain(more)
    }

    /// Why a node of this release that is reached in this way has no way to do it; nothing if it has one.
    pub fn gap(self, transport: NodeApiKind, release: Release) -> Option<Gap> {
        match (transport, self) {
            (NodeApiKind::ManagementApi, Self::Kind(OperationKind::Relocate)) => Some(Gap {
                lack: "has no call for it",
                instead: "run `nodetool relocatesstables` in the Cassandra containers, one node after the other",
            }),
            (NodeApiKind::ManagementApi, Self::Kind(OperationKind::Remove)) => Some(Gap {
                lack: "has no call for the removal of a dead node",
                instead: "use `replace`, which gives the place of the lost node to a new one; or run `nodetool removenode <host id>` in the Cassandra container of a live node",
            }),
            (NodeApiKind::ManagementApi, Self::RebuildOfKeyspace) => Some(Gap {
                lack: "rebuilds whole nodes only",
                instead: "leave out `--keyspace`, which rebuilds all keyspaces at once",
            }),
            (NodeApiKind::ManagementApi, Self::ExpiringSnapshot) => Some(Gap {
                lack: "has no snapshots that expire",
                instead: "leave out `--ttl`, and delete the snapshot by `clearsnapshot`",
            }),
            (NodeApiKind::ManagementApi, Self::EndOfRunningStep) => Some(Gap {
                lack: "stops repairs only; any other step goes on to its end",
                instead: "run `nodetool stop <type of the task>` in the Cassandra container",
            }),
            // 4.0 takes the option, and keeps the snapshot for ever.
            (_, Self::ExpiringSnapshot) if release < (4, 1) => Some(Gap {
                lack: "has no snapshots that expire (4.1 and later have them)",
                instead: "leave out `--ttl`, and delete the snapshot by `clearsnapshot`",
            }),
            _ => None,
        }
    }

    /// Whether any one member of the ring can do it, and not the node that it is about.
    pub fn is_of_any_member(self) -> bool {
        self == Self::Kind(OperationKind::Remove)
    }

    /// The gap of a transport that no release closes.
    pub fn gap_of_transport(self, transport: NodeApiKind) -> Option<Gap> {
        let gaps = RELEASES.map(|release| self.gap(transport, release));
        gaps.into_iter().reduce(Option::and)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::Arguments;

    #[test]
    fn jolokia_has_a_way_for_every_kind() {
        for feature in Feature::all() {
            assert_eq!(feature.gap_of_transport(NodeApiKind::Jolokia), None);
        }
        let old = Feature::ExpiringSnapshot.gap(NodeApiKind::Jolokia, (4, 0));
        assert!(old.is_some());
    }

    #[test]
    fn a_request_needs_what_its_arguments_ask_for() {
        let gaps = |kind: &str, words: &str| {
            let words = shlex::split(words).unwrap();
            let operation = Arguments::parse(kind, &words).unwrap().operation;
            let needed = Feature::needed_by(&operation);
            needed
                .filter_map(|feature| feature.gap_of_transport(NodeApiKind::ManagementApi))
                .count()
        };
        assert_eq!(gaps("snapshot", "--name a"), 0);
        assert_eq!(gaps("snapshot", "--name a --ttl 1d"), 1);
        assert_eq!(gaps("rebuild", "--from-dc dc2"), 0);
        assert_eq!(gaps("rebuild", "--from-dc dc2 --keyspace k"), 1);
        assert_eq!(gaps("relocate", ""), 1);
        assert_eq!(gaps("remove", "--pod p"), 1);
        assert_eq!(gaps("replace", "--pod p"), 0);
    }
}
