//! The replication of the keyspaces at the last observation. Where replicas became fewer since, nodes hold what they no
//! longer own. Nothing is owed for a keyspace that was never observed before.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::api::{CleanupReason, SeenReplication};

use crate::{
    desired::Desired, node::Replication, observed::ObservedState, operations::role_replicas,
};

/// Maximum number of recorded keyspaces; Cassandra itself warns of more than some dozens.
const KEYSPACES: usize = 1000;
const ANYWHERE: &str = SeenReplication::ANYWHERE;

/// Replicas by data center.
type Factors = BTreeMap<String, i32>;

/// The replication to record: as reported by members that agree on a schema, or else as recorded before.
pub(crate) fn observed(
    state: &ObservedState,
    before: Option<&SeenReplication>,
) -> Option<SeenReplication> {
    let Some(version) = state
        .schema_version()
        .filter(|_| !state.replication.is_empty())
    else {
        return before.cloned();
    };
    let now = state
        .replication
        .iter()
        .filter_map(|(keyspace, replication)| Some((keyspace.clone(), factors(replication)?)));
    // One that exists and of which no answer came is not forgotten.
    let exists = |keyspace: &str| {
        let mut members = state.members();
        members.any(|(_, reading)| reading.keyspaces.iter().any(|name| name == keyspace))
    };
    let unanswered = before
        .into_iter()
        .flat_map(|before| &before.keyspaces)
        .filter(|(keyspace, _)| !state.replication.contains_key(*keyspace) && exists(keyspace))
        .map(|(keyspace, factors)| (keyspace.clone(), factors.clone()));
    let keyspaces: BTreeMap<String, Factors> = now.chain(unanswered).collect();
    Some(SeenReplication {
        schema_version: version.to_owned(),
        keyspaces: keyspaces.into_iter().take(KEYSPACES).collect(),
    })
}

/// Keyspaces that are replicated in a data center without nodes, in words.
pub(crate) fn nowhere(desired: &Desired, state: &ObservedState) -> Option<String> {
    let status = state.cluster.status.as_ref()?;
    let recorded = &status.replication.as_ref()?.keyspaces;
    let racks = desired.racks.iter().filter(|rack| rack.replicas > 0);
    let wanted = racks.map(|rack| &rack.id);
    let runs = state.pods.values().filter_map(|pod| pod.rack.as_ref());
    let dcs: BTreeSet<&str> = wanted.chain(runs).map(|rack| rack.dc.as_str()).collect();
    let kept_by_people = recorded
        .iter()
        .filter(|(keyspace, _)| !role_replicas::keeps(status, keyspace));
    let (keyspace, dc) = kept_by_people.into_iter().find_map(|(keyspace, factors)| {
        let mut there = factors.keys().filter(|dc| *dc != ANYWHERE);
        let dc = there.find(|dc| !dcs.contains(dc.as_str()))?;
        Some((keyspace, dc))
    })?;
    // Other clusters may run it; and with a snitch of the user's choice data centers may have other names.
    let named: BTreeSet<&String> = recorded.values().flat_map(BTreeMap::keys).collect();
    let members = state.members();
    let ours = members.filter_map(|(pod, _)| Some(&state.pods.get(pod)?.rack.as_ref()?.dc));
    let ours: BTreeSet<&String> = ours.collect();
    let elsewhere = !desired.spec.seeds.is_empty() || !state.external_members().is_empty();
    if elsewhere || ours.is_empty() || !ours.is_subset(&named) {
        return None;
    }
    Some(format!(
        "keyspace {keyspace} is replicated in {dc}, which has no node: writes at EACH_QUORUM, such as those of roles and passwords, fail; remove {dc} from its replication (ALTER KEYSPACE)"
    ))
}

fn factors(replication: &Replication) -> Option<Factors> {
    let factor = |factor: usize| i32::try_from(factor).unwrap_or(i32::MAX);
    match replication {
        Replication::Simple(count) => Some([(ANYWHERE.to_owned(), factor(*count))].into()),
        Replication::Topology(factors) => {
            let some = factors.iter().filter(|(_, count)| **count > 0);
            Some(
                some.map(|(dc, count)| (dc.clone(), factor(*count)))
                    .collect(),
            )
        }
        Replication::Other(_) => None,
    }
}

