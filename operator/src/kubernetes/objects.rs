//! Objects of Kubernetes, whatever their kind.

use std::{fmt::Debug, time::Duration};

use json_patch::{PatchOperation, TestOperation, jsonptr::PointerBuf};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Preconditions},
    core::NamespaceResourceScope,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What the API server answered, in its own sentence and once; or why there was no answer.
pub fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        kube::Error::Api(status) if !status.reason.is_empty() => {
            format!("{} (HTTP {})", status.reason, status.code)
        }
        kube::Error::Api(status) => format!("HTTP {}", status.code),
        other => other.to_string(),
    }
}

/// Deadline of a request to the API server.
const REQUEST: Duration = Duration::from_secs(30);

/// Gives up on a request that the API server does not answer.
///
/// # Errors
/// That of the request, or that it was not answered in time.
pub async fn in_time<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    let late = || kube::Error::Service("the API server did not answer in time".into());
    tokio::time::timeout(REQUEST, request)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// A kind of objects that live in a namespace.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned
{
}

impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
{
}

/// Only the object with this UID.
pub fn very(uid: &str) -> Preconditions {
    Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    }
}

/// Only the very object that was looked at, and only as it was then.
pub fn unchanged<K: Kind>(seen: &K) -> Preconditions {
    Preconditions {
        uid: seen.uid(),
        resource_version: seen.resource_version(),
    }
}

/// Operations of a guarded patch that only test what it is for.
const TESTS: usize = 2;

/// The differences between two states of an object, behind tests that it is the very object that was looked at, and in
/// that version. Where a test fails, the API server answers 422.
pub fn guarded<K: Resource>(seen: &K, before: &Value, after: &Value) -> json_patch::Patch {
    let mut patch = json_patch::diff(before, after);
    let test = |value: Option<&String>, path: [&str; 2]| {
        PatchOperation::Test(TestOperation {
            path: PointerBuf::from_tokens(path),
            value: Value::from(value.map(String::as_str).unwrap_or_default()),
        })
    };
    let meta = seen.meta();
    let version = test(
        meta.resource_version.as_ref(),
        ["metadata", "resourceVersion"],
    );
    patch.0.insert(0, version);
    patch
        .0
        .insert(1, test(meta.uid.as_ref(), ["metadata", "uid"]));
    patch
}

/// Whether a guarded patch only tests: what differs only in memory is as good as written.
pub fn changes_nothing(patch: &json_patch::Patch) -> bool {
    patch.0.len() == TESTS
}

/// Deletes an object while it is the very one that was looked at. One that is gone already is as good as deleted.
///
/// # Errors
/// A conflict (409) where the object of the name is not what was looked at, and is left alone; or what else the API
/// server says.
pub async fn delete<K: Kind>(
    api: &Api<K>,
    name: &str,
    seen: Preconditions,
    how: DeleteParams,
) -> Result<(), kube::Error> {
    match api.delete(name, &how.preconditions(seen)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        outcome => outcome.map(drop),
    }
}
