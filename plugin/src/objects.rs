//! Objects beside the clusters that the plugin looks at: events, and the pods of the operator. As far as they are
//! shown, and no farther: the types of the whole API would double the binary.

use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams, ObjectList},
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    client::explain::{Call, Resource},
    clusters::Clusters,
    error::Result,
};

/// Objects that are read in one go.
const PAGE: u32 = 500;

/// Pods.
pub const PODS: Resource = Resource {
    group: "",
    plural: "pods",
    singular: "pod",
};
/// Events.
pub const EVENTS: Resource = Resource {
    group: "events.k8s.io",
    plural: "events",
    singular: "event",
};
/// How the operator's manifests label its pods.
pub const OPERATOR_SELECTOR: &str = "app.kubernetes.io/name=casskop-operator";

/// A pod, as far as it is looked at.
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
    /// Whether it serves.
    pub fn is_ready(&self) -> bool {
        let mut conditions = self.status.conditions.iter();
        conditions.any(|known| known.type_ == "Ready" && known.status == "True")
    }
}

/// How the API names the kind.
pub fn api_resource(resource: &Resource, kind: &str) -> ApiResource {
    let Resource { group, plural, .. } = *resource;
    let api_version = if group.is_empty() {
        "v1".to_owned()
    } else {
        format!("{group}/v1")
    };
    ApiResource {
        group: group.to_owned(),
        version: "v1".into(),
        api_version,
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

/// Objects of the namespace that match.
///
/// # Errors
/// When they cannot be listed.
pub async fn list(
    clusters: &Clusters,
    resource: &'static Resource,
    kind: &str,
    selector: Option<&str>,
) -> Result<ObjectList<DynamicObject>> {
    let namespace = &clusters.place.namespace;
    let call = Call {
        verb: "list",
        resource,
        name: None,
        namespace: Some(namespace),
    };
    let described = api_resource(resource, kind);
    let api: Api<DynamicObject> =
        Api::namespaced_with(clusters.client().clone(), namespace, &described);
    let mut params = ListParams::default().limit(PAGE);
    if let Some(selector) = selector {
        params = params.labels(selector);
    }
    let mut all = clusters.ask(&call, api.list(&params)).await?;
    while let Some(more) = all
        .metadata
        .continue_
        .take()
        .filter(|more| !more.is_empty())
    {
        params = params.continue_token(&more);
        let page = clusters.ask(&call, api.list(&params)).await?;
        all.items.extend(page.items);
        all.metadata = page.metadata;
    }
    Ok(all)
}

/// The part of an object that is looked at; nothing if it has none.
pub fn part<T: DeserializeOwned + Default>(object: &DynamicObject) -> T {
    T::deserialize(&object.data).unwrap_or_default()
}