/// Why the nodes of a data center have lost ranges, if they have.
pub(crate) fn loss(
    before: &SeenReplication,
    now: &SeenReplication,
    dc: &str,
) -> Option<CleanupReason> {
    let lost = |(was, is): (&Factors, &Factors)| match (was.get(ANYWHERE), is.get(ANYWHERE)) {
        (Some(was), Some(is)) => (is < was).then_some(CleanupReason::ReplicationReduced),
        (None, None) => match (replicas(was, dc), replicas(is, dc)) {
            (was, 0) if was > 0 => Some(CleanupReason::ReplicationRemoved),
            (was, is) => (is < was).then_some(CleanupReason::ReplicationReduced),
        },
        // The other strategy chooses other nodes.
        _ => Some(CleanupReason::ReplicationReduced),
    };
    both(before, now).filter_map(lost).max()
}

/// Whether a keyspace is replicated in a data center again, or for the first time.
pub(crate) fn is_back(before: &SeenReplication, now: &SeenReplication, dc: &str) -> bool {
    both(before, now).any(|(was, is)| replicas(was, dc) == 0 && replicas(is, dc) > 0)
}

/// Keyspaces that were there before and still are.
fn both<'a>(
    before: &'a SeenReplication,
    now: &'a SeenReplication,
) -> impl Iterator<Item = (&'a Factors, &'a Factors)> {
    let pair = |(keyspace, was)| Some((was, now.keyspaces.get(keyspace)?));
    before.keyspaces.iter().filter_map(pair)
}

fn replicas(factors: &Factors, dc: &str) -> i32 {
    factors.get(dc).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(replication: &str) -> SeenReplication {
        let factors = factors(&Replication::parse(replication)).expect("a strategy that is known");
        SeenReplication {
            schema_version: String::new(),
            keyspaces: [("orders".to_owned(), factors)].into(),
        }
    }

    #[test]
    fn nodes_lose_ranges_where_replicas_become_fewer() {
        use CleanupReason::{ReplicationReduced, ReplicationRemoved};
        let topology = |factors: &str| format!("NetworkTopologyStrategy {{{factors}}}");
        let simple = |factor: u8| format!("SimpleStrategy {{replication_factor={factor}}}");
        for (before, now, expected) in [
            (topology("dc1=3"), topology("dc1=3"), None),
            (topology("dc1=2"), topology("dc1=3"), None),
            (
                topology("dc1=3"),
                topology("dc1=2"),
                Some(ReplicationReduced),
            ),
            (topology("dc1=3, dc2=3"), topology("dc1=3, dc2=1"), None),
            (
                topology("dc1=3, dc2=3"),
                topology("dc2=3"),
                Some(ReplicationRemoved),
            ),
            (
                topology("dc1=1"),
                topology("dc1=0"),
                Some(ReplicationRemoved),
            ),
            (topology("dc2=3"), topology("dc1=3, dc2=3"), None),
            (simple(2), simple(3), None),
            (simple(3), simple(2), Some(ReplicationReduced)),
            (simple(3), topology("dc1=3"), Some(ReplicationReduced)),
            (topology("dc2=3"), simple(3), Some(ReplicationReduced)),
        ] {
            assert_eq!(
                loss(&seen(&before), &seen(&now), "dc1"),
                expected,
                "{before} → {now}"
            );
        }
    }

    #[test]
    fn a_keyspace_that_is_new_or_gone_costs_nothing() {
        let (none, some) = (
            SeenReplication::default(),
            seen("NetworkTopologyStrategy {dc1=3}"),
        );
        assert_eq!(loss(&none, &some, "dc1"), None);
        assert_eq!(loss(&some, &none, "dc1"), None);
    }

    #[test]
    fn a_data_center_is_replicated_again() {
        let (out, within) = (
            seen("NetworkTopologyStrategy {dc2=3}"),
            seen("NetworkTopologyStrategy {dc1=1, dc2=3}"),
        );
        assert!(is_back(&out, &within, "dc1"));
        assert!(!is_back(&within, &within, "dc1"));
    }
}
