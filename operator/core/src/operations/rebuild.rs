//! `rebuild`: a node streams its data from another data center, keyspace by keyspace. What a new data center needs once
//! keyspaces are replicated there.

use std::collections::BTreeSet;

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    checks::CheckName,
    operations::{rebuild::Rebuild, support::Feature},
};

use crate::{
    node::{Activity, Call, NodeError, Replication},
    operations::{Action, Behaviour, Member, Refusal, Ring, StepState, checks, tables},
};

impl Behaviour for Rebuild {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::known(&self.keyspace, ring)?;
        if is_of_whole_nodes(ring) {
            return Ok(vec![ALL.to_owned()]);
        }
        Ok(keyspaces(self, ring)
            .into_iter()
            .map(str::to_owned)
            .collect())
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, _: &str, step: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Rebuild {
            from_dc: self.from_dc.clone(),
            // As planned: the spec may require another transport since.
            keyspace: (step != ALL).then(|| step.to_owned()),
        })
    }

    fn describe(&self) -> &'static str {
        "StorageService.rebuild for each keyspace"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![
            checks::nodes_up(ring),
            checks::ring_settled(ring),
            checks::schema_agreed(ring),
            source_has_data(self, ring),
            disk_space(self, ring),
        ]
    }

    fn reads_replication(&self) -> bool {
        true
    }

    fn needs_other_nodes(&self) -> bool {
        true
    }

    fn streams_as(&self) -> Option<&'static str> {
        Some("Rebuild")
    }

    /// While a node rebuilds, a stream says so. How one ended whose answer nobody heard is told nowhere that JMX can see
    /// (`system.available_ranges_v2` is a table), so the keyspace at hand is called again. That is harmless: 4.0 and 4.1
    /// skip the ranges of that table by themselves; 5.0 streams them once more, since a rebuild that is asked for anew has
    /// to (`cassandra.reset_bootstrap_progress`, read when Cassandra starts), and what comes twice has the same timestamps.
    fn step_state(&self, _: &str, activity: &Activity) -> StepState {
        if !activity.is_serving() {
            StepState::NodeUnavailable(activity.mode.to_string())
        } else if activity
            .streams
            .iter()
            .any(|stream| self.streams_as() == Some(stream.description.as_str()))
        {
            StepState::Running
        } else {
            StepState::NotRunning
        }
    }

    fn is_already_running(&self, error: &NodeError) -> bool {
        matches!(error, NodeError::StillRebuilding(_))
    }
}

/// The only step where a node rebuilds all keyspaces at once. No keyspace has blanks in its name.
const ALL: &str = "all keyspaces";

/// Whether the transport to a target rebuilds no single keyspaces.
fn is_of_whole_nodes(ring: &Ring<'_>) -> bool {
    let mut targets = ring.nodes.iter().filter(|member| ring.is_target(member));
    targets.any(|member| {
        let gap = Feature::RebuildOfKeyspace.gap_of_transport(member.transport);
        gap.is_some()
    })
}

/// Keyspaces that the source and every data center of the targets replicate, of those that were asked for. Those of
/// other strategies have no data center to come from.
fn keyspaces<'a>(rebuild: &Rebuild, ring: &Ring<'a>) -> Vec<&'a str> {
    let dcs = target_dcs(ring);
    let replicated = ring.replication.iter().filter(|(_, replication)| {
        let has = |dc: &str| replication.in_dc(dc).is_some_and(|factor| factor > 0);
        has(&rebuild.from_dc) && dcs.iter().all(|dc| has(dc))
    });
    replicated
        .map(|(keyspace, _)| keyspace.as_str())
        .filter(|name| rebuild.keyspace.is_empty() || rebuild.keyspace.iter().any(|k| k == name))
        .collect()
}

/// The source replicates what is asked for, and is another data center. Its name is compared exactly: a wrong one
/// streams nothing, or fails half-way.
fn source_has_data(rebuild: &Rebuild, ring: &Ring<'_>) -> Check {
    let (from, dcs) = (&rebuild.from_dc, target_dcs(ring));
    let here = dcs.contains(from.as_str()).then(|| {
        format!(
            "{from} is the data center of a target itself: name the nodes that lack data by --dc"
        )
    });
    let keyspaces = keyspaces(rebuild, ring);
    let lacking: Vec<&str> = rebuild
        .keyspace
        .iter()
        .map(String::as_str)
        .filter(|name| !keyspaces.contains(name))
        .collect();
    let known: BTreeSet<&str> = ring
        .replication
        .values()
        .flat_map(Replication::dcs)
        .collect();
    let words = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
    let targets = words(&mut dcs.iter().copied());
    let nothing = if ring.replication.is_empty() {
        Some("no node says how the keyspaces are replicated".to_owned())
    } else if keyspaces.is_empty() || !lacking.is_empty() {
        let what = match lacking[..] {
            [] => "no keyspace is".to_owned(),
            _ => format!("not replicated: {}; they are to be", lacking.join(", ")),
        };
        Some(format!(
            "{what} replicated in {from} and in {targets}; keyspaces are replicated in {}: name another source, or replicate them first (ALTER KEYSPACE)",
            words(&mut known.into_iter())
        ))
    } else {
        None
    };
    let seen: Vec<String> = here.or(nothing).into_iter().collect();
    checks::check(CheckName::SourceHasData, &seen, || {
        format!(
            "{from} and {targets} replicate {}",
            words(&mut keyspaces.iter().copied())
        )
    })
}

