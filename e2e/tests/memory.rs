//! The memory of the operator, in its pod and with its shipped limit: a status of 1,000 nodes, nodes that answer with
//! junk, and streams of 100,000 files. A process that the kernel ended for its memory would be another container.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_common::operations::kinds;
use casskop_e2e::{
    Cluster, Kubectl, Space,
    agents::{Behaviour, Played, nowhere},
    cluster::{find_condition, ring},
    figures::report_figure,
    fresh_id, operator,
    process::Process,
    wait::until,
};
use serde_json::{Value, json};

const SPACE: &str = "e2e-memory";
const KIND: &str = "cassandraclusters.db.orange.com";

/// The large ring, and the nodes of each of its racks.
const RACKS: [&str; 4] = ["rack1", "rack2", "rack3", "rack4"];
const NODES_PER_RACK: usize = 250;
/// Clusters of twelve nodes: as many nodes of a cluster are read at the same time, and as many reads are made at all.
const RINGS: usize = 4;
const NODES: usize = 12;
/// Clusters with a stream, more than are read at the same time.
const STREAMS: usize = 12;
/// Clusters of three racks whose pods cannot be placed; they are observed again and again.
const WAITING: usize = 150;
/// Rounds in which all nodes are read again.
const ROUNDS: usize = 3;

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn the_operator_keeps_to_its_limit() {
    let space = Space::open(SPACE);
    let kubectl = &space.kubectl;
    let mut figures = vec![("at rest", peak(kubectl))];
    figures.push(("status of 1,000 nodes", with_a_large_status(&space)));
    figures.push(("150 clusters that wait", with_many_clusters(&space)));
    let mut rings = Played::rings(&space, 6, RINGS, NODES);
    figures.push(("48 reads of junk at once", with_junk(&space, &mut rings)));
    drop(rings);
    let mut streams = Played::start(&space, 7, STREAMS);
    figures.push((
        "streams of 100,000 files",
        with_streams(&space, &mut streams),
    ));
    drop(streams);
    let limit = limit(kubectl);
    report(&figures, limit);
    for (what, peak) in figures {
        assert!(peak < limit, "{what}: {peak:.1} of {limit:.1} MiB");
    }
}

fn report(figures: &[(&str, f64)], limit: f64) {
    for (what, peak) in figures {
        report_figure(&format!(
            "peak of the operator's memory, {what}: {peak:.1} of {limit:.1} MiB"
        ));
    }
}

/// The limit of the container, in MiB.
fn limit(kubectl: &Kubectl) -> f64 {
    let pod = operator::ready_pod(kubectl);
    let limit = &pod["spec"]["containers"][0]["resources"]["limits"]["memory"];
    let number = limit.as_str().and_then(|limit| limit.strip_suffix("Mi"));
    number
        .and_then(|number| number.parse().ok())
        .expect("a limit in Mi")
}

/// The largest memory of the operator since it started, in MiB. No container of it has ended.
fn peak(kubectl: &Kubectl) -> f64 {
    let pod = operator::ready_pod(kubectl);
    let container = &pod["status"]["containerStatuses"][0];
    assert_eq!(container["restartCount"], 0, "{container:#}");
    Process::of_operator(kubectl).mebibytes("VmHWM:")
}

/// A new process of the operator.
fn restart(kubectl: &Kubectl) {
    operator::scale(kubectl, 0);
    operator::scale(kubectl, 1);
}

/// Loads the status and writes it, with all objects of all nodes: first while they are created, then from the beginning.
fn with_a_large_status(space: &Space) -> f64 {
    let kubectl = &space.kubectl;
    operator::scale(kubectl, 0);
    let large = space.cluster("large");
    let mut manifest = nowhere(ring(&large.name, &[("dc1", &RACKS)]));
    manifest["spec"]["nodesPerRacks"] = json!(NODES_PER_RACK);
    large.apply(&manifest);
    for rack in RACKS {
        kubectl.apply(&last_claim(&large.name, rack));
    }
    let replace = |status: Value| {
        let mut object = large.get();
        object["status"] = status;
        let words = ["replace", "--subresource=status", "-f", "-"];
        kubectl.run_with(&words, &object.to_string()).ok();
    };
    // An operation at work would hold back the StatefulSets.
    let mut ended = status(&large.name);
    let running = ended["operations"].as_array_mut().and_then(Vec::pop);
    replace(ended);
    operator::scale(kubectl, 1);
    until("the pods", || {
        let pods = large.pods().len();
        let are_all = pods == RACKS.len() * NODES_PER_RACK;
        are_all.then_some(()).ok_or_else(|| pods.to_string())
    });
    records(&large);
    let first = peak(kubectl);
    operator::scale(kubectl, 0);
    let mut whole = large.get()["status"].take();
    let operations = whole["operations"].as_array_mut().expect("operations");
    operations.extend(running);
    replace(whole);
    operator::scale(kubectl, 1);
    for _ in 0..ROUNDS {
        records(&large);
    }
    let nodes = large.get()["status"]["cassandraNodeStatus"].take();
    let nodes = nodes.as_object().map_or(0, serde_json::Map::len);
    assert_eq!(nodes, RACKS.len() * NODES_PER_RACK);
    let second = peak(kubectl);
    delete(&large);
    first.max(second)
}

