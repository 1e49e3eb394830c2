//! Server-side apply, which keeps the fields of other managers.

use std::{borrow::Cow, collections::BTreeMap};

use casskop_common::names;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    core::PartialObjectMeta,
};
use serde::Serialize;

use crate::kubernetes::{
    Kube,
    change::json_patched,
    objects::{self, Kind, conflict, error_text},
};
use casskop_core::objects::{Selects, selects_otherwise};

/// The reason why an object was not applied.
#[derive(thiserror::Error, Debug)]
#[error("write {kind} {name}: {}", error_text(source))]
pub struct Error {
    /// Its kind.
    pub kind: Cow<'static, str>,
    /// Its name.
    pub name: String,
    /// The error of the API server.
    pub source: kube::Error,
}

impl Error {
    /// Whether the object has changed since it was observed. That is no failure: the next reconciliation retries.
    pub fn is_conflict(&self) -> bool {
        objects::is_conflict(&self.source)
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(&self.source, kube::Error::Api(status) if status.is_not_found())
    }

    /// Adds the kind and the name of the object to an error of the API server.
    pub fn of<K: Kind>(name: &str) -> impl Fn(kube::Error) -> Self {
        move |source| Self {
            kind: K::kind(&()),
            name: name.to_owned(),
            source,
        }
    }
}

/// Applies an object, and replaces its selector if it still selects other pods: labels that another manager wrote
/// into the selector would otherwise stay beside the applied ones.
pub async fn apply_selecting<K: Kind + Selects>(kube: &Kube, object: &K) -> Result<(), Error> {
    let live = apply_one(kube, object).await?;
    if !selects_otherwise(object, Some(&live)) {
        return Ok(());
    }
    let patch = serde_json::json!([
        { "op": "test", "path": "/metadata/uid", "value": live.uid() },
        { "op": "replace", "path": "/spec/selector", "value": object.selector() },
    ]);
    let namespace = live.namespace().unwrap_or_default();
    json_patched::<K>(kube, &namespace, &live.name_any(), patch).await
}

/// Applies an object onto the observed one, by UID and version: another writer may have changed it since. If none was
/// observed, none may exist.
pub async fn apply_observed<K: Kind + Serialize>(
    kube: &Kube,
    object: &K,
    observed: Option<&K>,
) -> Result<(), Error> {
    let name = object.name_any();
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<K> = Api::namespaced(kube.client.clone(), &namespace);
    let there = refuse_foreign(&api, object, &name).await?;
    let mut object = object.clone();
    match (observed, there) {
        (Some(observed), _) => {
            object.meta_mut().uid = observed.uid();
            object.meta_mut().resource_version = observed.resource_version();
        }
        (None, Some(there)) => return Err(Error::of::<K>(&name)(unobserved(&there))),
        (None, None) => {}
    }
    apply(kube, &api, &object).await.map(drop)
}

/// The error for an existing object that was not observed: it is new, or the label selector does not find it.
fn unobserved<K: Kind>(there: &PartialObjectMeta<K>) -> kube::Error {
    let (label, value) = names::APP_LABEL;
    if there.labels().get(label).map(String::as_str) == Some(value) {
        return conflict("it was created after the lookup");
    }
    let why = format!(
        "one of that name exists and is not found, for it has lost its label: set {label}={value} on it"
    );
    kube::Error::Service(why.into())
}

/// Applies an object, whether or not an object of its name exists in the cluster.
pub async fn apply_one<K: Kind + Serialize>(kube: &Kube, object: &K) -> Result<K, Error> {
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<K> = Api::namespaced(kube.client.clone(), &namespace);
    refuse_foreign(&api, object, &object.name_any()).await?;
    apply(kube, &api, object).await
}

/// Server-side apply, which keeps the fields of other managers.
async fn apply<K: Kind + Serialize>(kube: &Kube, api: &Api<K>, object: &K) -> Result<K, Error> {
    let name = object.name_any();
    let params = PatchParams::apply(names::OPERATOR_MANAGER).force();
    let live = api
        .patch(&name, &params, &Patch::Apply(object))
        .await
        .map_err(Error::of::<K>(&name))?;
    kube.versions.note(&live);
    tracing::info!(kind = %K::kind(&()), name, namespace = object.namespace(), "applied");
    Ok(live)
}

/// Reads the object of that name. An object of another owner is not changed.
async fn refuse_foreign<K: Kind>(
    api: &Api<K>,
    wanted: &K,
    name: &str,
) -> Result<Option<PartialObjectMeta<K>>, Error> {
    let refused = Error::of::<K>(name);
    let live = api.get_metadata_opt(name).await.map_err(&refused)?;
    let label = |labels: &BTreeMap<String, String>| labels.get(names::CLUSTER_LABEL).cloned();
    let is_ours = |live: &PartialObjectMeta<K>| label(live.labels()) == label(wanted.labels());
    if live.as_ref().is_none_or(is_ours) {
        return Ok(live);
    }
    let why = format!(
        "one of that name exists and does not have the label {} of this cluster: rename the cluster, or delete that {}",
        names::CLUSTER_LABEL,
        K::kind(&())
    );
    Err(refused(kube::Error::Service(why.into())))
}
