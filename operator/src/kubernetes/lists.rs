//! Lists of objects, and their freshness. The API server responds from its watch cache if a slightly outdated list is
//! acceptable, and takes up to a tenth of a second longer if it is not
//! (`docs/adr/0006-reads-from-the-watch-cache.md`).

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

/// The required freshness of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// At least as new as every version of the kind that this process has read, written or received from a watch;
    /// possibly slightly outdated.
    Recent,
    /// The state at the time of the request, or later.
    Now,
}

/// The newest version of each kind that this process has read, written or received from a watch. The versions of one
/// kind are increasing numbers across all namespaces.
#[derive(Default)]
pub struct Versions(Mutex<HashMap<Cow<'static, str>, u64>>);

impl Versions {
    /// Records the version of an object that was written or received from a watch. One object does not imply anything
    /// about the other objects of its kind: a kind that was never listed stays unknown.
    pub fn note<K: Resource<DynamicType = ()>>(&self, object: &K) {
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

/// Objects of one answer of a long list: a pod takes ten kilobytes of the answer, and several times as much as an object.
const PAGE: u32 = 100;

/// All objects of a kind that a selector finds, by name.
///
/// # Errors
/// The API server does not respond.
pub async fn list<K: Kind>(
    kube: &Kube,
    namespace: &str,
    selector: &str,
    freshness: Freshness,
) -> Result<BTreeMap<String, K>, kube::Error> {
    let params = ListParams::default().labels(selector);
    fresh(kube, namespace, params, freshness, &|object: K| object).await
}

/// The same of a kind that has an object for each node: a part of each object is kept, and a long list is read in pages.
/// `nodes` is the number of nodes that are expected. The API server reads each page from its store, so the recent list of
/// a ring that fits into one page is asked for as a whole, which its watch cache answers.
///
/// # Errors
/// The API server does not respond.
pub async fn list_parts<K: Kind, T>(
    kube: &Kube,
    namespace: &str,
    selector: &str,
    (freshness, nodes): (Freshness, usize),
    part: impl Fn(&K) -> T,
) -> Result<BTreeMap<String, T>, kube::Error> {
    let mut params = ListParams::default().labels(selector);
    if freshness == Freshness::Now || nodes > PAGE as usize {
        params = params.limit(PAGE);
    }
    fresh(kube, namespace, params, freshness, &|object: K| {
        part(&object)
    })
    .await
}

async fn fresh<K: Kind, T>(
    kube: &Kube,
    namespace: &str,
    now: ListParams,
    freshness: Freshness,
    part: &impl Fn(K) -> T,
) -> Result<BTreeMap<String, T>, kube::Error> {
    let known = kube.versions.newest::<K>();
    let Some(version) = known.filter(|_| freshness == Freshness::Recent) else {
        return match pages(kube, namespace, now.clone(), part).await {
            // The version of the first page is forgotten: the list begins anew.
            Err(kube::Error::Api(status)) if status.code == 410 => {
                pages(kube, namespace, now, part).await
            }
            answer => answer,
        };
    };
    let recent = now.clone().at(&version.to_string());
    let recent = recent.matching(VersionMatch::NotOlderThan);
    match pages(kube, namespace, recent, part).await {
        Err(kube::Error::Api(status)) if does_not_know(&status) => {
            kube.versions.forget::<K>();
            pages(kube, namespace, now, part).await
        }
        answer => answer,
    }
}

/// The parts of the objects of all pages; the later pages are of the version of the first one.
async fn pages<K: Kind, T>(
    kube: &Kube,
    namespace: &str,
    mut params: ListParams,
    part: &impl Fn(K) -> T,
) -> Result<BTreeMap<String, T>, kube::Error> {
    let api: Api<K> = Api::namespaced(kube.client.clone(), namespace);
    let mut parts = BTreeMap::new();
    loop {
        let page = api.list(&params).await?;
        kube.versions.listed(&page);
        let objects = page.items.into_iter();
        parts.extend(objects.map(|object| (object.name_any(), part(object))));
        let next = page.metadata.continue_;
        params.continue_token = next.filter(|token| !token.is_empty());
        if params.continue_token.is_none() {
            return Ok(parts);
        }
    }
}

/// Whether the API server does not know the version: its watch cache is behind (504), or it was restored to an older
/// state, or has forgotten the version of the first page (410).
fn does_not_know(status: &kube::core::Status) -> bool {
    status.code == 504 || status.code == 410
}
