//! `snapshot`: the data files of now are kept under a name.

use casskop_common::{
    api::{CassandraClusterSpec, Check, OperationReason},
    image,
    operations::{snapshot::Snapshot, support::Feature},
};

use crate::{
    node::{Activity, Call, NodeError},
    operations::{
        Action, Behaviour, Member, Refusal, Ring, StepState, checks, tables, unobservable,
    },
};

impl Behaviour for Snapshot {
    fn steps(&self, _: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        if self.ttl.is_some() {
            knows_ttl(ring)?;
        }
        is_free(&self.name, ring)?;
        tables::keyspaces(&self.tables, ring)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, _: &str, step: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Snapshot {
            keyspace: step.to_owned(),
            tables: self.tables.table.clone(),
            name: self.name.clone(),
            ttl: self.ttl.clone(),
            skip_flush: self.skip_flush,
        })
    }

    fn describe(&self) -> &'static str {
        "StorageService.takeSnapshot for each keyspace"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![checks::nodes_up(ring)]
    }

    fn reads_snapshots(&self) -> bool {
        true
    }

    fn step_state(&self, _: &str, activity: &Activity) -> StepState {
        unobservable(activity)
    }

    fn is_done_already(&self, error: &NodeError) -> bool {
        matches!(error, NodeError::SnapshotExists(_))
    }
}

/// No target has a snapshot of that name. Asked before the first call: one that is there when an operator goes on with a
/// step of another's is then of this request, and not an older one that says nothing of the data of now. A node that did
/// not say it in time is asked by the call itself.
pub(super) fn is_free(name: &str, ring: &Ring<'_>) -> Result<(), Refusal> {
    let mut targets = ring.nodes.iter().filter(|member| ring.is_target(member));
    let has_it = |member: &&Member<'_>| {
        let names = member
            .reading
            .as_ref()
            .ok()
            .and_then(|reading| reading.snapshots.as_ref());
        names.is_some_and(|names| names.contains(name))
    };
    targets.find(has_it).map_or(Ok(()), |member| {
        Err(Refusal {
            reason: OperationReason::SnapshotExists,
            message: format!(
                "{} has a snapshot {name} already: request it with another --name and a new id, or delete that snapshot by clearsnapshot; use retry for a request that failed",
                member.pod
            ),
        })
    })
}

/// Every target has snapshots that expire.
fn knows_ttl(ring: &Ring<'_>) -> Result<(), Refusal> {
    let mut targets = ring.nodes.iter().filter(|member| ring.is_target(member));
    let old = targets.find_map(|member| {
        let version = &member.reading.as_ref().ok()?.version;
        let release = image::release(version)?;
        let gap = Feature::ExpiringSnapshot.gap(member.transport, release)?;
        Some((member.pod, version, gap))
    });
    let Some((pod, version, gap)) = old else {
        return Ok(());
    };
    Err(Refusal {
        reason: OperationReason::TtlNotSupported,
        message: format!(
            "{pod} runs Cassandra {version}, which {}: request it again with a new id; {}",
            gap.lack, gap.instead
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::LazyLock};

    use casskop_common::{api::NodeApiKind, names::RackId};

    use super::*;
    use crate::{node::Reading, node::Replication};

    static TARGETS: LazyLock<[String; 1]> = LazyLock::new(|| ["demo-dc1-rack1-0".to_owned()]);
    static REPLICATION: BTreeMap<String, Replication> = BTreeMap::new();
    static PLACES: BTreeMap<String, RackId> = BTreeMap::new();
    static SPEC: LazyLock<CassandraClusterSpec> = LazyLock::new(CassandraClusterSpec::default);

    fn ring(reading: &Reading) -> Ring<'_> {
        let node = Member {
            pod: "demo-dc1-rack1-0",
            ip: None,
            rack: RackId::new("dc1", "rack1"),
            transport: NodeApiKind::Jolokia,
            host_id: None,
            reading: Ok(reading),
            owes_cleanup: None,
            capacity: None,
        };
        Ring {
            nodes: vec![node],
            targets: TARGETS.as_slice(),
            replication: &REPLICATION,
            roles_are_in_few_nodes: false,
            replication_has_changed: false,
            locations: &PLACES,
            goes_on_elsewhere: false,
            spec: &SPEC,
        }
    }

    #[test]
    fn a_name_that_is_taken_is_refused() {
        let told = [None, Some(vec![]), Some(vec!["kept"]), Some(vec!["kept2"])];
        let free = told.map(|names| {
            let reading = Reading {
                snapshots: names.map(|names| names.into_iter().map(str::to_owned).collect()),
                ..Reading::default()
            };
            let ring = ring(&reading);
            is_free("kept", &ring).is_ok()
        });
        assert_eq!(free, [true, true, false, true]);
    }

    #[test]
    fn what_would_never_expire_is_refused() {
        for (version, ttl, refused) in [
            ("4.0.15", Some("1d"), true),
            ("4.0.15", None, false),
            ("4.1.8", Some("1d"), false),
        ] {
            let reading = Reading {
                version: version.into(),
                keyspaces: vec!["orders".into()].into(),
                ..Reading::default()
            };
            let ring = ring(&reading);
            let snapshot = Snapshot {
                name: "kept".into(),
                ttl: ttl.map(str::to_owned),
                ..Snapshot::default()
            };
            assert_eq!(
                snapshot.steps("a", &ring).is_err(),
                refused,
                "{version} {ttl:?}"
            );
        }
    }
}
