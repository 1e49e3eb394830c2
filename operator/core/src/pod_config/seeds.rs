//! Which seeds a node is given. The rule that matters: a node that is not a member yet and counts itself among
//! its seeds does not join the ring, it forms its own (or joins without streaming its data).
//!
//! So a node is its own seed only when it has been a member before, or while the ring is formed for the first
//! time and it is the first node of its rack.

use casskop_common::names;

use super::{RackConfig, tokens::Place};

/// Seeds of one node.
#[derive(Debug, PartialEq, Eq)]
pub struct Seeds {
    /// For `cassandra.yaml`.
    pub list: Vec<String>,
    /// Names that need an address before Cassandra may start.
    pub wait_for: Vec<String>,
    /// Whether all of them do, or one is enough.
    pub all: bool,
    /// Where the node is among those that form the ring, if it is one of them.
    pub forms: Option<Place>,
}

/// The data of a node on its volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnData {
    /// None, or the data of a member is not known to be there.
    None,
    /// Cassandra's system tables, without the mark of a member: the process ended before the readiness probe wrote
    /// the mark, or the Go `CassKop` made the volume.
    Tables,
    /// The data of a member, and its mark.
    Member,
}

/// The ring was formed before, and this node can neither join it nor be the ring.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[error(
    "ring {cluster} was formed before, the volume of {pod} has none of its data, and the spec has no other seed: a start would form a second ring. Give the data centers and racks in spec.topology the names that they had, or bring the volume back; if the data is given up, delete the CassandraCluster and its volumes, and create it again"
)]
pub struct NoSeed {
    /// Name of the ring.
    pub cluster: String,
    /// The pod.
    pub pod: String,
}

/// Decides the seeds of `pod`.
///
/// # Errors
/// When a start would form a second ring.
pub fn choose(rack: &RackConfig, pod: &str, data: OwnData) -> Result<Seeds, NoSeed> {
    let joined = data == OwnData::Member;
    let own = names::pod_host(&rack.cluster_name, &rack.namespace, pod);
    let others: Vec<String> = rack
        .seeds
        .iter()
        .filter(|seed| **seed != own)
        .cloned()
        .collect();
    // With seeds elsewhere there is a ring already: it is joined.
    let local = format!(".{}.{}", rack.cluster_name, rack.namespace);
    let alone = rack.seeds.iter().all(|seed| seed.ends_with(&local));
    let forming =
        alone && !rack.formed && names::ordinal(pod) == Some(0) && rack.seeds.contains(&own);
    if rack.formed && others.is_empty() && data == OwnData::None {
        return Err(NoSeed {
            cluster: rack.ring_name().to_owned(),
            pod: pod.to_owned(),
        });
    }
    let own_seed = joined || forming || others.is_empty();
    // While the ring is formed, a seed that another cannot resolve would be left out of its list for good, and
    // two rings could form. Later any member is enough, and after a full stop even none: peers are on disk.
    let (wait_for, all) = match (forming, joined) {
        (true, false) => (others.clone(), true),
        (false, false) => (others.clone(), false),
        (_, true) => (Vec::new(), false),
    };
    let list = if own_seed { rack.seeds.clone() } else { others };
    let forms = (forming && !joined).then(|| place(rack, &own));
    let list = if list.is_empty() { vec![own] } else { list };
    Ok(Seeds {
        list,
        wait_for,
        all,
        forms,
    })
}

