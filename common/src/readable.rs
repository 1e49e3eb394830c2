//! Objects of a list or a watch that are decoded one by one: an object that cannot be decoded hides no other.
//!
//! An object may have another type in a field than the CRD of this version, a word that an enumeration does not have,
//! or a `config` that nests deeper than a decoder reads. A decoder of the complete page would refuse the page.

use std::{borrow::Cow, collections::BTreeMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube_core::Resource;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

/// Levels of lists and objects that are decoded: the limit of `serde_json`, which protects the stack.
pub const MAX_DEPTH: usize = 127;

/// An object, or the metadata of an object that cannot be decoded.
#[derive(Clone, Debug)]
pub struct Readable<K>(pub Result<K, Unreadable>);

/// An object that cannot be decoded.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Unreadable {
    /// The reason, in words.
    pub cause: String,
    /// The parts of the metadata that identify the object; never its managed fields, which nest as deep as the object.
    pub metadata: ObjectMeta,
}

impl<K> Readable<K> {
    /// The objects that are decoded, and the others.
    pub fn split(objects: Vec<Self>) -> (Vec<K>, Vec<Unreadable>) {
        let (mut readable, mut others) = (Vec::new(), Vec::new());
        for object in objects {
            match object.0 {
                Ok(object) => readable.push(object),
                Err(unreadable) => others.push(unreadable),
            }
        }
        (readable, others)
    }
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for Readable<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text of an object is found without recursion, at any depth.
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let object = serde_json::from_str(text.get());
        Ok(Self(
            object.map_err(|error| Unreadable::of(text.get(), &error)),
        ))
    }
}

impl Unreadable {
    fn of(text: &str, error: &serde_json::Error) -> Self {
        let depth = depth(text);
        let cause = if depth > MAX_DEPTH {
            format!("the object nests {depth} levels deep, and at most {MAX_DEPTH} levels are read")
        } else {
            error.to_string()
        };
        // Fields that are not used are skipped without recursion.
        let metadata = serde_json::from_str(text).map_or_else(
            |_| ObjectMeta::default(),
            |Object { metadata }| metadata.into(),
        );
        Self { cause, metadata }
    }
}

#[derive(Deserialize)]
struct Object {
    metadata: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

impl From<Identity> for ObjectMeta {
    fn from(identity: Identity) -> Self {
        Self {
            name: identity.name,
            namespace: identity.namespace,
            uid: identity.uid,
            resource_version: identity.resource_version,
            generation: identity.generation,
            deletion_timestamp: identity.deletion_timestamp,
            labels: identity.labels,
            annotations: identity.annotations,
            ..Self::default()
        }
    }
}

/// Levels of lists and objects in a valid JSON text.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl<K: Resource> Resource for Readable<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn metadata_api() -> bool {
        K::metadata_api()
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|it| &it.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0
            .as_mut()
            .map_or_else(|it| &mut it.metadata, K::meta_mut)
    }
}

#[cfg(test)]
mod tests {
    use kube_core::{ObjectList, PartialObjectMeta, ResourceExt, WatchEvent};
    use serde_json::{Value, json};

    use super::*;
    use crate::api::CassandraCluster;

    fn nested(depth: usize) -> String {
        format!("{}1{}", r#"{"f:[\"":"#.repeat(depth), "}".repeat(depth))
    }

    /// A cluster whose spec, and whose managed fields, are this deep below the object.
    fn cluster(name: &str, depth: usize) -> String {
        let deep = nested(depth);
        format!(
            r#"{{"apiVersion":"db.orange.com/v2","kind":"CassandraCluster",
                "metadata":{{"name":"{name}","namespace":"ns","generation":3,"labels":{{"a":"b"}},
                    "managedFields":[{{"manager":"kubectl","fieldsType":"FieldsV1","fieldsV1":{deep}}}]}},
                "spec":{{"nodesPerRacks":1,"config":{deep}}}}}"#
        )
    }

    fn page<K: Resource + Clone + DeserializeOwned>(items: &[String]) -> Vec<Readable<K>> {
        let list = format!(
            r#"{{"apiVersion":"db.orange.com/v2","kind":"CassandraClusterList","metadata":{{"resourceVersion":"7"}},
                "items":[{}]}}"#,
            items.join(",")
        );
        serde_json::from_str::<ObjectList<Readable<K>>>(&list)
            .unwrap()
            .items
    }

    #[test]
    fn an_object_of_any_depth_hides_no_other_of_its_page() {
        for depth in [100, 124, 125, 126, 127, 128, 10_000] {
            let page: Vec<Readable<CassandraCluster>> =
                page(&[cluster("deep", depth), cluster("demo", 3)]);
            let names: Vec<String> = page.iter().map(ResourceExt::name_any).collect();
            assert_eq!(names, ["deep", "demo"]);
            assert!(page[1].0.is_ok());
            let Err(deep) = &page[0].0 else {
                assert!(depth < 125, "{depth}");
                continue;
            };
            assert_eq!(deep.metadata.generation, Some(3));
            assert_eq!(deep.metadata.labels.as_ref().unwrap()["a"], "b");
            assert!(deep.cause.contains("levels deep"), "{}", deep.cause);
        }
    }

    #[test]
    fn metadata_of_any_depth_hides_no_other() {
        let page: Vec<Readable<PartialObjectMeta<CassandraCluster>>> =
            page(&[cluster("deep", 1_000), cluster("demo", 3)]);
        assert!(page[0].0.is_err() && page[1].0.is_ok());
        assert_eq!(page[0].labels()["a"], "b");
        assert!(Readable::<PartialObjectMeta<CassandraCluster>>::metadata_api());
    }

    #[test]
    fn an_event_of_a_watch_has_its_object() {
        let event = format!(
            r#"{{"type":"MODIFIED","object":{}}}"#,
            cluster("deep", 1_000)
        );
        let event: WatchEvent<Readable<CassandraCluster>> = serde_json::from_str(&event).unwrap();
        let WatchEvent::Modified(object) = event else {
            unreachable!("{event:?}");
        };
        assert_eq!(object.name_any(), "deep");
        let bookmark = r#"{"type":"BOOKMARK","object":{"kind":"CassandraCluster","apiVersion":"db.orange.com/v2",
            "metadata":{"resourceVersion":"9","creationTimestamp":null}}}"#;
        let event: WatchEvent<Readable<CassandraCluster>> = serde_json::from_str(bookmark).unwrap();
        assert!(matches!(event, WatchEvent::Bookmark(_)));
    }

    #[test]
    fn another_type_and_an_unknown_word_are_told() {
        let mut wrong: Value = serde_json::from_str(&cluster("wrong", 1)).unwrap();
        wrong["spec"]["nodesPerRacks"] = json!("two");
        let mut word: Value = serde_json::from_str(&cluster("word", 1)).unwrap();
        word["spec"]["nodeApi"] = json!({ "kind": "Telnet" });
        let page = page::<CassandraCluster>(&[wrong.to_string(), word.to_string()]);
        let (readable, others) = Readable::split(page);
        assert!(readable.is_empty());
        let causes: Vec<&str> = others.iter().map(|other| other.cause.as_str()).collect();
        assert!(causes[0].contains("invalid type: string"), "{causes:?}");
        assert!(causes[1].contains("unknown variant `Telnet`"), "{causes:?}");
    }
}
