//! Claims of other processes: nodes whose executor in the status is not this process.
//!
//! A process that starts takes over what it finds at its first poll, because its predecessor has ended, or is about to find
//! that its writes have no effect. A claim that appears later is of a process that started after it,
//! or that decided first, and is left alone until it does not change for minutes by the clock of this process.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use casskop_common::{
    api::{CassandraCluster, NodePhase, OperationNode},
    operations::OperationKind,
};
use kube::ResourceExt;

/// Time without a change after which a node of another executor is taken over.
const QUIET: Duration = Duration::from_secs(300);

/// Observations of other executors, by cluster (UID), kind and pod.
#[derive(Default)]
pub(super) struct Claims {
    observed: HashMap<(String, OperationKind, String), Claim>,
    /// Clusters that this process has observed.
    known: HashSet<String>,
}

struct Claim {
    node: OperationNode,
    /// When the node was first observed in this state; nothing for a claim that is older than this process.
    since: Option<Instant>,
}

impl Claims {
    /// Compares the claims in a status with those observed before. Returns the nodes that are left to other executors.
    pub(super) fn observe(
        &mut self,
        cluster: &CassandraCluster,
        own: &str,
        now: Instant,
    ) -> BTreeSet<(OperationKind, String)> {
        let uid = cluster.uid().unwrap_or_default();
        let since = (!self.known.insert(uid.clone())).then_some(now);
        let operations = cluster.status.iter().flat_map(|status| &status.operations);
        let known = operations.filter_map(|operation| Some((operation.kind.known()?, operation)));
        let nodes = known.flat_map(|(kind, operation)| {
            let nodes = operation.nodes.iter();
            nodes.map(move |node| (kind, node))
        });
        let claimed = nodes.filter(|(_, node)| {
            let is_foreign = !node.executor.is_empty() && node.executor != own;
            node.phase == NodePhase::Running && is_foreign
        });
        let mut observed = HashMap::new();
        let mut left = BTreeSet::new();
        for (kind, node) in claimed {
            let key = (uid.clone(), kind, node.pod.clone());
            let before = self.observed.remove(&key);
            let claim = before
                .filter(|before| before.node == *node)
                .unwrap_or_else(|| Claim {
                    node: node.clone(),
                    since,
                });
            if claim
                .since
                .is_some_and(|since| now.duration_since(since) < QUIET)
            {
                left.insert((kind, node.pod.clone()));
            }
            observed.insert(key, claim);
        }
        self.observed.retain(|(owner, ..), _| *owner != uid);
        self.observed.extend(observed);
        left
    }

    /// Removes a deleted cluster.
    pub(super) fn forget(&mut self, uid: &str) {
        self.known.remove(uid);
        self.observed.retain(|(owner, ..), _| owner != uid);
    }
}

#[cfg(test)]
mod tests {
    use casskop_common::api::{CassandraClusterStatus, OperationStatus};

    use super::*;

    fn claimed(by: &str, attempts: i32) -> CassandraCluster {
        let mut cluster =
            CassandraCluster::new("demo", casskop_common::api::CassandraClusterSpec::default());
        cluster.metadata.uid = Some("u".into());
        let node = OperationNode {
            pod: "p".into(),
            phase: NodePhase::Running,
            executor: by.into(),
            attempts,
            ..OperationNode::default()
        };
        let operation = OperationStatus {
            kind: OperationKind::Scrub.into(),
            nodes: vec![node],
            ..OperationStatus::default()
        };
        cluster.status = Some(CassandraClusterStatus {
            operations: vec![operation],
            ..CassandraClusterStatus::default()
        });
        cluster
    }

    #[test]
    fn a_process_takes_over_what_it_finds_and_leaves_what_comes_later() {
        let begin = Instant::now();
        let mut claims = Claims::default();
        assert!(claims.observe(&claimed("old", 1), "me", begin).is_empty());
        assert!(
            claims
                .observe(&claimed("old", 1), "me", begin + QUIET / 2)
                .is_empty(),
            "what stood there at first stays free"
        );
        let later = begin + QUIET;
        let left = claims.observe(&claimed("young", 1), "me", later);
        assert_eq!(left.len(), 1, "another process has taken it");
        let left = claims.observe(&claimed("young", 2), "me", later + QUIET);
        assert_eq!(left.len(), 1, "it goes on");
        let left = claims.observe(&claimed("young", 2), "me", later + QUIET * 2);
        assert!(left.is_empty(), "nothing has moved for minutes");
        assert!(claims.observe(&claimed("me", 3), "me", later).is_empty());
    }
}
