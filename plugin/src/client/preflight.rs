//! Reads what `install check` judges. A read that fails leaves its question open, and the others continue.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};

use super::{
    reader::Reader,
    resource::{CONFIG_MAPS, CRDS, DEPLOYMENTS, NAMESPACES, QUOTAS, Resource, STORAGE_CLASSES},
};
use crate::model::{
    install::OPERATOR_SELECTOR,
    preflight::{self, Facts, LOCK, Lookup, Plan},
};

/// Questions about rights at the same time.
const AT_ONCE: usize = 8;

/// Reads the facts about a plan; the version of the API server is known.
pub async fn facts(reader: &Reader, plan: &Plan, version: String) -> Facts {
    let names = plan.namespaces();
    let rights = stream::iter(preflight::rights(plan)).map(async |right| {
        let has = reader.has_right(&right).await;
        (right, has)
    });
    Facts {
        version,
        namespaces: look_up(reader, &NAMESPACES, names.iter().copied()).await,
        crds: look_up(reader, &CRDS, plan.crds()).await,
        rights: rights.buffered(AT_ONCE).collect().await,
        operators: reader.try_list(&DEPLOYMENTS, None, OPERATOR_SELECTOR).await,
        locks: locks(reader, &names).await,
        quotas: reader.try_list(&QUOTAS, Some(&plan.namespace), "").await,
        classes: reader.try_list(&STORAGE_CLASSES, None, "").await,
    }
}

/// Objects of the Kubernetes cluster, by name.
async fn look_up(
    reader: &Reader,
    kind: &Resource,
    names: impl Iterator<Item = &str>,
) -> BTreeMap<String, Lookup> {
    let names = stream::iter(names);
    let found = names.then(async |name| {
        let object = reader.look_up(kind, None, name).await;
        (name.to_owned(), object)
    });
    found.collect().await
}

/// The locks of the Go `CassKop`, by namespace.
async fn locks(reader: &Reader, namespaces: &[&str]) -> BTreeMap<String, Lookup> {
    let namespaces = stream::iter(namespaces);
    let found = namespaces.then(async |namespace| {
        let lock = reader.look_up(&CONFIG_MAPS, Some(namespace), LOCK).await;
        ((*namespace).to_owned(), lock)
    });
    found.collect().await
}
