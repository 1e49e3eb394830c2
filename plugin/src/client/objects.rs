//! Other objects than clusters, with the fields that the plugin uses.

use kube::api::{DynamicObject, ListParams, ObjectList};
use serde::{Deserialize, de::DeserializeOwned};

use super::{clusters::Clusters, failure::Call, resource::Resource};
use crate::error::Result;

/// Objects that are read in one go.
const PAGE: u32 = 500;

/// The used fields of a pod.
#[derive(Deserialize, Default)]
pub struct Pod {
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize, Default)]
struct PodStatus {
    #[serde(default)]
    conditions: Vec<PodCondition>,
}

#[derive(Deserialize)]
struct PodCondition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
}

impl Pod {
    /// Whether the pod is ready.
    pub fn is_ready(&self) -> bool {
        let mut conditions = self.status.conditions.iter();
        conditions.any(|known| known.type_ == "Ready" && known.status == "True")
    }
}

/// Objects of the clusters' namespace that match.
///
/// # Errors
/// When they cannot be listed.
pub async fn list(
    clusters: &Clusters,
    resource: &'static Resource,
    labels: &str,
) -> Result<ObjectList<DynamicObject>> {
    let namespace = Some(clusters.target.namespace.as_str());
    list_in(clusters, resource, namespace, labels).await
}

/// Objects of a namespace, or of all, that match.
///
/// # Errors
/// When they cannot be listed.
pub async fn list_in(
    clusters: &Clusters,
    resource: &'static Resource,
    namespace: Option<&str>,
    labels: &str,
) -> Result<ObjectList<DynamicObject>> {
    let call = Call {
        verb: "list",
        resource,
        name: None,
        namespace,
    };
    let api = resource.api(clusters.client(), namespace);
    pages(labels, async |page| {
        clusters.ask(&call, api.list(&page)).await
    })
    .await
}

/// All objects with these labels, page by page; `ask` gets each page.
///
/// # Errors
/// The first of `ask`.
pub async fn pages<E>(
    labels: &str,
    ask: impl AsyncFn(ListParams) -> Result<ObjectList<DynamicObject>, E>,
) -> Result<ObjectList<DynamicObject>, E> {
    let mut params = ListParams::default().limit(PAGE);
    if !labels.is_empty() {
        params = params.labels(labels);
    }
    let mut all = ask(params.clone()).await?;
    while let Some(more) = all.metadata.continue_.take()
        && !more.is_empty()
    {
        let page = ask(params.clone().continue_token(&more)).await?;
        all.items.extend(page.items);
        all.metadata = page.metadata;
    }
    Ok(all)
}

/// The used fields of an object; their defaults if it has none.
pub fn part<T: DeserializeOwned + Default>(object: &DynamicObject) -> T {
    T::deserialize(&object.data).unwrap_or_default()
}
