//! The controller against a simulated API server.

use casskop_common::names::RackId;
use casskop_core::{node::Reading, simulation::THREE_RACKS};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::*;
use crate::{
    api_server::ApiServer,
    cluster::tests::{CLUSTER, manifest, nodes, operator, operator_with, task},
    leader::{
        Args as Elected,
        tests::{LEASE, candidate},
    },
};

const CLUSTERS: &str = "/apis/db.orange.com/v2/namespaces/ns/cassandraclusters";
const RACK: &str = "/apis/apps/v1/namespaces/ns/statefulsets/demo-dc1-rack1";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/ns/events";
/// Longest duration of a test that waits for a state.
const DEADLINE: Duration = Duration::from_secs(60);

fn args() -> Args {
    Args {
        namespace: "ns".into(),
        bootstrap_image: "operator:1".into(),
        listen: ([127, 0, 0, 1], 0).into(),
        concurrency: 2,
        leader: Elected::alone(),
        log_format: LogFormat::Text,
        log_level: "info".into(),
    }
}

/// Reconciles until the server has this state.
async fn until(
    server: &ApiServer,
    ctx: &Arc<Context>,
    holds: impl Fn(&crate::api_server::State) -> bool,
) {
    let stop = std::future::pending().boxed().shared();
    let ready = Arc::new(AtomicBool::new(false));
    let client = server.client();
    let woken = mpsc::unbounded().1;
    let args = args();
    let work = control(&client, &args, ctx.clone(), woken, (ready, stop));
    let reached = tokio::time::timeout(DEADLINE, server.until(holds));
    tokio::select! {
        () = work => unreachable!("it ends only after a termination signal"),
        reached = reached => assert!(reached.is_ok(), "{:#?}", server.asked()),
    }
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }))
}