/// The volume claim of the last node of a rack: with it, the rack is restored with all its nodes at once.
fn last_claim(name: &str, rack: &str) -> Value {
    let last = NODES_PER_RACK - 1;
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": format!("data-{name}-dc1-{rack}-{last}"),
            "labels": {
                "app": "cassandracluster", "cassandracluster": name,
                "cassandraclusters.db.orange.com.dc": "dc1", "cassandraclusters.db.orange.com.rack": rack,
            },
        },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    })
}

/// Requests an operation, and waits until the operator has written it to the status.
fn records(cluster: &Cluster) {
    let id = fresh_id("recorded");
    cluster.request("flush", &format!("{id} --rack none"));
    cluster.shows("the request", |cluster| {
        casskop_e2e::cluster::find_operation(cluster, "flush", &id)
    });
}

/// Deletes a cluster with its objects, each kind by one request.
fn delete(cluster: &Cluster) {
    let (kubectl, name) = (&cluster.kubectl, &cluster.name);
    kubectl.ok(&["delete", KIND, name]);
    let selector = format!("?labelSelector=cassandracluster%3D{name}");
    let folder = |group: &str, kind: &str| {
        format!("/{group}/namespaces/{}/{kind}{selector}", kubectl.namespace)
    };
    for path in [
        folder("apis/apps/v1", "statefulsets"),
        folder("api/v1", "pods"),
        folder("api/v1", "persistentvolumeclaims"),
    ] {
        kubectl.ok(&["delete", "--raw", &path]);
    }
    until("the pods to be gone", || {
        let pods = cluster.pods().len();
        (pods == 0).then_some(()).ok_or_else(|| pods.to_string())
    });
}

/// The status of a ring of 1,000 nodes on which every kind has ended, and a cleanup runs on a rack: as large as the operator
/// lets it become.
fn status(name: &str) -> Value {
    let pods = |rack: &str| {
        let of = |node| format!("{name}-dc1-{rack}-{node}");
        (0..NODES_PER_RACK).map(of).collect::<Vec<String>>()
    };
    let nodes = RACKS.into_iter().flat_map(|rack| {
        pods(rack).into_iter().enumerate().map(move |(node, pod)| {
            let status = json!({
                "hostId": host_id(rack, node), "nodeIp": format!("10.244.{}.{node}", &rack[4..]), "dc": "dc1", "rack": rack,
                "state": "NORMAL", "gossip": "Up", "version": "5.0.9", "loadBytes": 1_234_567_890_123_u64, "ready": true,
                "cleanupRequiredSince": "2026-11-22T17:00:00Z", "cleanupRequiredReason": "NodesJoined",
            });
            (pod, status)
        })
    });
    let node = |rack: &str, (node, pod): (usize, String), phase: &str| {
        json!({
            "pod": pod, "podUid": host_id(rack, node), "hostId": host_id(rack, node), "phase": phase,
            "step": "orders_by_customer", "startedAt": "2026-11-22T17:00:00.123456Z", "attempts": 1,
            "progress": { "done": 3, "total": 12, "unit": "keyspaces" },
            "error": (phase == "Failed").then(|| "java.lang.RuntimeException: ".repeat(7)),
        })
    };
    let steps: Vec<String> = (0..12).map(|step| format!("keyspace_{step}")).collect();
    let call = "StorageService.forceKeyspaceCleanup(jobs, keyspace)";
    let ended = kinds().filter(|kind| *kind != "cleanup").map(|kind| {
        let failed = pods(RACKS[0]).into_iter().take(20).enumerate();
        json!({
            "kind": kind, "id": "2026-11-22a", "phase": "Failed", "startedAt": "2026-11-22T17:00:00.123456Z",
            "finishedAt": "2026-11-22T18:00:00.123456Z", "plan": { "steps": steps, "call": call },
            "nodes": failed.map(|one| node(RACKS[0], one, "Failed")).collect::<Vec<_>>(),
            "omittedNodes": { "pending": 0, "succeeded": 980, "failed": 0, "skipped": 0 },
        })
    });
    let all = RACKS.into_iter().flat_map(|rack| {
        let phase = if rack == RACKS[0] {
            "Running"
        } else {
            "Pending"
        };
        let pods = pods(rack).into_iter().enumerate();
        pods.map(move |one| node(rack, one, phase))
    });
    let running = json!({
        "kind": "cleanup", "id": "2026-11-22b", "arguments": "--parallel rack", "phase": "Running",
        "startedAt": "2026-11-22T18:00:00.123456Z", "nodes": all.collect::<Vec<_>>(),
        "plan": { "waves": RACKS.map(pods), "steps": steps, "call": call },
    });
    json!({
        "observedGeneration": 1, "phase": "Running",
        "cassandraNodeStatus": nodes.collect::<serde_json::Map<_, _>>(),
        "operations": ended.chain([running]).collect::<Vec<_>>(),
    })
}

