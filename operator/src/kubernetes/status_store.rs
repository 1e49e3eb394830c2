//! The only writer of status. A change is a function of the newest status. It is written as a minimal patch that
//! applies only to the version it was computed from, and is recomputed after a concurrent write.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use casskop_common::{
    api::{CassandraCluster, CassandraClusterStatus},
    names,
};
use casskop_core::status::size;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::kubernetes::objects::{changes_nothing, error_text, guarded, in_time};

/// Attempts against concurrent writers before the next reconciliation takes over.
const ATTEMPTS: u32 = 5;

/// The reason why a status was not written.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The API server rejected the request or did not respond.
    #[error("write the status of CassandraCluster {name}: {}", error_text(source))]
    Api {
        /// The cluster.
        name: String,
        /// The error of the API server.
        source: kube::Error,
    },
    /// The cluster was deleted, or a different cluster has its name now.
    #[error("CassandraCluster {0} is gone")]
    Gone(String),
    /// The API server does not know a field of the status that has to be kept.
    #[error(
        "write the status of CassandraCluster {0}: the API server does not keep lastRackWrite, and no rack changes without it; \
         apply manifests/crds of this version"
    )]
    Pruned(String),
    /// Other writers kept changing the status.
    #[error("write the status of CassandraCluster {0}: others kept changing it")]
    Contended(String),
}

impl Error {
    /// Whether the same write may succeed later. A write that was committed although it failed is repeated as well.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api {
                source: kube::Error::Api(status),
                ..
            } => status.code == 429 || status.code >= 500,
            Self::Api { .. } | Self::Contended(_) => true,
            Self::Gone(_) | Self::Pruned(_) => false,
        }
    }
}

/// Remembers the newest status of each cluster that this process wrote or read.
pub struct StatusStore {
    client: Client,
    pages: Mutex<HashMap<String, Arc<Page>>>,
}

/// The newest known version of one cluster; the lock orders its writers.
type Page = tokio::sync::Mutex<Option<Known>>;

/// A version of a cluster: what a write of its status needs. The rest is not kept, for there is one of each cluster.
#[derive(Clone)]
struct Known {
    uid: Option<String>,
    version: Option<String>,
    status: Option<CassandraClusterStatus>,
}

impl Known {
    fn of(cluster: &CassandraCluster) -> Self {
        Self {
            uid: cluster.uid(),
            version: cluster.resource_version(),
            status: cluster.status.clone(),
        }
    }

    /// Identity and version, as a patch names them.
    fn meta(&self) -> ObjectMeta {
        ObjectMeta {
            uid: self.uid.clone(),
            resource_version: self.version.clone(),
            ..ObjectMeta::default()
        }
    }
}

/// Identifies a cluster, including its UID, so that nothing is written to a different cluster of the same name.
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

impl StatusStore {
    /// An empty journal.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            pages: Mutex::default(),
        }
    }

    /// Reads a cluster from the API server; nothing if it is gone.
    ///
    /// # Errors
    /// The API server does not respond.
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
        // A task may have written during this read: its newer version is kept.
        let mut known = page.lock().await;
        let is_older = known.as_ref().is_some_and(|known| {
            number(known.version.as_ref()) > number(cluster.metadata.resource_version.as_ref())
        });
        if !is_older {
            *known = Some(Known::of(&cluster));
            return Ok(Some(cluster));
        }
        // A version that is still smaller now was not overtaken by a write: etcd was restored, and the cached state
        // never happened.
        *known = None;
        let second = in_time(api.get_opt(name)).await?;
        *known = second
            .as_ref()
            .filter(|second| second.uid() == cluster.uid())
            .map(Known::of);
        Ok(second)
    }

    /// Removes a deleted cluster.
    pub fn forget(&self, uid: &str) {
        self.pages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(uid);
    }

    /// Applies a change to the newest status and writes the result, if it differs. Returns the result of the change.
    ///
    /// # Errors
    /// The status could not be written; in that case it is unchanged.
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
            // The version is unchanged, so the rejection is about the content and not about a concurrent write.
            if let Some((_, source)) = refused.take_if(|(version, _)| *version == current.version) {
                return Err(Error::Api {
                    name: cluster.name.clone(),
                    source,
                });
            }
            let before = current.status.clone().unwrap_or_default();
            let mut after = before.clone();
            let result = change(&mut after);
            // An object that etcd refuses once can never be written again.
            size::fit(&mut after, size::LIMIT);
            if after == before && current.status.is_some() {
                *known = Some(current);
                return Ok(result);
            }
            match self.write(cluster, &current, &after).await {
                Ok(written) => {
                    let kept = written.status.as_ref();
                    let kept = kept.and_then(|status| status.last_rack_write.as_ref());
                    let is_kept = kept == after.last_rack_write.as_ref();
                    *known = Some(written);
                    return is_kept
                        .then_some(result)
                        .ok_or_else(|| Error::Pruned(cluster.name.clone()));
                }
                Err(error) if is_conflict(&error) => {
                    refused = Some((current.version, error));
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

    async fn fresh(&self, cluster: &ClusterRef) -> Result<Known, Error> {
        let api: Api<CassandraCluster> = Api::namespaced(self.client.clone(), &cluster.namespace);
        // The lock is held during the read.
        let found = in_time(api.get_opt(&cluster.name)).await;
        let found = found.map_err(|source| Error::Api {
            name: cluster.name.clone(),
            source,
        })?;
        found
            .filter(|found| found.uid().as_deref() == Some(&cluster.uid))
            .map(|found| Known::of(&found))
            .ok_or_else(|| Error::Gone(cluster.name.clone()))
    }

    async fn write(
        &self,
        cluster: &ClusterRef,
        current: &Known,
        after: &CassandraClusterStatus,
    ) -> Result<Known, kube::Error> {
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
        let written = in_time(api.patch_status(&cluster.name, &params, &patch)).await?;
        Ok(Known::of(&written))
    }

    fn page(&self, cluster: &ClusterRef) -> Arc<Page> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.entry(cluster.uid.clone()).or_default().clone()
    }
}

/// The differences, for the version that they were computed from.
fn patch(current: &Known, after: &CassandraClusterStatus) -> json_patch::Patch {
    // A missing status is added: a patch cannot replace a missing value.
    let before = current
        .status
        .as_ref()
        .map_or_else(|| json!({}), |status| json!({ "status": status }));
    guarded(&current.meta(), &before, &json!({ "status": after }))
}

/// Another version is answered with 409. The code of a denial is chosen by a webhook, and the version tells the two apart.
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 || status.code == 422)
}

/// The number of a version; versions of one cluster increase.
fn number(version: Option<&String>) -> u64 {
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
