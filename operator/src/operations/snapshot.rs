//! `snapshot`: the data files of now are kept under a name.

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::snapshot::Snapshot,
};

use super::{Action, Behaviour, Refusal, Ring, Seen, checks, seen_nowhere, tables};
use crate::nodes::{Activity, Call, NodeError};

impl Behaviour for Snapshot {
    fn steps(&self, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        if self.ttl.is_some() {
            knows_ttl(ring)?;
        }
        tables::keyspaces(&self.tables, ring)
    }

    fn unit(&self) -> &'static str {
        "keyspaces"
    }

    fn action(&self, step: &str, _: &CassandraClusterSpec) -> Action {
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

    fn seen(&self, _: &str, activity: &Activity) -> Seen {
        seen_nowhere(activity)
    }

    fn is_done_already(&self, error: &NodeError) -> bool {
        matches!(error, NodeError::Cassandra(text) if text.contains("already exists"))
    }
}

/// Cassandra 4.0 takes the option, and keeps the snapshot for ever.
fn knows_ttl(ring: &Ring<'_>) -> Result<(), Refusal> {
    let mut targets = ring.nodes.iter().filter(|member| ring.is_target(member));
    let old = targets.find_map(|member| {
        let version = &member.reading.as_ref().ok()?.version;
        version.starts_with("4.0").then_some((member.pod, version))
    });
    let Some((pod, version)) = old else {
        return Ok(());
    };
    Err(Refusal {
        reason: "NoTtl",
        message: format!(
            "{pod} runs Cassandra {version}, which lets no snapshot expire (4.1 and later do): request again with a new id without --ttl, and end it by clearsnapshot"
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use casskop_common::names::RackId;

    use super::*;
    use crate::{nodes::Reading, operations::Member};

    #[test]
    fn what_would_never_expire_is_refused() {
        for (version, ttl, refused) in [
            ("4.0.15", Some("1d"), true),
            ("4.0.15", None, false),
            ("4.1.8", Some("1d"), false),
        ] {
            let reading = Reading {
                version: version.into(),
                keyspaces: vec!["orders".into()],
                ..Reading::default()
            };
            let node = Member {
                pod: "demo-dc1-rack1-0",
                ip: None,
                rack: RackId::new("dc1", "rack1"),
                host_id: None,
                reading: Ok(&reading),
                owes_cleanup: None,
                capacity: None,
            };
            let ring = Ring {
                nodes: vec![node],
                targets: &["demo-dc1-rack1-0".to_owned()],
                replication: &BTreeMap::new(),
                places: &BTreeMap::new(),
                goes_on_elsewhere: false,
                spec: &CassandraClusterSpec::default(),
            };
            let snapshot = Snapshot {
                name: "kept".into(),
                ttl: ttl.map(str::to_owned),
                ..Snapshot::default()
            };
            assert_eq!(snapshot.steps(&ring).is_err(), refused, "{version} {ttl:?}");
        }
    }
}
