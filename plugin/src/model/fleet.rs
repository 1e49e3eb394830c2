//! The clusters that a dashboard shows, and how recent they are. Pure.

use std::{collections::BTreeMap, sync::Arc};

use casskop_common::{api::CassandraCluster, readable::Readable};
use jiff::Timestamp;
use kube::ResourceExt;

use super::explain::Operator;
use crate::text::plain;

/// Namespace and name of a cluster.
pub type Key = (String, String);

/// Clusters as they were last observed.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// The clusters that can be read.
    pub clusters: BTreeMap<Key, Arc<CassandraCluster>>,
    /// The clusters that cannot be read, with the reasons.
    pub unreadable: BTreeMap<Key, String>,
    /// The connection that the clusters come from.
    pub source: Source,
    /// Time up to which the clusters are known; none before the first list.
    pub known_at: Option<Timestamp>,
    /// Counts what was taken over: the same number is the same clusters.
    pub revision: u64,
    /// Pods of the operator by namespace: all of them, and those that are ready. None if they could not be listed.
    pub operators: Option<BTreeMap<String, (usize, usize)>>,
}

/// The state of the connection to the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// No answer yet.
    #[default]
    Connecting,
    /// Changes arrive as they happen.
    Live,
    /// The connection was lost, and another attempt follows.
    Lost(String),
    /// The API server refuses: the message, and next steps.
    Refused(String, Vec<String>),
}

impl Fleet {
    /// Takes over a list of all clusters. It says nothing about the changes after it: the watch does.
    pub fn replace(&mut self, all: Vec<Readable<CassandraCluster>>, now: Timestamp) {
        self.known_at = Some(now);
        self.clusters.clear();
        self.unreadable.clear();
        for cluster in all {
            self.put(cluster);
        }
    }

    /// Takes over one cluster.
    pub fn put(&mut self, cluster: Readable<CassandraCluster>) {
        let key = key(&cluster);
        match cluster.0 {
            Ok(cluster) => {
                self.unreadable.remove(&key);
                self.clusters.insert(key, Arc::new(cluster));
            }
            Err(other) => {
                self.clusters.remove(&key);
                self.unreadable
                    .insert(key, plain(&other.cause).into_owned());
            }
        }
    }

    /// Removes a cluster that was deleted.
    pub fn remove(&mut self, key: &Key) {
        self.clusters.remove(key);
        self.unreadable.remove(key);
    }

    /// A sign of life of the watch: all changes until now have arrived.
    pub fn alive(&mut self, now: Timestamp) {
        self.known_at = Some(now);
        self.source = Source::Live;
    }

    /// Changes do not arrive. When that began is not known: the last sign of life was before.
    pub fn lost(&mut self, source: Source) {
        self.source = source;
    }

    /// The pods of the operator in a namespace.
    pub fn operator(&self, namespace: &str) -> Operator {
        match &self.operators {
            None => Operator::Unknown,
            Some(pods) => {
                let (all, ready) = pods.get(namespace).copied().unwrap_or_default();
                Operator::Pods { all, ready }
            }
        }
    }
}

/// Namespace and name of a cluster, readable or not.
pub fn key(cluster: &Readable<CassandraCluster>) -> Key {
    let namespace = cluster.namespace().unwrap_or_default();
    (namespace, cluster.name_any())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str, nodes: &str) -> Readable<CassandraCluster> {
        let text = format!(
            r#"{{"apiVersion":"db.orange.com/v2","kind":"CassandraCluster",
                "metadata":{{"namespace":"shop","name":"{name}"}},"spec":{{"nodesPerRacks":{nodes}}}}}"#
        );
        serde_json::from_str(&text).unwrap_or_else(|error| unreachable!("{error}"))
    }

    #[test]
    fn a_cluster_is_readable_or_not() {
        let mut fleet = Fleet::default();
        let now = Timestamp::default();
        fleet.replace(vec![cluster("a", "1"), cluster("b", "\"two\"")], now);
        assert_eq!(fleet.source, Source::Connecting, "a list is no watch");
        assert_eq!((fleet.clusters.len(), fleet.unreadable.len()), (1, 1));
        fleet.put(cluster("b", "2"));
        fleet.put(cluster("a", "\"two\""));
        let names: Vec<&str> = fleet.clusters.keys().map(|key| key.1.as_str()).collect();
        assert_eq!((names, fleet.unreadable.len()), (vec!["b"], 1));
        fleet.remove(&("shop".into(), "a".into()));
        assert!(fleet.unreadable.is_empty());
    }

    #[test]
    fn the_age_begins_with_the_last_sign_of_life() {
        let at = |second: i64| Timestamp::from_second(second).unwrap_or_default();
        let mut fleet = Fleet::default();
        fleet.lost(Source::Lost("gone".into()));
        assert_eq!(fleet.known_at, None, "there is no data");
        fleet.alive(at(2));
        fleet.alive(at(5));
        fleet.lost(Source::Lost("gone".into()));
        fleet.lost(Source::Lost("still gone".into()));
        assert_eq!(fleet.known_at, Some(at(5)));
    }

    #[test]
    fn an_operator_that_may_not_be_listed_is_unknown() {
        let mut fleet = Fleet::default();
        assert_eq!(fleet.operator("shop"), Operator::Unknown);
        fleet.operators = Some([("shop".to_owned(), (2, 1))].into());
        assert_eq!(fleet.operator("shop"), Operator::Pods { all: 2, ready: 1 });
        assert_eq!(fleet.operator("other"), Operator::Pods { all: 0, ready: 0 });
    }
}
