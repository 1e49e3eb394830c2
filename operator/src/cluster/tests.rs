//! Complete reconciliations against a simulated API server.

mod deletion;
mod discard;
mod job_recovery;
mod rack_writes;
mod reconcile_reads;
mod secrets;
mod task_recovery;

use std::sync::Arc;

use futures::channel::mpsc;
use kube::runtime::events::Reporter;

use crate::{
    api_server::ApiServer,
    context::Context,
    effects::Effects,
    executor::Executor,
    kubernetes::{Kube, lists::Versions, status_store::StatusStore},
    metrics::Metrics,
    node_api::{ClusterAccess, Credentials, Nodes},
};

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
    let client = server.client();
    Arc::new(Context {
        effects: Arc::new(Effects {
            kube: Kube {
                client: client.clone(),
                versions: Versions::default(),
                reporter: Reporter::from("test"),
            },
            nodes: Box::new(Nodes::default()),
            store: StatusStore::new(client),
        }),
        executor: Executor::new(mpsc::unbounded().0),
        metrics: Metrics::default(),
        bootstrap_image: "operator:1".into(),
    })
}