/// Where a node is among the seeds of a ring that is formed.
fn place(rack: &RackConfig, own: &str) -> Place {
    let dc = format!("{}-{}-", rack.cluster_name, rack.dc);
    let of = |count: usize| u32::try_from(count).unwrap_or_default();
    let before = rack.seeds.iter().take_while(|seed| *seed != own);
    let in_dc = |seed: &&String| seed.starts_with(&dc);
    Place {
        in_dc: of(before.clone().filter(in_dc).count()),
        of_dc: of(rack.seeds.iter().filter(in_dc).count()),
        of_all: of(before.count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rack(formed: bool, seeds: &[&str]) -> RackConfig {
        RackConfig {
            cluster_name: "demo".into(),
            namespace: "ns".into(),
            dc: "dc1".into(),
            seeds: seeds.iter().map(|pod| format!("{pod}.demo.ns")).collect(),
            formed,
            ..RackConfig::default()
        }
    }

    fn choose(rack: &RackConfig, pod: &str, joined: bool) -> Seeds {
        let data = if joined {
            OwnData::Member
        } else {
            OwnData::None
        };
        super::choose(rack, pod, data).expect("seeds")
    }

    const FIRST: &str = "demo-dc1-rack1-0";
    const OTHER: &str = "demo-dc1-rack2-0";
    const SECOND: &str = "demo-dc1-rack1-1";

    #[test]
    fn while_forming_the_first_nodes_wait_for_each_other() {
        let seeds = choose(&rack(false, &[FIRST, OTHER]), FIRST, false);
        assert_eq!(
            seeds.list,
            ["demo-dc1-rack1-0.demo.ns", "demo-dc1-rack2-0.demo.ns"]
        );
        assert_eq!(seeds.wait_for, ["demo-dc1-rack2-0.demo.ns"]);
        assert!(seeds.all);
    }

    #[test]
    fn only_those_that_form_the_ring_are_told_their_tokens() {
        let away = "demo-dc2-rack1-0";
        let all = [FIRST, OTHER, away];
        let place = |formed, pod, joined| choose(&rack(formed, &all), pod, joined).forms;
        let told = |in_dc, of_dc, of_all| {
            Some(Place {
                in_dc,
                of_dc,
                of_all,
            })
        };
        assert_eq!(place(false, FIRST, false), told(0, 2, 0));
        assert_eq!(place(false, OTHER, false), told(1, 2, 1));
        let mut other_dc = rack(false, &all);
        other_dc.dc = "dc2".into();
        assert_eq!(choose(&other_dc, away, false).forms, told(0, 1, 2));
        assert_eq!(place(true, FIRST, false), None, "it joins");
        assert_eq!(place(false, FIRST, true), None, "it has its tokens");
        assert_eq!(place(false, SECOND, false), None, "it joins later");
    }

    #[test]
    fn a_node_that_never_joined_is_not_its_own_seed_once_the_ring_is_formed() {
        let seeds = choose(&rack(true, &[FIRST, OTHER]), FIRST, false);
        assert_eq!(seeds.list, ["demo-dc1-rack2-0.demo.ns"]);
        assert!(!seeds.all);
    }

    #[test]
    fn a_later_pod_of_a_rack_joins_even_while_forming() {
        let seeds = choose(&rack(false, &[FIRST, SECOND]), SECOND, false);
        assert_eq!(seeds.list, ["demo-dc1-rack1-0.demo.ns"]);
    }

    #[test]
    fn with_seeds_elsewhere_the_first_nodes_join() {
        let mut rack = rack(false, &[FIRST, OTHER]);
        rack.seeds.push("seed.example.org".into());
        let seeds = choose(&rack, FIRST, false);
        assert_eq!(seeds.list, ["demo-dc1-rack2-0.demo.ns", "seed.example.org"]);
    }

    #[test]
    fn a_member_starts_at_once_with_every_seed() {
        let seeds = choose(&rack(true, &[FIRST, OTHER]), FIRST, true);
        assert_eq!(seeds.list.len(), 2);
        assert!(seeds.wait_for.is_empty());
    }

    #[test]
    fn the_only_node_is_its_own_seed_while_it_forms_the_ring_or_has_its_data() {
        let all = [OwnData::None, OwnData::Tables, OwnData::Member];
        let chosen = |formed| all.map(|data| super::choose(&rack(formed, &[FIRST]), FIRST, data));
        let [none, tables, member] = chosen(true);
        for seeds in chosen(false).into_iter().chain([tables, member]) {
            let seeds = seeds.expect("seeds");
            assert_eq!(seeds.list, ["demo-dc1-rack1-0.demo.ns"]);
            assert!(seeds.wait_for.is_empty());
        }
        let told = none.expect_err("a second ring").to_string();
        assert!(told.contains(FIRST) && told.contains("topology"), "{told}");
    }

    #[test]
    fn a_single_rack_with_another_name_forms_no_second_ring() {
        // The pods of the former rack are not among the seeds of the new spec.
        for pod in ["demo-dc1-other-0", "demo-other-rack1-0"] {
            let seeds = super::choose(&rack(true, &[pod]), pod, OwnData::None);
            assert!(seeds.is_err(), "{seeds:?}");
            // A pod without any seed does not fall back to itself.
            assert!(super::choose(&rack(true, &[]), pod, OwnData::None).is_err());
        }
    }
}
