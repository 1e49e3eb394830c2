//! Values of each cluster, from its report until it is deleted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Values by the namespace and the name of the cluster.
type Values<T> = BTreeMap<(String, String), T>;

/// The last reported values of all clusters; clones share them.
#[derive(Debug)]
pub(super) struct ByCluster<T>(Arc<Mutex<Values<T>>>);

impl<T> Clone for ByCluster<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for ByCluster<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> ByCluster<T> {
    /// Records the values of a cluster.
    pub(super) fn report(&self, namespace: &str, cluster: &str, values: T) {
        let key = (namespace.to_owned(), cluster.to_owned());
        self.all().insert(key, values);
    }

    /// Removes a deleted cluster.
    pub(super) fn forget(&self, namespace: &str, cluster: &str) {
        self.all()
            .remove(&(namespace.to_owned(), cluster.to_owned()));
    }

    /// The values of all clusters.
    pub(super) fn all(&self) -> MutexGuard<'_, Values<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
