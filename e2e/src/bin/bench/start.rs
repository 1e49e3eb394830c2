//! From `kubectl apply` to a ring: by the operator, and with the same pods as plain StatefulSets.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use casskop_e2e::{
    Cluster, Kubectl, cluster::find_condition, kubectl, operator::is_ready, proxied::Api,
};
use serde_json::{Value, json};

use crate::{
    NAME, RACKS,
    node::Nodes,
    ring,
    table::{Row, Table, Unit},
    watched,
};

/// Time between two polls of the ring.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Seconds of all runs.
#[derive(Default)]
pub struct Starts {
    ours: Times,
    available: Vec<f64>,
    plain: Times,
}

#[derive(Default)]
struct Times {
    /// Until the pods are Ready.
    ready: Vec<f64>,
    /// Until every node is NORMAL, serves clients and reports all nodes.
    ring: Vec<f64>,
}

impl Starts {
    /// Measures a ring that the operator manages.
    pub fn ours(&mut self, api: &Api, demo: &Cluster) {
        let watched = watched(demo);
        let available = |cluster: &Value| {
            find_condition(cluster, "Available").is_some_and(|found| found["status"] == "True")
        };
        let (began, available) = thread::scope(|scope| {
            let available = scope.spawn(|| api.watch(&watched, available));
            let began = self
                .ours
                .measure(api, &demo.kubectl, || demo.apply(&ring()));
            (began, available.join().expect("Available is seen"))
        });
        self.available.push((available - began).as_secs_f64());
    }

    /// Measures the same pods without the operator.
    pub fn plain(&mut self, api: &Api, namespace: &str, manifests: &Value) {
        let kubectl = Kubectl::new(namespace);
        kubectl.ok(&["create", "namespace", namespace]);
        self.plain
            .measure(api, &kubectl, || kubectl.apply(manifests));
    }

    /// Prints the measurements.
    pub fn report(&self, table: &mut Table) {
        let row = |figure: &str, ours: &[f64], plain: &[f64]| {
            let row = Row::median(figure, Unit::Seconds, ours);
            if plain.is_empty() {
                return row;
            }
            row.beside(Unit::Seconds, ours, "plain StatefulSets", plain)
        };
        table.add(row(
            "3 racks: apply → pods Ready",
            &self.ours.ready,
            &self.plain.ready,
        ));
        table.add(row(
            "3 racks: apply → each sees 3",
            &self.ours.ring,
            &self.plain.ring,
        ));
        let available = row(
            "3 racks: apply → Available",
            &self.available,
            &self.plain.ring,
        );
        table.add(available.target("≤ 1.15 × plain"));
    }
}

impl Times {
    /// Runs `apply` and waits for its pods and their ring. Returns the start time.
    fn measure(&mut self, api: &Api, kubectl: &Kubectl, apply: impl FnOnce()) -> Instant {
        let pods = format!(
            "/api/v1/namespaces/{}/pods?labelSelector=app%3Dcassandracluster",
            kubectl.namespace
        );
        let mut ready = BTreeSet::new();
        let all_ready = |pod: &Value| {
            let name = kubectl::name(pod);
            if is_ready(pod) {
                ready.insert(name);
            } else {
                ready.remove(&name);
            }
            ready.len() == RACKS.len()
        };
        let (began, ready, ring) = thread::scope(|scope| {
            let ready = scope.spawn(|| api.watch(&pods, all_ready));
            let began = Instant::now();
            apply();
            let ring = wait_for_ring(kubectl);
            (began, ready.join().expect("the pods are seen"), ring)
        });
        self.ready.push((ready - began).as_secs_f64());
        self.ring.push((ring - began).as_secs_f64());
        began
    }
}

fn wait_for_ring(kubectl: &Kubectl) -> Instant {
    let mut nodes = None;
    loop {
        nodes = nodes.or_else(|| Nodes::find(kubectl, RACKS.len()));
        if nodes.as_ref().is_some_and(Nodes::are_a_ring) {
            return Instant::now();
        }
        thread::sleep(ASK_EVERY);
    }
}

/// The objects that the operator created for a ring, as plain manifests for another namespace: without their owner,
/// and with the configuration at the time when the ring was formed.
pub fn manifests(demo: &Cluster, namespace: &str) -> Value {
    let kinds = "serviceaccounts,secrets,services,configmaps,statefulsets";
    let objects = demo.kubectl.list(kinds, "app=cassandracluster");
    let items: Vec<Value> = objects
        .into_iter()
        .map(|object| plain(&object, &demo.kubectl.namespace, namespace))
        .collect();
    assert!(
        items
            .iter()
            .filter(|item| item["kind"] == "StatefulSet")
            .count()
            == RACKS.len(),
        "{NAME} has a StatefulSet for each rack"
    );
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

fn plain(object: &Value, from: &str, to: &str) -> Value {
    let mut plain = object.clone();
    plain["metadata"] = json!({
        "name": object["metadata"]["name"],
        "labels": object["metadata"]["labels"],
        "namespace": to,
    });
    if let Some(plain) = plain.as_object_mut() {
        plain.remove("status");
    }
    if let Some(text) = object["data"]["rack.json"].as_str() {
        let mut rack = kubectl::json(text);
        rack["namespace"] = json!(to);
        rack["formed"] = json!(false);
        for seed in rack["seeds"].as_array_mut().into_iter().flatten() {
            let name = seed.as_str().unwrap_or_default();
            let host = name.strip_suffix(&format!(".{from}"));
            *seed = json!(format!(
                "{}.{to}",
                host.expect("seeds end with the namespace")
            ));
        }
        plain["data"]["rack.json"] = json!(rack.to_string());
        // The new ring has no members yet.
        plain["data"]["nodes.json"] = json!(json!({ "members": {}, "replaced": {} }).to_string());
    }
    plain
}
