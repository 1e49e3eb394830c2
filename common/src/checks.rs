//! Safety checks: their names, and the command that satisfies each of them.

use crate::{api::Check, words::open_words};

open_words! {
    /// Names of the checks.
    CheckName {
        /// Nodes are NORMAL and serve clients.
        NodesUp = "nodes-up",
        /// No node joins, leaves or moves.
        RingSettled = "ring-settled",
        /// All members have the same schema.
        SchemaAgreed = "schema-agreed",
        /// Every keyspace keeps a quorum without the nodes of a wave.
        QuorumKept = "quorum-kept",
        /// Every keyspace keeps as many nodes and racks as it has replicas.
        ReplicasRemain = "replicas-remain",
        /// No remaining node holds data that it no longer owns.
        CleanupDone = "cleanup-done",
        /// Nodes have room for the data that they receive.
        DiskSpace = "disk-space",
        /// The source of a rebuild replicates the keyspaces.
        SourceHasData = "source-has-data",
        /// The node to discard is down.
        NodeIsDown = "node-is-down",
        /// The node to discard belongs to this cluster.
        NodeInCluster = "node-in-cluster",
        /// The file system of a volume has the size of the volume; a check of the spec, not of an operation.
        FileSystemGrown = "file-system-grown",
    }
}

/// Action that satisfies a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// `kubectl casskop <verb> <cluster> <flags>`.
    Command {
        /// The subcommand.
        verb: &'static str,
        /// Flags after the name of the cluster.
        flags: String,
    },
    /// A change without a command of the plugin.
    Words(&'static str),
}

impl CheckName {
    /// Whether the check passes only after an administrator has changed something. The other checks usually pass
    /// without intervention.
    pub fn needs_a_person(&self) -> bool {
        matches!(
            self,
            Self::ReplicasRemain | Self::CleanupDone | Self::DiskSpace | Self::SourceHasData
        )
    }

    /// The action that satisfies the check for the given pods, which failed it.
    pub fn remedy(&self, pods: &[String]) -> Remedy {
        let command = |verb, flags: String| Remedy::Command { verb, flags };
        let flags = |pods: &[String]| {
            let flags: Vec<String> = pods.iter().map(|pod| format!("--pod {pod}")).collect();
            flags.join(" ")
        };
        match self {
            Self::CleanupDone => command("cleanup", flags(pods)),
            Self::NodesUp => command("logs", flags(&pods[..pods.len().min(1)])),
            Self::RingSettled => command("status", "--watch".into()),
            Self::SchemaAgreed | Self::FileSystemGrown => command("restart", flags(pods)),
            Self::QuorumKept => Remedy::Words("request again without --parallel rack"),
            Self::ReplicasRemain => Remedy::Words(
                "lower the replication of the keyspaces (ALTER KEYSPACE), or keep the nodes in the spec",
            ),
            Self::DiskSpace => {
                Remedy::Words("raise dataCapacity, add nodes, or delete data and snapshots")
            }
            Self::SourceHasData => Remedy::Words(
                "replicate the keyspaces in the source first (ALTER KEYSPACE), or name another --from-dc",
            ),
            Self::NodeIsDown => Remedy::Words("request again when the node is down"),
            Self::NodeInCluster => Remedy::Words("request on the cluster that runs the node"),
            Self::Other(_) => Remedy::Words("correct what the evidence names"),
        }
    }
}

impl Check {
    /// Its name; [`CheckName::Other`] if this version does not know it.
    pub fn kind(&self) -> CheckName {
        CheckName::from(self.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_knows_what_satisfies_it() {
        let pods = ["demo-dc1-rack1-0".to_owned(), "demo-dc1-rack2-0".to_owned()];
        let told = CheckName::ALL.iter().map(|check| {
            let remedy = match check.remedy(&pods) {
                Remedy::Command { verb, flags } => format!("kubectl casskop {verb} demo {flags}"),
                Remedy::Words(words) => words.to_owned(),
            };
            format!("{check}: {remedy}")
        });
        insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
    }
}
