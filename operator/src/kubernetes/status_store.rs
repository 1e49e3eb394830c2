//! The only writer of status. A change is a function on the newest status; it is written as a minimal patch that
//! holds only for the very version it was computed from, and computed anew when somebody else was faster.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use casskop_common::{
    api::{CassandraCluster, CassandraClusterStatus},
    names,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::kubernetes::objects::{changes_nothing, guarded, in_time, said};

/// Attempts against concurrent writers before the next reconciliation takes over.
const ATTEMPTS: u32 = 5;

/// Why a status was not written.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error("write the status of CassandraCluster {name}: {}", said(source))]
    Api {
        /// The cluster.
        name: String,
        /// What the API server said.
        source: kube::Error,
    },
    /// The cluster was deleted, or another one has its name now.
    #[error("CassandraCluster {0} is gone")]
    Gone(String),
    /// Others kept writing.
    #[error("write the status of CassandraCluster {0}: others kept changing it")]
    Contended(String),
}

/// Remembers the newest status of each cluster that this process wrote or read.
pub struct Journal {
    client: Client,
    pages: Mutex<HashMap<String, Arc<Page>>>,
}

/// The newest known version of one cluster; the lock orders its writers.
type Page = tokio::sync::Mutex<Option<CassandraCluster>>;

/// Which cluster: its UID too, so that nothing is written to another one of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterRef {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

impl ClusterRef {
    /// The reference of a cluster.
    pub fn of(cluster: &CassandraCluster) -> Self {
        Self {
            namespace: cluster.namespace().unwrap_or_default(),
            name: cluster.name_any(),
            uid: cluster.uid().unwrap_or_default(),
        }
    }
}

impl Journal {
    /// An empty journal.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            pages: Mutex::default(),
        }
    }

    /// Reads a cluster freshly; nothing if it is gone.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn read(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<CassandraCluster>, kube::Error> {
        let api: Api<CassandraCluster> = Api::namespaced(self.client.clone(), namespace);
        let Some(cluster) = api.get_opt(name).await? else {
            return Ok(None);
        };
        let page = self.page(&ClusterRef::of(&cluster));
        // A task may have written while this was read: the newer of the two stays.
        let mut known = page.lock().await;
        if known
            .as_ref()
            .is_none_or(|known| version(known) <= version(&cluster))
        {
            *known = Some(cluster.clone());
        }
        Ok(known.clone())
    }

    /// Forgets a cluster that is gone.
    pub fn forget(&self, uid: &str) {
        self.pages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(uid);
    }

    /// Applies a change to the newest status and writes it, if it changes anything. Returns what the change did.
    ///
    /// # Errors
    /// When it could not be written; then nothing has changed.
    pub async fn update<T>(
        &self,
        cluster: &ClusterRef,
        change: impl Fn(&mut CassandraClusterStatus) -> T,
    ) -> Result<T, Error> {
        let page = self.page(cluster);
        let mut known = page.lock().await;
        let mut refused: Option<(Option<String>, kube::Error)> = None;
        for _ in 0..ATTEMPTS {
            let current = match known.take() {
                Some(current) => current,
                None => self.fresh(cluster).await?,
            };
            // Nobody else wrote: the API server refuses what is written, not when.
            if let Some((_, source)) =
                refused.take_if(|(version, _)| *version == current.resource_version())
            {
                return Err(Error::Api {
                    name: cluster.name.clone(),
                    source,
                });
            }
            let before = current.status.clone().unwrap_or_default();
            let mut after = before.clone();
            let result = change(&mut after);
            if after == before && current.status.is_some() {
                *known = Some(current);
                return Ok(result);
            }
            match self.write(cluster, &current, &after).await {
                Ok(written) => {
                    *known = Some(written);
                    return Ok(result);
                }
                Err(error) if is_conflict(&error) => {
                    refused = Some((current.resource_version(), error));
                }
                Err(kube::Error::Api(status)) if status.is_not_found() => {
                    return Err(Error::Gone(cluster.name.clone()));
                }
                Err(source) => {
                    return Err(Error::Api {
                        name: cluster.name.clone(),
                        source,
                    });
                }
            }
        }
        Err(Error::Contended(cluster.name.clone()))
    }

    async fn fresh(&self, cluster: &ClusterRef) -> Result<CassandraCluster, Error> {
        let api: Api<CassandraCluster> = Api::namespaced(self.client.clone(), &cluster.namespace);
        // The lock is held meanwhile.
        let found = in_time(api.get_opt(&cluster.name)).await;
        let found = found.map_err(|source| Error::Api {
            name: cluster.name.clone(),
            source,
        })?;
        found
            .filter(|found| found.uid().as_deref() == Some(&cluster.uid))
            .ok_or_else(|| Error::Gone(cluster.name.clone()))
    }

    async fn write(
        &self,
        cluster: &ClusterRef,
        current: &CassandraCluster,
        after: &CassandraClusterStatus,
    ) -> Result<CassandraCluster, kube::Error> {
        let api: Api<CassandraCluster> = Api::namespaced(self.client.clone(), &cluster.namespace);
        let patch = patch(current, after);
        if changes_nothing(&patch) {
            return Ok(current.clone());
        }
        let params = PatchParams {
            field_manager: Some(names::OPERATOR_MANAGER.into()),
            ..PatchParams::default()
        };
        let patch = Patch::Json::<()>(patch);
        in_time(api.patch_status(&cluster.name, &params, &patch)).await
    }

    fn page(&self, cluster: &ClusterRef) -> Arc<Page> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.entry(cluster.uid.clone()).or_default().clone()
    }
}

/// The differences, behind a test that the version is still the one they were computed from.
fn patch(current: &CassandraCluster, after: &CassandraClusterStatus) -> json_patch::Patch {
    // A missing status is added, not replaced: a patch may not replace what is not there.
    let before = current
        .status
        .as_ref()
        .map_or_else(|| json!({}), |status| json!({ "status": status }));
    guarded(current, &before, &json!({ "status": after }))
}

/// A failed test of a JSON patch is answered 422, a lost race within the API server 409.
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 || status.code == 422)
}

fn version(cluster: &CassandraCluster) -> u64 {
    cluster
        .meta()
        .resource_version
        .as_deref()
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
