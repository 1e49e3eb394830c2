//! The size of the status of a large ring.

use casskop_common::{
    api::{
        CassandraCluster, CassandraClusterStatus, NodePhase, NodeStatus, OperationNode,
        OperationPhase, OperationPlan, OperationStatus, Progress,
    },
    operations::kinds,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube_core::CustomResourceExt;
use serde_json::{Value, json};

use crate::status::size;

const NODES: usize = 1000;
const MIB: usize = 1024 * 1024;

fn time(second: usize) -> MicroTime {
    let text = format!(
        "2026-11-22T17:{:02}:{:02}.123456Z",
        second / 60,
        second % 60
    );
    MicroTime(text.parse().expect("a time"))
}

fn pod(number: usize) -> String {
    format!("production-orders-paris1-rack{}-{}", number % 3, number / 3)
}

fn operation(kind: &str, minute: usize, phase: OperationPhase, ends: NodePhase) -> OperationStatus {
    let node = |number| OperationNode {
        pod: pod(number),
        pod_uid: "8f0c5f7e-5a0d-4a0e-9f55-4d8a8f6f1a11".into(),
        host_id: "0d8d6a3c-43ee-4f5c-8d0b-1f7e0b0f4f3e".into(),
        phase: ends,
        step: "orders_by_customer".into(),
        started_at: Some(time(minute * 60)),
        finished_at: Some(time(minute * 60 + 30)),
        progress: Some(Progress {
            done: 12,
            total: 12,
            unit: "keyspaces".into(),
        }),
        error: (ends == NodePhase::Failed).then(|| "java.lang.RuntimeException: ".repeat(10)),
        attempts: 1,
        ..OperationNode::default()
    };
    OperationStatus {
        kind: kind.into(),
        id: format!("2026-11-22-{minute}"),
        phase,
        started_at: Some(time(minute * 60)),
        finished_at: phase.is_final().then(|| time(minute * 60 + 30)),
        plan: Some(OperationPlan {
            waves: (0..NODES).map(|number| vec![pod(number)]).collect(),
            steps: (0..12).map(|step| format!("keyspace_{step}")).collect(),
            call: "StorageService.forceKeyspaceCleanup(jobs, keyspace)".into(),
        }),
        nodes: (0..NODES).map(node).collect(),
        ..OperationStatus::default()
    }
}

/// A ring of 1,000 nodes on which every kind has ended, and one operation runs.
fn large(ends: NodePhase) -> CassandraClusterStatus {
    let node = |number: usize| NodeStatus {
        host_id: "0d8d6a3c-43ee-4f5c-8d0b-1f7e0b0f4f3e".into(),
        node_ip: format!("10.244.{}.{}", number / 250, number % 250),
        dc: "paris1".into(),
        rack: format!("rack{}", number % 3),
        state: "NORMAL".into(),
        gossip: "Up".into(),
        version: "5.0.9".into(),
        load_bytes: Some(1_234_567_890_123),
        cleanup_required_since: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
            time(0).0,
        )),
        ready: true,
        ..NodeStatus::default()
    };
    let phase = match ends {
        NodePhase::Failed => OperationPhase::Failed,
        _ => OperationPhase::Succeeded,
    };
    let mut operations: Vec<OperationStatus> = kinds()
        .enumerate()
        .map(|(minute, kind)| operation(kind, minute, phase, ends))
        .collect();
    let running = operations.last_mut().expect("a kind");
    *running = operation(
        running.kind.as_str(),
        30,
        OperationPhase::Running,
        NodePhase::Running,
    );
    let remembered = |minute| OperationStatus {
        plan: None,
        nodes: operation("repair", minute, phase, ends).nodes[..20].to_vec(),
        ..operation("repair", minute, phase, ends)
    };
    CassandraClusterStatus {
        observed_generation: Some(7),
        cassandra_node_status: (0..NODES)
            .map(|number| (pod(number), node(number)))
            .collect(),
        operation_history: (0..20).map(remembered).collect(),
        operations,
        ..CassandraClusterStatus::default()
    }
}

/// An estimate of the managed fields: a path for each field, down to those that are replaced as a whole.
fn managed(value: &Value, schema: &Value) -> usize {
    match value {
        Value::Object(fields) if schema["x-kubernetes-map-type"] != "atomic" => {
            let of = |(key, value): (&String, &Value)| {
                let known = &schema["properties"][key];
                let schema = if known.is_null() {
                    &schema["additionalProperties"]
                } else {
                    known
                };
                key.len() + r#""f:":{},"#.len() + managed(value, schema)
            };
            fields.iter().map(of).sum()
        }
        Value::Array(items) if schema["x-kubernetes-list-type"] == "map" => {
            let of = |item: &Value| {
                let keys = schema["x-kubernetes-list-map-keys"]
                    .as_array()
                    .expect("keys");
                let key = keys
                    .iter()
                    .map(|key| item[key.as_str().expect("a key")].to_string());
                key.map(|key| key.len()).sum::<usize>() + 30 + managed(item, &schema["items"])
            };
            items.iter().map(of).sum()
        }
        _ => 0,
    }
}