/// The targets have room for what they stream. Of keyspaces that are named it is not known how large they are; nor of a
/// source that other clusters run.
fn disk_space(rebuild: &Rebuild, ring: &Ring<'_>) -> Check {
    let from = rebuild.from_dc.as_str();
    let held: i64 = ring
        .nodes
        .iter()
        .filter(|member| member.rack.dc == from)
        .filter_map(|member| Some(member.reading.as_ref().ok()?.load))
        .sum();
    let targets: Vec<&Member<'_>> = ring
        .nodes
        .iter()
        .filter(|member| ring.is_target(member))
        .collect();
    // As if all of it were of the keyspace that gets the most replicas for one of the source; Cassandra's own weigh nothing.
    let share = |dc: &str| {
        let weighty = ring
            .replication
            .iter()
            .filter(|(keyspace, _)| !keyspace.starts_with("system_"));
        let factors = weighty.filter_map(|(_, replication)| {
            let (there, here) = (replication.in_dc(from)?, replication.in_dc(dc)?);
            (there > 0).then_some((here, there))
        });
        let (here, there) = factors.max_by(|(a, b), (c, d)| (a * d).cmp(&(c * b)))?;
        let (here, there) = (i64::try_from(here).ok()?, i64::try_from(there).ok()?);
        let nodes = ring.nodes.iter().filter(|member| member.rack.dc == dc);
        let nodes = i64::try_from(nodes.count()).ok()?;
        Some(held / there * here / nodes.max(1))
    };
    let dcs = target_dcs(ring).into_iter();
    let share = dcs.filter_map(share).max().unwrap_or(0);
    let share = if rebuild.keyspace.is_empty() {
        share
    } else {
        0
    };
    checks::disk_space(&targets, share, || match (share, &rebuild.keyspace[..]) {
        (0, []) => format!("how much {from} holds is not known here"),
        (0, _) => "how large single keyspaces are is not known".to_owned(),
        _ => format!("{} MiB more fit on each target", share >> 20),
    })
}

fn target_dcs<'a>(ring: &'a Ring<'_>) -> BTreeSet<&'a str> {
    let targets = ring.nodes.iter().filter(|member| ring.is_target(member));
    targets.map(|member| member.rack.dc.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use casskop_common::{api::NodeApiKind, names::RackId};

    use super::*;
    use crate::node::Reading;

    const GIB: i64 = 1 << 30;

    #[test]
    fn the_targets_need_room_for_what_the_source_holds() {
        // Loads of the nodes of dc1 and dc2, replicas there, keyspaces that are named: whether it fits into 10 GiB.
        for (loads, factors, named, fits) in [
            ([4, 0], (1, 1), "", true),
            ([10, 0], (1, 1), "", false),
            ([10, 0], (3, 1), "", true),
            ([4, 0], (1, 3), "", false),
            ([4, 6], (1, 1), "", false),
            ([10, 0], (1, 1), "orders", true),
        ] {
            let readings = loads.map(|load| Reading {
                load: load * GIB,
                ..Reading::default()
            });
            let node = |index: usize, pod, dc| Member {
                pod,
                ip: None,
                rack: RackId::new(dc, "rack1"),
                transport: NodeApiKind::Jolokia,
                host_id: None,
                reading: Ok(&readings[index]),
                owes_cleanup: None,
                capacity: Some(10 * GIB),
            };
            let (from, here) = factors;
            let factors = [("dc1".to_owned(), from), ("dc2".to_owned(), here)].into();
            let ring = Ring {
                nodes: vec![node(0, "a", "dc1"), node(1, "b", "dc2")],
                targets: &["b".to_owned()],
                replication: &[("orders".to_owned(), Replication::Topology(factors))].into(),
                roles_are_in_few_nodes: false,
                replication_has_changed: false,
                locations: &BTreeMap::new(),
                goes_on_elsewhere: false,
                spec: &CassandraClusterSpec::default(),
            };
            let rebuild = Rebuild {
                from_dc: "dc1".into(),
                keyspace: named.split_whitespace().map(str::to_owned).collect(),
            };
            let check = disk_space(&rebuild, &ring);
            assert_eq!(
                check.passed, fits,
                "{loads:?} {from} {here} {named}: {}",
                check.evidence
            );
        }
    }
}
