//! Server-side apply, which leaves to others what they set beside us.

use std::{borrow::Cow, collections::BTreeMap};

use casskop_common::names;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    core::{PartialObjectMeta, Status},
};
use serde::Serialize;

use crate::kubernetes::{
    Kube,
    change::json_patched,
    objects::{Kind, said},
};
use casskop_core::objects::{self, Selects};

/// Why an object was not applied.
#[derive(thiserror::Error, Debug)]
#[error("write {kind} {name}: {}", said(source))]
pub struct Error {
    /// Its kind.
    pub kind: Cow<'static, str>,
    /// Its name.
    pub name: String,
    /// What the API server said.
    pub source: kube::Error,
}

impl Error {
    /// Whether the object is no longer what was looked at. Nothing is wrong then: it takes another look.
    pub fn is_conflict(&self) -> bool {
        matches!(&self.source, kube::Error::Api(status) if status.is_conflict())
    }

    /// Says of which object it is that the API server said something.
    pub fn of<K: Kind>(name: &str) -> impl Fn(kube::Error) -> Self {
        move |source| Self {
            kind: K::kind(&()),
            name: name.to_owned(),
            source,
        }
    }
}

/// Applies an object, and replaces its selector where it still is about other pods: what another manager wrote into
/// the selector would stay beside what we apply.
pub async fn apply_selecting<K: Kind + Selects>(kube: &Kube, object: &K) -> Result<(), Error> {
    let live = apply_one(kube, object).await?;
    if !objects::selects_otherwise(object, Some(&live)) {
        return Ok(());
    }
    let patch = serde_json::json!([
        { "op": "test", "path": "/metadata/uid", "value": live.uid() },
        { "op": "replace", "path": "/spec/selector", "value": object.selector() },
    ]);
    let namespace = live.namespace().unwrap_or_default();
    json_patched::<K>(kube, &namespace, &live.name_any(), patch).await
}

/// Writes a rack over the very StatefulSet that was looked at, as it was then: somebody may have asked it for other pods
/// since. Where none was seen, none may be there.
pub async fn apply_rack(
    kube: &Kube,
    object: &StatefulSet,
    seen: Option<&StatefulSet>,
) -> Result<(), Error> {
    let name = object.name_any();
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<StatefulSet> = Api::namespaced(kube.client.clone(), &namespace);
    let there = refuse_foreign(&api, object, &name).await?;
    let mut object = object.clone();
    match (seen, there) {
        (Some(seen), _) => {
            object.metadata.uid = seen.uid();
            object.metadata.resource_version = seen.resource_version();
        }
        (None, Some(there)) => return Err(Error::of::<StatefulSet>(&name)(unseen(&there))),
        (None, None) => {}
    }
    apply(kube, &api, &object).await.map(drop)
}

/// Why a StatefulSet that is there was not seen: it is new, or it cannot be found.
fn unseen(there: &PartialObjectMeta<StatefulSet>) -> kube::Error {
    let (label, value) = names::APP_LABEL;
    if there.labels().get(label).map(String::as_str) == Some(value) {
        let new = Status::failure("it was made since it was looked for", "Conflict");
        return kube::Error::Api(new.with_code(409).boxed());
    }
    let why = format!(
        "one of that name exists and is not found, for it has lost its label: set {label}={value} on it"
    );
    kube::Error::Service(why.into())
}

/// Applies an object, whatever there is of its name in the cluster.
pub async fn apply_one<K: Kind + Serialize>(kube: &Kube, object: &K) -> Result<K, Error> {
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<K> = Api::namespaced(kube.client.clone(), &namespace);
    refuse_foreign(&api, object, &object.name_any()).await?;
    apply(kube, &api, object).await
}

/// Server-side apply: what others set beside us stays.
async fn apply<K: Kind + Serialize>(kube: &Kube, api: &Api<K>, object: &K) -> Result<K, Error> {
    let name = object.name_any();
    let params = PatchParams::apply(names::OPERATOR_MANAGER).force();
    let live = api
        .patch(&name, &params, &Patch::Apply(object))
        .await
        .map_err(Error::of::<K>(&name))?;
    kube.versions.met(&live);
    tracing::info!(kind = %K::kind(&()), name, namespace = object.namespace(), "applied");
    Ok(live)
}

/// What there is of that name. An object that is not of this cluster belongs to somebody else, and is left alone.
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
