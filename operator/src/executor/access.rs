//! The secrets that tasks use: the newest ones that a reconciliation has read. A task lasts for hours, and certificates and
//! passwords change meanwhile.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::node_api::{ClusterAccess, Endpoint};
use casskop_core::{node::NodeError, observed::NodePod};

/// The secrets of the clusters that tasks work on, by UID.
#[derive(Clone, Default)]
pub(super) struct Accesses(Arc<Mutex<HashMap<String, watch::Sender<ClusterAccess>>>>);

/// The newest secrets of the cluster of a task.
pub struct NewestAccess(watch::Receiver<ClusterAccess>);

/// Changes of the secrets since this was made.
pub(super) struct Changes(watch::Receiver<ClusterAccess>);

impl Accesses {
    /// Hands the secrets that a reconciliation has read to the tasks of the cluster.
    pub(super) fn renew(&self, uid: &str, newest: &ClusterAccess) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, tasks| !tasks.is_closed());
        if let Some(tasks) = all.get(uid) {
            tasks.send_if_modified(|known| known.renew(newest));
        }
    }

    /// The secrets for a task that starts with these.
    pub(super) fn subscribe(&self, uid: &str, access: &ClusterAccess) -> NewestAccess {
        self.renew(uid, access);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = all
            .entry(uid.to_owned())
            .or_insert_with(|| watch::channel(access.clone()).0);
        NewestAccess(tasks.subscribe())
    }
}

impl NewestAccess {
    /// Access to the node at an address.
    ///
    /// # Errors
    /// There is no secret that the node accepts.
    pub(super) fn endpoint(&self, ip: &str, pod: &NodePod) -> Result<Endpoint, NodeError> {
        self.0.borrow().endpoint(ip, pod)
    }

    pub(super) fn changes(&self) -> Changes {
        let mut changes = self.0.clone();
        changes.mark_unchanged();
        Changes(changes)
    }
}

impl Changes {
    /// Waits for the next change.
    pub(super) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody renews the secrets any more.
            std::future::pending::<()>().await;
        }
    }
}
