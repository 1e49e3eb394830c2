//! Lists of objects, and how new they are. The API server answers from memory when it may be a moment behind, and takes
//! up to a tenth of a second longer when it may not (`docs/adr/0006-reads-from-the-watch-cache.md`).

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::{
    Api, Resource, ResourceExt,
    api::{ListParams, ObjectList, VersionMatch},
};

use crate::kubernetes::{Kube, objects::Kind};

/// How new a list has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As new as anything that this process has read, written or been told of the kind; perhaps a moment old.
    Recent,
    /// As things were when it was asked for, or later.
    Now,
}

/// The newest version of each kind that this process has read, written or been told of. The versions of one kind are
/// numbers that grow, whatever the namespace.
#[derive(Default)]
pub struct Versions(Mutex<HashMap<Cow<'static, str>, u64>>);

impl Versions {
    /// Notes an object that was written, or told of by a watch. It says nothing of the objects beside it: a kind that
    /// was never listed stays unknown.
    pub fn met<K: Resource<DynamicType = ()>>(&self, object: &K) {
        let version = number(object.meta().resource_version.as_deref());
        if let (Some(known), Some(version)) = (self.lock().get_mut(&K::kind(&())), version) {
            *known = version.max(*known);
        }
    }

    fn listed<K: Kind>(&self, list: &ObjectList<K>) {
        if let Some(version) = number(list.metadata.resource_version.as_deref()) {
            let mut versions = self.lock();
            let known = versions.entry(K::kind(&())).or_default();
            *known = version.max(*known);
        }
    }

    fn newest<K: Kind>(&self) -> Option<u64> {
        self.lock().get(&K::kind(&())).copied()
    }

    fn forget<K: Kind>(&self) {
        self.lock().remove(&K::kind(&()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Cow<'static, str>, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(version: Option<&str>) -> Option<u64> {
    version?.parse().ok()
}

/// All objects of a kind that a selector finds, by name.
///
/// # Errors
/// When the API server does not answer.
pub async fn list<K: Kind>(
    kube: &Kube,
    namespace: &str,
    selector: &str,
    freshness: Freshness,
) -> Result<BTreeMap<String, K>, kube::Error> {
    let api: Api<K> = Api::namespaced(kube.client.clone(), namespace);
    let now = ListParams::default().labels(selector);
    let known = kube.versions.newest::<K>();
    let list = match known.filter(|_| freshness == Freshness::Recent) {
        None => api.list(&now).await?,
        Some(version) => {
            let recent = now.clone().at(&version.to_string());
            match api.list(&recent.matching(VersionMatch::NotOlderThan)).await {
                Err(kube::Error::Api(status)) if cannot_tell(&status) => {
                    kube.versions.forget::<K>();
                    api.list(&now).await?
                }
                answer => answer?,
            }
        }
    };
    kube.versions.listed(&list);
    let objects = list.items.into_iter();
    Ok(objects.map(|object| (object.name_any(), object)).collect())
}

/// Whether the API server does not know the version: its memory stays behind (504), or it was set back to an older
/// state (410).
fn cannot_tell(status: &kube::core::Status) -> bool {
    status.code == 504 || status.code == 410
}
