//! `remove`: another node takes a dead one out of the ring (`removeNode`); the replicas that are left make up
//! for it. Where a pod ran it, the pod starts anew with an empty volume and joins as a new node: what lay on the old
//! one must never come back.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::remove::Remove,
};

use crate::{
    node::{Call, NodeError, Reading},
    operations::{Action, Behaviour, Life, Refusal, Ring, StepState, lost},
};

/// The step after the node has left.
const VOLUMES: &str = "volumes";

impl Behaviour for Remove {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        let target = lost::only_one(ring)?;
        let host_id = lost_node(self, ring).unwrap_or_default();
        let volumes = (target.host_id == Some(host_id)).then(|| VOLUMES.to_owned());
        Ok([host_id.to_owned()].into_iter().chain(volumes).collect())
    }

    fn unit(&self) -> &'static str {
        "steps"
    }

    fn action(&self, _: &str, step: &str, _: &CassandraClusterSpec) -> Action {
        if step == VOLUMES {
            Action::DiscardVolumes
        } else {
            Action::CallPeer(Call::RemoveNode {
                host_id: step.to_owned(),
            })
        }
    }

    fn describe(&self) -> &'static str {
        "StorageService.removeNode on another node; then the pod and its volumes are deleted, and the re-created pod joins"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        lost::checks(ring, lost_node(self, ring))
    }

    fn life(&self, ring: &Ring<'_>) -> Option<Life> {
        lost::life(ring, lost_node(self, ring))
    }

    fn host_id(&self) -> Option<&str> {
        self.host_id.as_deref()
    }

    fn discards_lost_node(&self) -> bool {
        true
    }

    fn observed_by_peers(&self, host_id: &str, peers: &[Reading]) -> StepState {
        let address = peers.iter().find_map(|peer| peer.address_of(host_id));
        match address {
            _ if peers.is_empty() => {
                StepState::NodeUnavailable("without a member that answers".into())
            }
            None => StepState::Done,
            // The others take its ranges over.
            Some(ip) if peers.iter().any(|peer| peer.leaving.contains(ip)) => StepState::Stalled,
            Some(_) => StepState::NotRunning,
        }
    }

    fn is_done_already(&self, error: &NodeError) -> bool {
        matches!(error, NodeError::UnknownHostId(_))
    }

    fn is_already_running(&self, error: &NodeError) -> bool {
        matches!(error, NodeError::RemovalInProgress(_))
    }
}

/// Host id of the node that is meant.
fn lost_node<'a>(remove: &'a Remove, ring: &'a Ring<'_>) -> Option<&'a str> {
    remove.host_id.as_deref().or_else(|| {
        let target = ring.nodes.iter().find(|member| ring.is_target(member))?;
        target.host_id
    })
}
