//! The authors of annotations: the field managers in the metadata of the object. Pure.

use casskop_common::{api::CassandraCluster, names};
use jiff::Timestamp;
use serde_json::Value;

use crate::text::plain;

/// A field manager, and the time of its last write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// Name of the field manager, such as `casskop-plugin` or `kustomize-controller`.
    pub name: String,
    /// Time of its last write to the object.
    pub time: Option<Timestamp>,
}

/// The manager of an annotation; the latest if there are several.
pub fn of_annotation(cluster: &CassandraCluster, key: &str) -> Option<Manager> {
    newest(cluster, |fields| {
        fields["f:metadata"]["f:annotations"]
            .get(format!("f:{key}"))
            .is_some()
    })
}

/// The manager that last wrote the spec.
pub fn of_spec(cluster: &CassandraCluster) -> Option<Manager> {
    newest(cluster, |fields| fields.get("f:spec").is_some())
}

/// The manager of the request of a kind, if the annotation has the id `id`.
pub fn of_request(cluster: &CassandraCluster, kind: &str, id: &str) -> Option<Manager> {
    let key = names::request_annotation(kind);
    let value = cluster.metadata.annotations.as_ref()?.get(&key)?;
    (value.split_whitespace().next() == Some(id)).then(|| of_annotation(cluster, &key))?
}

fn newest(cluster: &CassandraCluster, owns: impl Fn(&Value) -> bool) -> Option<Manager> {
    let entries = cluster.metadata.managed_fields.iter().flatten();
    let owning = entries.filter(|entry| {
        let fields = entry.fields_v1.as_ref();
        fields.is_some_and(|fields| owns(&fields.0))
    });
    let newest = owning.max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?;
    Some(Manager {
        name: plain(newest.manager.as_deref()?).into_owned(),
        time: newest.time.as_ref().map(|time| time.0),
    })
}
