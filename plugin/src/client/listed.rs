//! The objects of a list: one that cannot be read hides no other.

use casskop_common::readable::{Readable, Unreadable};
use kube::api::ObjectList;

use super::resource::Resource;
use crate::error::{CliError, Result};

/// The objects of a kind.
pub struct Listed<K> {
    /// The objects that can be read.
    pub items: Vec<K>,
    unreadable: Vec<Unreadable>,
    resource: &'static Resource,
}

impl<K: Clone> Listed<K> {
    /// The objects of a list.
    pub fn of(resource: &'static Resource, list: ObjectList<Readable<K>>) -> Self {
        let (items, unreadable) = Readable::split(list.items);
        Self {
            items,
            unreadable,
            resource,
        }
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.unreadable.is_empty()
    }

    /// Names of all objects.
    pub fn names(&self, name: impl Fn(&K) -> String) -> Vec<String> {
        let others = self.unreadable.iter();
        let others = others.filter_map(|other| other.metadata.name.clone());
        self.items.iter().map(name).chain(others).collect()
    }

    /// # Errors
    /// An object cannot be read; all of them are named.
    pub fn complete(&self) -> Result<()> {
        if self.unreadable.is_empty() {
            return Ok(());
        }
        let singular = self.resource.singular;
        let named = self.unreadable.iter().map(|other| {
            let part = |part: &Option<String>| part.clone().unwrap_or_default();
            let (namespace, name) = (part(&other.metadata.namespace), part(&other.metadata.name));
            format!("cannot read {singular} {name} in namespace {namespace}: {other}")
        });
        let named: Vec<String> = named.collect();
        Err(CliError::failed(named.join("\n")).hint(format!(
            "correct it with kubectl edit {singular}; or the CRD on that server is newer than this plugin: kubectl casskop version"
        )))
    }
}
