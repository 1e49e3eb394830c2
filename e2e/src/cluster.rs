//! A `CassandraCluster`: manifests of small rings that start fast, and waits for its status.

use serde_json::{Value, json};

use crate::{
    command::{Output, setting},
    kubectl::{self, Kubectl},
    wait::until,
};

const KIND: &str = "cassandraclusters.db.orange.com";
/// Prefix of the annotations.
pub const OPERATIONS: &str = "operations.db.orange.com/";
/// Final phases of an operation.
const FINAL: [&str; 6] = [
    "Planned",
    "Succeeded",
    "Failed",
    "Refused",
    "Cancelled",
    "Withdrawn",
];

/// A `CassandraCluster`.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// `kubectl` in its namespace.
    pub kubectl: Kubectl,
}

/// The testbed's image of a version of Cassandra.
pub fn image(version: &str) -> String {
    let newest = setting("CASSANDRA_IMAGE");
    let name = newest
        .rsplit_once(':')
        .map_or(newest.as_str(), |(name, _)| name);
    format!("{name}:{version}")
}

/// The manifest of a small ring that starts fast, with one node in each rack.
pub fn ring(name: &str, dcs: &[(&str, &[&str])]) -> Value {
    let racks = |racks: &[&str]| {
        let racks: Vec<Value> = racks.iter().map(|rack| json!({ "name": rack })).collect();
        racks
    };
    let dcs: Vec<Value> = dcs
        .iter()
        .map(|(dc, names)| json!({ "name": dc, "rack": racks(names) }))
        .collect();
    json!({
        "apiVersion": "db.orange.com/v2",
        "kind": "CassandraCluster",
        "metadata": { "name": name },
        "spec": {
            "cassandraImage": setting("CASSANDRA_IMAGE"),
            "nodesPerRacks": 1,
            "dataCapacity": "1Gi",
            // A process that the kubelet starts in a container costs a quarter of a second of processor time.
            "livenessHealthCheckPeriod": 60,
            "resources": {
                "requests": { "cpu": "50m", "memory": "700Mi" },
                "limits": { "memory": "1Gi" },
            },
            "config": {
                "cassandra-yaml": { "dynamic_snitch": false },
                "jvm-options": {
                    "initial_heap_size": "256M",
                    "max_heap_size": "256M",
                    "cassandra_ring_delay_ms": 5000,
                    "cassandra_skip_wait_for_gossip_to_settle": 0,
                    "cassandra_superuser_setup_delay_ms": 0,
                },
            },
            "topology": { "dc": dcs },
        },
    })
}

/// Has the nodes of a ring of this manifest reached in plain HTTP, for tests that speak to the agents, or play them.
pub fn without_tls(manifest: &mut Value) {
    manifest["spec"]["nodeApi"] = json!({ "tls": "Disabled" });
}

impl Cluster {
    /// Applies the manifest of the cluster.
    pub fn apply(&self, manifest: &Value) {
        self.kubectl.apply(manifest);
    }

    /// The resource.
    pub fn get(&self) -> Value {
        let found = self.kubectl.get(KIND, &self.name);
        found.unwrap_or_else(|| panic!("there is no CassandraCluster {}", self.name))
    }

    /// Changes the spec by a merge patch.
    pub fn change(&self, spec: &Value) {
        self.kubectl
            .patch(KIND, &self.name, &json!({ "spec": spec }))
            .ok();
    }

    /// Waits until `look` returns a value for the resource.
    pub fn shows<T>(&self, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        until(&format!("{}: {what}", self.name), || {
            let cluster = self.get();
            look(&cluster).ok_or_else(|| cluster["status"].to_string())
        })
    }

    /// Waits until a condition for the newest spec has a status, and returns it.
    pub fn becomes(&self, condition: &str, status: &str) -> Value {
        self.shows(&format!("{condition}={status}"), |cluster| {
            let found = find_condition(cluster, condition)?;
            (found["status"] == status).then(|| found.clone())
        })
    }

    /// Waits until a condition has a status and its message contains all of these words.
    pub fn tells(&self, condition: &str, status: &str, words: &[&str]) -> Value {
        self.shows(&format!("{condition}={status} with {words:?}"), |cluster| {
            let found = find_condition(cluster, condition)?;
            let message = found["message"].as_str().unwrap_or_default();
            (found["status"] == status && words.iter().all(|word| message.contains(word)))
                .then(|| found.clone())
        })
    }

    /// Waits until the cluster matches its newest spec and is healthy.
    pub fn settles(&self) {
        self.shows("available and settled", |cluster| {
            is_settled(cluster).then_some(())
        });
    }

    /// The pods of the cluster's nodes, by name.
    pub fn pods(&self) -> Vec<Value> {
        let selector = format!("app=cassandracluster,cassandracluster={}", self.name);
        let mut pods = self.kubectl.list("pods", &selector);
        pods.sort_by_key(kubectl::name);
        pods
    }

    /// Names of the pods of the cluster's nodes.
    pub fn pod_names(&self) -> Vec<String> {
        kubectl::names(&self.pods())
    }