fn whole(status: &CassandraClusterStatus) -> usize {
    let crd = serde_json::to_value(CassandraCluster::crd()).expect("JSON");
    let version = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let schema = &version["properties"]["status"];
    assert!(schema["properties"]["operations"].is_object());
    let status = json!(status);
    status.to_string().len() + managed(&status, schema)
}

#[test]
fn the_status_of_a_large_ring_fits_into_etcd() {
    for ends in [NodePhase::Succeeded, NodePhase::Failed, NodePhase::Skipped] {
        let mut status = large(ends);
        let before = whole(&status);
        assert!(before > 3 * MIB, "{before}");
        let omitted = size::fit(&mut status, size::BUDGET);
        let after = whole(&status);
        assert!(after < MIB, "{ends:?}: {after}");
        assert!(!omitted.nodes_of.is_empty());
        // Nothing that is needed is lost.
        assert_eq!(status.cassandra_node_status.len(), NODES);
        let running = status.operations.last().expect("it runs");
        assert_eq!(running.nodes.len(), NODES);
        for operation in &status.operations {
            assert_eq!(operation.total(), NODES, "{}", operation.kind);
        }
        let again = size::fit(&mut status.clone(), size::BUDGET);
        assert!(again.is_empty(), "{again}");
    }
}

#[test]
fn the_oldest_go_first_and_only_as_many_as_necessary() {
    let mut status = large(NodePhase::Succeeded);
    status.operations.truncate(3);
    status.operations[1].nodes[0].phase = NodePhase::Failed;
    let most = size::of(&status) - 1;
    let omitted = size::fit(&mut status, most);
    assert_eq!(
        omitted.nodes_of,
        [format!("{} 2026-11-22-0", status.operations[0].kind)]
    );
    insta::assert_snapshot!(
        omitted
            .to_string()
            .replace(status.operations[0].kind.as_str(), "KIND")
    );
    assert_eq!(status.operations[0].nodes, []);
    assert_eq!(status.operations[0].count(NodePhase::Succeeded), NODES);
    assert_eq!(status.operations[2].nodes.len(), NODES);
    let most = size::of(&status) - 1;
    size::fit(&mut status, most);
    let [failed] = &status.operations[1].nodes[..] else {
        unreachable!("the failed node stays");
    };
    assert_eq!(failed.phase, NodePhase::Failed);
    assert_eq!(
        status.operations[1].plan.as_ref().expect("a plan").waves,
        [[pod(0)]]
    );
    assert_eq!(status.operation_history.len(), 20);
}

#[test]
fn the_history_goes_from_its_end_and_keeps_the_ids_that_may_stand_in_annotations() {
    let mut status = large(NodePhase::Succeeded);
    status.operations.clear();
    status.operation_history[5].kind = "flush".into();
    let node = |status: &CassandraClusterStatus| {
        size::of(&CassandraClusterStatus {
            operation_history: Vec::new(),
            ..status.clone()
        })
    };
    let most = node(&status) + 2000;
    let omitted = size::fit(&mut status, most);
    assert_eq!(omitted.history.len(), 18, "{omitted}");
    assert_eq!(omitted.history[0], "repair 2026-11-22-19");
    let kept: Vec<&str> = status
        .operation_history
        .iter()
        .map(|old| old.kind.as_str())
        .collect();
    assert_eq!(kept, ["repair", "flush"]);
}

#[test]
fn errors_of_a_running_operation_are_cut() {
    let mut status = large(NodePhase::Failed);
    let last = status.operations.pop().expect("it runs");
    let mut running = operation("flush", 0, OperationPhase::Running, NodePhase::Failed);
    running.nodes.push(last.nodes[0].clone());
    status.operations = vec![running];
    let most = size::of(&status) - 1;
    size::fit(&mut status, most);
    let nodes = &status.operations[0].nodes;
    assert_eq!(nodes.len(), NODES + 1);
    let longest = nodes.iter().flat_map(|node| &node.error).map(String::len);
    assert!(longest.max() < Some(210));
}

#[test]
fn a_small_ring_keeps_everything() {
    let mut status = large(NodePhase::Succeeded);
    for operation in &mut status.operations {
        operation.nodes.truncate(30);
    }
    status.cassandra_node_status.clear();
    status.operation_history.clear();
    for operation in &mut status.operations {
        operation.plan = None;
    }
    let before = status.clone();
    assert!(size::fit(&mut status, size::BUDGET).is_empty());
    assert_eq!(status, before);
}
