//! The clusters: three racks of one node each, in namespaces of fifty.

use std::{
    thread,
    time::{Duration, Instant},
};

use casskop_e2e::{
    cluster::{OPERATIONS, find_operation, is_settled, ring, without_tls},
    fresh_id,
    proxied::Api,
    wait::{until, until_every},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::nodes::Nodes;

/// The data center of each cluster.
pub const DC: &str = "dc1";
const RACKS: [&str; 3] = ["rack1", "rack2", "rack3"];
/// Clusters of one namespace.
const TOGETHER: usize = 50;
/// Clusters that are changed in a round.
const CHANGED: usize = 20;
/// Rounds of changes.
const ROUNDS: usize = 5;
/// Pauses between two changes, of different length, so that they arrive at any point of the operator's cycle.
const PAUSES: [u64; 4] = [70, 110, 150, 190];
/// Time between two reads of all clusters, which are megabytes.
const LOOK: Duration = Duration::from_secs(2);
const GROUP: &str = "/apis/db.orange.com/v2";

/// The clusters that were created.
pub struct Clusters<'a> {
    api: &'a Api,
    count: usize,
}

impl<'a> Clusters<'a> {
    /// None yet.
    pub fn new(api: &'a Api) -> Self {
        Self { api, count: 0 }
    }

    /// Number of clusters.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Creates the clusters that are missing to this number. Returns the seconds until all are settled.
    pub fn grow(&mut self, number: usize) -> f64 {
        let began = Instant::now();
        for index in self.count..number {
            if index % TOGETHER == 0 {
                let namespace = json!({
                    "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace(index) },
                });
                self.api.create("/api/v1/namespaces", &namespace);
            }
            let mut manifest = ring(&name(index), &[(DC, &RACKS)]);
            without_tls(&mut manifest);
            self.api.create(&folder(index), &manifest);
        }
        self.count = number;
        until_every(LOOK, "all clusters to be settled", || {
            let text = self.api.text(&format!("{GROUP}/cassandraclusters"));
            let all: Value = serde_json::from_str(&text).expect("the API server answers in JSON");
            let all = all["items"].as_array().map_or(&[][..], Vec::as_slice);
            let settled = all.iter().filter(|cluster| is_settled(cluster)).count();
            (settled == number)
                .then_some(())
                .ok_or_else(|| format!("{settled} of {number} are"))
        });
        began.elapsed().as_secs_f64()
    }

    /// Requests a flush of some clusters, several times. Returns the seconds from just before the annotation is sent to the
    /// first call of a node.
    pub fn changes(&self, nodes: &Nodes) -> Vec<f64> {
        let changed = self.count.min(CHANGED);
        let each = self.count / changed.max(1);
        let mut took = Vec::new();
        for _ in 0..ROUNDS {
            let from = nodes.lines();
            let id = fresh_id("scale");
            // They are of all namespaces.
            let asked: Vec<(usize, Timestamp)> = (0..changed)
                .map(|index| {
                    thread::sleep(Duration::from_millis(PAUSES[index % PAUSES.len()]));
                    let now = Timestamp::now();
                    let key = format!("{OPERATIONS}flush");
                    let patch = json!({ "metadata": { "annotations": { key: id } } });
                    self.api.merge(&path(index * each), &patch);
                    (index * each, now)
                })
                .collect();
            for (index, began) in asked {
                until("the flush to succeed", || {
                    let cluster = self.api.text(&path(index));
                    let cluster: Value = serde_json::from_str(&cluster).unwrap_or_default();
                    let found = find_operation(&cluster, "flush", &id);
                    let found = found.map(|found| found["phase"].clone());
                    (found == Some(json!("Succeeded")))
                        .then_some(())
                        .ok_or_else(|| format!("{found:?}"))
                });
                let of = format!("{}/{}", namespace(index), name(index));
                let told = nodes.told(from);
                let mut calls = told.iter().filter(|told| told.what != "read");
                let first = calls.find(|told| told.cluster() == Some(&of));
                let first = first.expect("a flush that succeeded was told to a node");
                took.push(first.at.duration_since(began).as_secs_f64());
            }
        }
        took
    }
}

fn namespace(index: usize) -> String {
    format!("scale-{}", index / TOGETHER)
}

fn name(index: usize) -> String {
    format!("ring{index}")
}

fn folder(index: usize) -> String {
    format!("{GROUP}/namespaces/{}/cassandraclusters", namespace(index))
}

fn path(index: usize) -> String {
    format!("{}/{}", folder(index), name(index))
}
