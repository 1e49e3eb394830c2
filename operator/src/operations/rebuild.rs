//! `rebuild`: a node streams its data from another data center, keyspace by keyspace. What a new data center needs once
//! keyspaces are replicated there.

use std::collections::BTreeSet;

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::rebuild::Rebuild,
};

use super::{Action, Behaviour, Refusal, Ring, Seen, checks, tables};
use crate::nodes::{Activity, Call, NodeError, Replication};

impl Behaviour for Rebuild {
    fn steps(&self, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        tables::known(&self.keyspace, ring)?;
        Ok(keyspaces(self, ring)
            .into_iter()
            .map(str::to_owned)
            .collect())
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, step: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Rebuild {
            from_dc: self.from_dc.clone(),
            keyspace: step.to_owned(),
        })
    }

    fn describe(&self) -> &'static str {
        "StorageService.rebuild for each keyspace"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![
            checks::nodes_up(ring),
            checks::ring_settled(ring),
            source_has_data(self, ring),
        ]
    }

    fn reads_replication(&self) -> bool {
        true
    }

    fn streams_as(&self) -> Option<&'static str> {
        Some("Rebuild")
    }

    /// While a node rebuilds, a stream says so. How one ended whose answer nobody heard is told nowhere that JMX can see
    /// (`system.available_ranges_v2` is a table), so the keyspace at hand is called again. That is harmless: 4.0 and 4.1
    /// skip the ranges of that table by themselves; 5.0 streams them once more, since a rebuild that is asked for anew has
    /// to (`cassandra.reset_bootstrap_progress`, read when Cassandra starts), and what comes twice has the same timestamps.
    fn seen(&self, _: &str, activity: &Activity) -> Seen {
        if !activity.is_normal() {
            Seen::Away(activity.mode.clone())
        } else if activity
            .streams
            .iter()
            .any(|stream| self.streams_as() == Some(stream.description.as_str()))
        {
            Seen::Busy
        } else {
            Seen::Idle
        }
    }

    fn means_busy(&self, error: &NodeError) -> bool {
        matches!(error, NodeError::Cassandra(text) if text.contains("still rebuilding"))
    }
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
    checks::check("source-has-data", &seen, || {
        format!(
            "{from} and {targets} replicate {}",
            words(&mut keyspaces.iter().copied())
        )
    })
}

fn target_dcs<'a>(ring: &'a Ring<'_>) -> BTreeSet<&'a str> {
    let targets = ring.nodes.iter().filter(|member| ring.is_target(member));
    targets.map(|member| member.rack.dc.as_str()).collect()
}
