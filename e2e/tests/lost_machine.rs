//! A machine is lost with a node on it: the loss is reported, nothing is deleted and no rack changes. After
//! Kubernetes is informed that the machine is gone, by its taint or by the deletion of its Node, the pod is
//! re-created on another machine, and the node keeps its identity.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{fs, os::unix::fs::PermissionsExt};

use casskop_e2e::{
    Cluster, Space, cassandra, cluster, kubectl,
    machine::LostMachine,
    operator::{self, Shell},
    space::writes_by,
    wait::until,
};
use serde_json::{Value, json};

const LOST: &str = "machine-dc1-rack3-0";
const MACHINE: &str = "node1";
/// Label of the machines that the third rack may run on.
const LABEL: &str = "e2e.casskop/third-rack";
/// Volumes that are not bound to a machine.
const CLASS: &str = "e2e-anywhere";

#[test]
#[ignore = "needs a testbed of two machines: make clean; NODES=2 make test-e2e"]
fn a_lost_machine_is_told_and_its_node_comes_back_elsewhere() {
    let space = Space::open("e2e-machine");
    let ring = space.cluster("machine");
    let machines = space.kubectl.ok(&["get", "nodes", "-o", "name"]);
    assert!(
        machines.contains(&format!("node/{MACHINE}")),
        "the testbed has one machine: make clean, and NODES=2 make cluster"
    );
    let _volumes = Volumes::make(&space, 3);
    third_rack_runs_on(&space, MACHINE, "node0");
    // The operator runs on a different machine.
    let operator = Shell::start(&space);
    ring.apply(&manifest());
    ring.settles();
    cassandra::fill(&space.kubectl, "machine-dc1-rack1-0", &["three".into()]);
    let hosts = ring.host_ids();
    let tainted = is_told(&space, &ring);
    tainted.is_out_of_service(&space.kubectl);
    is_elsewhere(&space, &ring, &hosts);
    tainted.is_back(&space.kubectl);

    third_rack_runs_on(&space, MACHINE, "node0");
    space.kubectl.ok(&["delete", "pod", LOST]);
    runs_on(&ring, MACHINE);
    ring.settles();
    let given_up = is_told(&space, &ring);
    space.kubectl.ok(&["delete", "node", MACHINE]);
    is_elsewhere(&space, &ring, &hosts);
    given_up.is_new(&space.kubectl);
    ring.delete();
    drop(operator);
}

/// The machine is lost; the loss is reported, and nothing is changed.
fn is_told(space: &Space, ring: &Cluster) -> LostMachine {
    let before = picture(space, ring);
    let pods = ring.pods();
    let mut pods = pods.iter();
    let pod = pods.find(|pod| kubectl::name(pod) == LOST && pod["spec"]["nodeName"] == MACHINE);
    let uid = pod.and_then(|pod| pod["metadata"]["uid"].as_str());
    let uid = uid.expect("it is on that machine").to_owned();
    let lost = LostMachine::lose(&space.kubectl, MACHINE, &[uid]);
    let words = [
        LOST,
        MACHINE,
        "does not answer",
        "delete the Node",
        "out-of-service",
    ];
    ring.tells("Degraded", "True", &words);
    ring.is_looked_at();
    assert_eq!(picture(space, ring), before, "nothing was changed");
    let writes = writes_by(&operator::user(&space.kubectl));
    let deleted = writes.iter().find(|entry| entry["verb"] == "delete");
    assert_eq!(deleted, None);
    third_rack_runs_on(space, "node0", MACHINE);
    lost
}

/// The pod is re-created on the other machine, and its node keeps its identity.
fn is_elsewhere(space: &Space, ring: &Cluster, hosts: &[(String, String)]) {
    runs_on(ring, "node0");
    ring.settles();
    assert_eq!(ring.host_ids(), hosts, "the nodes are who they were");
    let nodes = cassandra::nodetool_status(&space.kubectl, LOST);
    let up = nodes.iter().filter(|node| node[1] == "UN").count();
    assert_eq!((nodes.len(), up), (3, 3), "{nodes:?}");
    let row = "SELECT text FROM three.t WHERE id = 3";
    let rows = cassandra::cql(&space.kubectl, LOST, "ALL", &[row]).ok();
    assert_eq!(rows.trim(), "text=row 3 of three");
}

fn runs_on(ring: &Cluster, machine: &str) {
    until(&format!("{LOST} on {machine}"), || {
        let pods = ring.pods();
        let found = pods.iter().find(|pod| kubectl::name(pod) == LOST);
        let node = found.map(|pod| pod["spec"]["nodeName"].clone());
        if node == Some(json!(machine)) {
            Ok(())
        } else {
            Err(format!("{node:?}"))
        }
    });
}

fn manifest() -> Value {
    let mut manifest = cluster::ring("machine", &[("dc1", &["rack1", "rack2", "rack3"])]);
    manifest["spec"]["dataStorageClass"] = json!(CLASS);
    let racks = &mut manifest["spec"]["topology"]["dc"][0]["rack"];
    for rack in [0, 1] {
        racks[rack]["labels"] = json!({ "kubernetes.io/hostname": "node0" });
    }
    racks[2]["labels"] = json!({ LABEL: "yes" });
    manifest
}

fn third_rack_runs_on(space: &Space, machine: &str, no_more: &str) {
    let yes = format!("{LABEL}=yes");
    space
        .kubectl
        .ok(&["label", "--overwrite", "node", machine, &yes]);
    let no = format!("{LABEL}-");
    space.kubectl.ok(&["label", "node", no_more, &no]);
}

/// Generations of the StatefulSets, UIDs of pods and volumes.
fn picture(space: &Space, ring: &Cluster) -> Vec<(String, Value)> {
    let of = |kind: &str, field: &str| -> Vec<(String, Value)> {
        let objects = space.kubectl.list(kind, "cassandracluster=machine");
        let part = |object: &Value| object["metadata"][field].clone();
        let named = objects.iter();
        named
            .map(|object| (kubectl::name(object), part(object)))
            .collect()
    };
    let pods = ring.pods();
    let pods = pods
        .iter()
        .map(|pod| (kubectl::name(pod), pod["metadata"]["uid"].clone()));
    let sets = of("statefulsets", "generation");
    let claims = of("persistentvolumeclaims", "uid");
    pods.chain(sets).chain(claims).collect()
}

/// Folders that pods of every machine of the testbed can access, as volumes.
struct Volumes<'a> {
    space: &'a Space,
    names: Vec<String>,
}

impl<'a> Volumes<'a> {
    fn make(space: &'a Space, count: usize) -> Self {
        space.kubectl.apply(&json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": { "name": CLASS },
            "provisioner": "kubernetes.io/no-provisioner",
        }));
        let names: Vec<String> = (0..count)
            .map(|index| {
                let name = casskop_e2e::fresh_id("e2e-anywhere");
                let folder = space.kubectl.site.scratch(&format!("volume-{index}"));
                fs::create_dir_all(&folder).expect("the scratch folder is writable");
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))
                    .expect("it is ours");
                space.kubectl.apply(&json!({
                    "apiVersion": "v1", "kind": "PersistentVolume",
                    "metadata": { "name": name },
                    "spec": {
                        "storageClassName": CLASS,
                        "capacity": { "storage": "1Gi" },
                        "accessModes": ["ReadWriteOnce"],
                        "hostPath": { "path": folder },
                    },
                }));
                name
            })
            .collect();
        Self { space, names }
    }
}

impl Drop for Volumes<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            let delete = ["delete", "persistentvolume", name, "--wait=false"];
            self.space.kubectl.run(&delete);
        }
    }
}