fn host_id(rack: &str, node: usize) -> String {
    format!("0d8d6a3c-43ee-4f5c-8d0b-{}{node:0>11}", &rack[4..])
}

/// All clusters are created at once, then loaded by a new process.
fn with_many_clusters(space: &Space) -> f64 {
    let kubectl = &space.kubectl;
    restart(kubectl);
    let names: Vec<String> = (0..WAITING).map(|number| format!("many{number}")).collect();
    let manifests = names
        .iter()
        .map(|name| nowhere(ring(name, &[("dc1", &RACKS[..3])])));
    let manifests = json!({
        "apiVersion": "v1", "kind": "List", "items": manifests.collect::<Vec<_>>(),
    });
    kubectl
        .run_with(&["create", "-f", "-"], &manifests.to_string())
        .ok();
    let all_wait = || {
        until("every cluster to wait for its pods", || {
            let clusters = kubectl.list(KIND, "");
            let is_told = |cluster: &&Value| {
                let degraded = find_condition(cluster, "Degraded");
                degraded.is_some_and(|degraded| degraded["status"] == "True")
            };
            let told = clusters.iter().filter(is_told).count();
            (told == WAITING)
                .then_some(())
                .ok_or_else(|| told.to_string())
        });
    };
    all_wait();
    let first = peak(kubectl);
    restart(kubectl);
    for name in &names {
        records(&space.cluster(name));
    }
    all_wait();
    let second = peak(kubectl);
    kubectl.ok(&["delete", KIND, "--all", "--wait=false"]);
    until("the pods to be gone", || {
        let pods = kubectl.list("pods", "app=cassandracluster").len();
        (pods == 0).then_some(()).ok_or_else(|| pods.to_string())
    });
    first.max(second)
}

/// The reads of the first reconciliations of a new process happen at the same time; then all clusters are asked again.
fn with_junk(space: &Space, rings: &mut Played) -> f64 {
    rings.behave(Behaviour::Junk);
    restart(&space.kubectl);
    for cluster in &rings.clusters {
        cluster.becomes("Available", "False");
    }
    for _ in 0..ROUNDS {
        let id = fresh_id("junk");
        for cluster in &rings.clusters {
            cluster.request("flush", &id);
        }
        for cluster in &rings.clusters {
            cluster.reaches("flush", &id, &["Pending"]);
        }
    }
    let peak = peak(&space.kubectl);
    rings.behave(Behaviour::Answer);
    for cluster in &rings.clusters {
        cluster.becomes("Available", "True");
    }
    peak
}

/// A call on each of the clusters does not end, and the operator reads the activity of the node again and again.
fn with_streams(space: &Space, streams: &mut Played) -> f64 {
    restart(&space.kubectl);
    streams.run();
    streams.behave(Behaviour::Stream);
    let id = fresh_id("stream");
    for cluster in &streams.clusters {
        cluster.request("flush", &id);
    }
    until("every node to list its streams", || {
        let told = streams.told();
        let listed = |cluster| {
            let of = told
                .iter()
                .filter(|told| told.cluster == cluster && told.operation == "streams");
            of.count()
        };
        let least = (0..STREAMS).map(listed).min().unwrap_or_default();
        (least > ROUNDS)
            .then_some(())
            .ok_or_else(|| least.to_string())
    });
    let peak = peak(&space.kubectl);
    streams.behave(Behaviour::Answer);
    for cluster in &streams.clusters {
        cluster.succeeds("flush", &id);
    }
    peak
}