/// Clusters that the operator cannot read, by name. A server writes the fields of each into its managed fields.
fn unreadable() -> [(&'static str, Value); 4] {
    let deep = json!({ "config": nested(126) });
    let owner = json!({ "managedFields": [{ "manager": "kubectl", "operation": "Apply", "apiVersion": "db.orange.com/v2",
        "fieldsType": "FieldsV1", "fieldsV1": nested(127) }] });
    let cluster = |name: &str, spec: Value, metadata: Value| {
        let mut cluster: Value = serde_saphyr::from_str(THREE_RACKS).unwrap();
        for (key, value) in spec.as_object().into_iter().flatten() {
            cluster["spec"][key] = value.clone();
        }
        for (key, value) in metadata.as_object().into_iter().flatten() {
            cluster["metadata"][key] = value.clone();
        }
        cluster["metadata"]["name"] = json!(name);
        cluster
    };
    [
        ("a-depth", cluster("a-depth", deep.clone(), Value::Null)),
        ("b-owned", cluster("b-owned", deep, owner)),
        (
            "c-type",
            cluster("c-type", json!({ "nodesPerRacks": "two" }), Value::Null),
        ),
        (
            "d-word",
            cluster(
                "d-word",
                json!({ "nodeApi": { "kind": "Telnet" } }),
                Value::Null,
            ),
        ),
    ]
}

#[tokio::test]
async fn a_cluster_that_cannot_be_read_hides_no_other_and_is_named() {
    let server = ApiServer::default();
    let cluster: Value = serde_saphyr::from_str(THREE_RACKS).unwrap();
    server.with(|state| {
        state.put(&format!("{CLUSTERS}/demo"), cluster);
        for (name, cluster) in unreadable() {
            state.put(&format!("{CLUSTERS}/{name}"), cluster);
        }
    });
    let ctx = operator(&server);
    until(&server, &ctx, |state| {
        let about: Vec<&Value> = state
            .objects
            .iter()
            .filter(|(path, _)| path.starts_with(EVENTS))
            .map(|(_, event)| event)
            .filter(|event| event["reason"] == "Unreadable")
            .map(|event| &event["regarding"]["name"])
            .collect();
        state.objects.contains_key(RACK)
            && unreadable()
                .iter()
                .all(|(name, _)| about.contains(&&json!(name)))
    })
    .await;
    for (name, _) in unreadable() {
        let told = format!(
            "casskop_unreadable{{kind=\"CassandraCluster\",namespace=\"ns\",name=\"{name}\"}} 1\n"
        );
        let metrics = ctx.metrics.text();
        assert!(metrics.contains(&told), "{metrics}");
    }
}

/// On a clock that goes on when there is nothing to do: the cluster is at its turn before the signal.
#[tokio::test(start_paused = true)]
async fn clusters_that_wait_for_their_turn_hold_up_no_stop() {
    let server = ApiServer::default();
    server.with(|state| state.put(CLUSTER, manifest()));
    let ctx = operator(&server);
    let every_turn = ctx.turns.acquire_many(2).await.unwrap();
    let (signal, signalled) = oneshot::channel::<()>();
    let stop: Stop = signalled.map(drop).boxed().shared();
    let (client, args, ready) = (server.client(), args(), Arc::new(AtomicBool::new(false)));
    let woken = mpsc::unbounded().1;
    let work = control(&client, &args, ctx.clone(), woken, (ready.clone(), stop));
    let stopped = async {
        tokio::time::sleep(DEADLINE / 2).await;
        assert!(ready.load(Ordering::Relaxed));
        signal.send(()).unwrap();
    };
    let ended = futures::future::join(work, stopped);
    assert!(tokio::time::timeout(DEADLINE, ended).await.is_ok());
    drop(every_turn);
    let cluster = server.with(|state| state.objects[CLUSTER].clone());
    assert_eq!(cluster["status"], Value::Null, "it had no turn");
}

/// A leader that still works on a node after it has released its Lease works beside the next one.
#[tokio::test]
async fn the_tasks_of_nodes_end_at_a_termination_signal_before_the_lease_is_released() {
    const POD: &str = "/api/v1/namespaces/ns/pods/demo-dc1-rack1-0";
    const ADDRESS: &str = "10.0.0.7";
    let server = ApiServer::default();
    let labels = names::rack_labels("demo", &RackId::new("dc1", "rack1"));
    let pod = json!({
        "metadata": { "name": "demo-dc1-rack1-0", "labels": labels }, "status": { "podIP": ADDRESS },
    });
    let mut cluster = manifest();
    let uid = server.with(|state| {
        let pod = state.put(POD, pod)["metadata"]["uid"].clone();
        cluster["status"] = json!({ "operations": [{
            "kind": "flush", "id": "a", "arguments": "--keyspace k", "phase": "Running", "reason": "Running",
            "plan": { "waves": [["demo-dc1-rack1-0"]], "steps": ["k"] },
            "nodes": [{ "pod": "demo-dc1-rack1-0", "podUid": pod, "phase": "Running", "step": "k",
                "attempts": 1, "progress": { "done": 0, "total": 1, "unit": "keyspaces" } }],
        }] });
        state.put(CLUSTER, cluster)["metadata"]["uid"].clone()
    });
    // A call of these nodes never ends.
    let nodes = nodes::Nodes {
        readings: [(ADDRESS.to_owned(), Reading::default())].into(),
        ..nodes::Nodes::default()
    };
    let ctx = operator_with(&server, Box::new(nodes.clone()));
    let read = ctx.effects.store.read("ns", "demo").await.unwrap().unwrap();
    let mut task = task(&ctx, &uid, &read.status.unwrap().operations[0]);
    task.start.resume = false;
    let (signal, signalled) = oneshot::channel::<()>();
    let stop: Stop = signalled.map(drop).boxed().shared();
    let leadership = Leadership::candidate();
    let election = candidate(&server, "one", leadership);
    let (client, args, ready) = (server.client(), args(), Arc::new(AtomicBool::new(false)));
    let at_work = || Arc::strong_count(&ctx.effects) > 1;
    let leads = async || {
        ctx.executor.start(&ctx.effects, task);
        while nodes.calls.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(at_work());
        signal.send(()).unwrap();
        let woken = mpsc::unbounded().1;
        work(
            &client,
            &args,
            ctx.clone(),
            woken,
            (ready.clone(), stop.clone()),
        )
        .await;
        assert!(!at_work());
        let lease = server.with(|state| state.objects[LEASE].clone());
        assert_eq!(lease["spec"]["holderIdentity"], "one");
    };
    leader::run(Some(election), stop.clone(), &ready, |_| {}, leads)
        .await
        .unwrap();
    let lease = server.with(|state| state.objects[LEASE].clone());
    assert_eq!(lease["spec"]["holderIdentity"], "");
}
