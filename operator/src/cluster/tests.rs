//! Complete reconciliations against a simulated API server.

mod authority;
mod backup;
mod cassandra_tls;
mod deletion;
mod discard;
mod job_recovery;
pub(crate) mod nodes;
mod quiet_time;
mod rack_writes;
mod reconcile_reads;
mod renewal;
mod report;
mod restore;
mod secrets;
mod superuser;
mod task_recovery;
mod two_kinds;

use std::sync::Arc;

use casskop_common::{
    api::{CassandraCluster, OperationStatus},
    operations::Arguments,
    readable::Readable,
};
use futures::channel::mpsc;
use kube::runtime::{controller::Action, events::Reporter};
use serde_json::{Value, json};

use super::{Error, reconcile};
use crate::{
    api_server::ApiServer,
    context::Context,
    effects::Effects,
    executor::{Executor, NodeTask, Position},
    kubernetes::{
        Kube,
        lists::Versions,
        status_store::{ClusterRef, StatusStore},
        warnings::Warnings,
    },
    leadership::Leadership,
    metrics::Metrics,
    node_api::{ClusterAccess, Credentials, NodeApi, Nodes, cql},
};
use casskop_core::{
    operations::behaviour,
    scheduler::{Start, Step},
    simulation::{THREE_RACKS, World},
};

pub(crate) const CLUSTER: &str = "/apis/db.orange.com/v2/namespaces/ns/cassandraclusters/demo";
pub(crate) const RACK: &str = "/apis/apps/v1/namespaces/ns/statefulsets/demo-dc1-rack1";

/// A cluster of three racks.
pub(crate) fn manifest() -> Value {
    let mut cluster: Value = serde_saphyr::from_str(THREE_RACKS).expect("a cluster");
    // Nodes are played in plain HTTP.
    cluster["spec"]["nodeApi"] = json!({ "tls": "Disabled" });
    cluster
}

/// Reconciles the cluster once.
pub(crate) async fn pass(server: &ApiServer, ctx: &Arc<Context>) -> Result<Action, Error> {
    let cluster = server.with(|state| state.objects[CLUSTER].clone());
    let cluster: CassandraCluster = serde_json::from_value(cluster).expect("a cluster");
    reconcile(Arc::new(Readable(Ok(cluster))), ctx.clone()).await
}

/// Changes an object without the operator.
pub(crate) fn edit(server: &ApiServer, path: &str, change: impl FnOnce(&mut Value)) {
    server.with(|state| {
        let mut object = state.objects[path].clone();
        change(&mut object);
        state.put(path, object);
    });
}

/// A condition of the cluster; null if there is none.
pub(crate) fn condition(server: &ApiServer, kind: &str) -> Value {
    let conditions = server.with(|state| state.objects[CLUSTER]["status"]["conditions"].clone());
    let mut conditions = conditions.as_array().into_iter().flatten();
    let found = conditions.find(|condition| condition["type"] == kind);
    found.cloned().unwrap_or_default()
}

/// The task of an executor that continues a recorded operation on its first node.
pub(crate) fn task(ctx: &Context, cluster_uid: &Value, operation: &OperationStatus) -> NodeTask {
    task_with(ctx, cluster_uid, operation, &password())
}

/// The same with these secrets of the nodes.
pub(crate) fn task_with(
    ctx: &Context,
    cluster_uid: &Value,
    operation: &OperationStatus,
    access: &ClusterAccess,
) -> NodeTask {
    let arguments = Arguments::recorded(&operation.kind, &operation.arguments).expect("arguments");
    let spec = World::new(THREE_RACKS).cluster.spec;
    let steps = operation.plan.iter().flat_map(|plan| &plan.steps);
    let steps = steps.map(|name| Step {
        name: name.clone(),
        action: behaviour(&arguments.operation).action(&operation.id, name, &spec),
    });
    let node = operation.nodes[0].clone();
    let cluster = ClusterRef {
        namespace: "ns".into(),
        name: "demo".into(),
        uid: cluster_uid.as_str().unwrap_or_default().into(),
    };
    NodeTask {
        access: ctx.executor.access(&cluster, access),
        cluster,
        start: Start {
            kind: arguments.operation.kind(),
            id: operation.id.clone(),
            steps: steps.collect(),
            operation: Arc::new(arguments.operation),
            pod: node.pod,
            pod_uid: node.pod_uid,
            container: node.container,
            host_id: "h".into(),
            volumes: node.volumes,
            resume: true,
            index: 0,
            attempts: 1,
            job: node.job,
            executor: node.executor,
        },
        executor: ctx.executor.identity.clone(),
        position: Position::at(0),
        image: "operator".into(),
    }
}

/// The password of nodes with the Jolokia agent.
fn password() -> ClusterAccess {
    ClusterAccess {
        jolokia: Some(Arc::new(Credentials {
            username: "op".into(),
            password: "p".into(),
            older: Vec::new(),
        })),
        ..ClusterAccess::default()
    }
}

/// An operator that has just started.
pub(crate) fn operator(server: &ApiServer) -> Arc<Context> {
    operator_with(server, Box::new(Nodes::default()))
}

/// The same with stand-in nodes.
pub(crate) fn operator_with(server: &ApiServer, nodes: Box<dyn NodeApi>) -> Arc<Context> {
    let client = server.client();
    Arc::new(Context {
        effects: Arc::new(Effects {
            kube: Kube {
                client: client.clone(),
                versions: Versions::default(),
                warnings: Warnings::default(),
                reporter: Reporter::from("test"),
            },
            nodes,
            cql: cql::Client::new(Leadership::unelected()),
            store: StatusStore::new(client),
        }),
        executor: Executor::new(mpsc::unbounded().0),
        metrics: Metrics::default(),
        turns: Arc::new(tokio::sync::Semaphore::new(2)),
        bootstrap_image: "operator:1".into(),
    })
}