    /// The host id of each node, by pod, from the status.
    pub fn host_ids(&self) -> Vec<(String, String)> {
        let cluster = self.get();
        let nodes = cluster["status"]["cassandraNodeStatus"].as_object();
        let id = |node: &Value| node["hostId"].as_str().unwrap_or_default().to_owned();
        nodes
            .into_iter()
            .flatten()
            .map(|(pod, node)| (pod.clone(), id(node)))
            .collect()
    }

    /// Sets an annotation `operations.db.orange.com/<key>`, or removes it.
    pub fn annotate(&self, key: &str, value: Option<&str>) -> Output {
        let patch =
            json!({ "metadata": { "annotations": { format!("{OPERATIONS}{key}"): value } } });
        self.kubectl.patch(KIND, &self.name, &patch)
    }

    /// Requests an operation by its annotation.
    pub fn request(&self, kind: &str, value: &str) {
        self.annotate(kind, Some(value)).ok();
    }

    /// An operation in the status or its history.
    pub fn operation(&self, kind: &str, id: &str) -> Option<Value> {
        find_operation(&self.get(), kind, id)
    }

    /// Waits until an operation is in one of these phases.
    pub fn reaches(&self, kind: &str, id: &str, phases: &[&str]) -> Value {
        self.shows(&format!("{kind} {id} {phases:?}"), |cluster| {
            let found = find_operation(cluster, kind, id)?;
            let phase = found["phase"].as_str().unwrap_or_default();
            phases.contains(&phase).then_some(found)
        })
    }

    /// Waits until an operation has ended.
    pub fn ends(&self, kind: &str, id: &str) -> Value {
        self.reaches(kind, id, &FINAL)
    }

    /// Waits until an operation has succeeded; another end is a failure.
    pub fn succeeds(&self, kind: &str, id: &str) -> Value {
        let ended = self.ends(kind, id);
        assert_eq!(ended["phase"], "Succeeded", "{ended:#}");
        ended
    }

    /// Waits until the operator has processed the current annotations and spec of the resource: by a dry run of a
    /// flush, which is planned in the same reconciliation as all other requests.
    pub fn is_looked_at(&self) {
        let id = crate::fresh_id("look");
        self.request("flush", &format!("{id} --dry-run"));
        self.reaches("flush", &id, &["Planned"]);
    }

    /// Messages of the events of the resource with this reason.
    pub fn events(&self, reason: &str) -> Vec<String> {
        let all = self.kubectl.list("events", "");
        all.into_iter()
            .filter(|event| {
                event["involvedObject"]["name"] == self.name.as_str() && event["reason"] == reason
            })
            .map(|event| event["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Waits for an event with this reason and these words.
    pub fn announces(&self, reason: &str, words: &[&str]) {
        until(&format!("an event {reason} with {words:?}"), || {
            let events = self.events(reason);
            let told = events
                .iter()
                .any(|text| words.iter().all(|word| text.contains(word)));
            if told {
                Ok(())
            } else {
                Err(format!("{events:?}"))
            }
        });
    }

    /// Deletes the resource and waits until its pods are gone.
    pub fn delete(&self) {
        self.kubectl
            .ok(&["delete", KIND, &self.name, "--ignore-not-found"]);
        let selector = format!("app=cassandracluster,cassandracluster={}", self.name);
        self.kubectl.ok(&[
            "delete",
            "pods",
            "-l",
            &selector,
            "--grace-period=1",
            "--wait=false",
        ]);
        until(&format!("the pods of {} to be gone", self.name), || {
            let pods = self.pod_names();
            if pods.is_empty() {
                Ok(())
            } else {
                Err(pods.join(", "))
            }
        });
    }
}

/// A condition of a resource, if it is for the newest spec.
pub fn find_condition<'a>(cluster: &'a Value, condition: &str) -> Option<&'a Value> {
    let generation = &cluster["metadata"]["generation"];
    let conditions = cluster["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|found| found["type"] == condition && found["observedGeneration"] == *generation)
}

/// Whether a cluster matches its newest spec and is healthy.
pub fn is_settled(cluster: &Value) -> bool {
    let is = |condition: &str, status: &str| {
        find_condition(cluster, condition).is_some_and(|found| found["status"] == status)
    };
    is("Ready", "True")
        && is("Available", "True")
        && is("Progressing", "False")
        && is("Degraded", "False")
        && is("SpecAccepted", "True")
}

/// An operation in the status of a resource or its history.
pub fn find_operation(cluster: &Value, kind: &str, id: &str) -> Option<Value> {
    let list = |key: &str| {
        cluster["status"][key]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    list("operations")
        .into_iter()
        .chain(list("operationHistory"))
        .find(|found| found["kind"] == kind && found["id"] == id)
}

/// Phases of the nodes of an operation, by pod.
pub fn node_phases(operation: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = operation["nodes"].as_array().into_iter().flatten();
    nodes
        .map(|node| (text(&node["pod"]), text(&node["phase"])))
        .collect()
}
