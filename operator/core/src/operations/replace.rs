//! `replace`: the pod of a lost node starts anew with an empty volume and takes over the tokens of the lost one
//! (`cassandra.replace_address_first_boot`), for that pod and that start only.

use casskop_common::{
    api::{CassandraClusterSpec, Check, OperationReason},
    operations::replace::Replace,
};

use crate::operations::{Action, Behaviour, Life, Refusal, Ring, lost};

impl Behaviour for Replace {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        let target = lost::only_one(ring)?;
        let known = target
            .host_id
            .and_then(|host_id| lost::address(ring, host_id));
        if known.is_none() {
            return Err(Refusal {
                reason: OperationReason::NotAMember,
                message: format!(
                    "no member of the ring knows the node of {}, so it cannot be replaced: if no ring is left, delete the cluster with its volumes and create it again",
                    target.pod
                ),
            });
        }
        Ok(vec!["replace".into()])
    }

    fn unit(&self) -> &'static str {
        "steps"
    }

    fn action(&self, _: &str, _: &str, _: &CassandraClusterSpec) -> Action {
        Action::Replace
    }

    fn describe(&self) -> &'static str {
        "the pod and its volumes are deleted; the new one takes the lost node's place"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        let target = ring.nodes.iter().find(|member| ring.is_target(member));
        lost::checks(ring, target.and_then(|target| target.host_id))
    }

    fn life(&self, ring: &Ring<'_>) -> Option<Life> {
        let target = ring.nodes.iter().find(|member| ring.is_target(member));
        lost::life(ring, target.and_then(|target| target.host_id))
    }

    fn discards_lost_node(&self) -> bool {
        true
    }
}
