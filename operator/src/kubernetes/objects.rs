//! Functions for Kubernetes objects of any kind.

use std::{fmt::Debug, time::Duration};

use json_patch::{PatchOperation, ReplaceOperation, jsonptr::PointerBuf};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Preconditions},
    core::{NamespaceResourceScope, Status},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The error message of the API server, without repetition; or the reason why there was no response.
pub fn error_text(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        kube::Error::Api(status) if !status.reason.is_empty() => {
            format!("{} (HTTP {})", status.reason, status.code)
        }
        kube::Error::Api(status) => format!("HTTP {}", status.code),
        // The reason why there is no answer; the name of the type says nothing to a person.
        kube::Error::Service(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Deadline of a request to the API server.
const REQUEST: Duration = Duration::from_secs(30);

/// Applies the deadline to a request.
///
/// # Errors
/// The error of the request, or the expired deadline.
pub async fn in_time<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    let late = || kube::Error::Service("the API server did not answer in time".into());
    tokio::time::timeout(REQUEST, request)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// A namespaced kind of objects.
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

/// Whether the object was changed, or replaced by another one of its name, since it was observed. An admission webhook may
/// deny with the same code; that is no conflict.
pub fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.reason == "Conflict")
}

/// The error for an object that was changed since it was observed.
pub fn conflict(why: &str) -> kube::Error {
    kube::Error::Api(Status::failure(why, "Conflict").with_code(409).boxed())
}

/// The precondition that the object has this UID.
pub fn uid_precondition(uid: &str) -> Preconditions {
    Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    }
}

/// The precondition that the object is the observed one, by UID, in the observed version.
pub fn version_precondition<K: Kind>(observed: &K) -> Preconditions {
    Preconditions {
        uid: observed.uid(),
        resource_version: observed.resource_version(),
    }
}

/// Number of operations of a guarded patch that name the observed object.
const GUARDS: usize = 2;

/// The differences between two states of an object, for the observed version of it. The API server responds with 409 if the
/// object has another version. Tests in the patch would be answered with 422, as a denial may be.
pub fn guarded(observed: &ObjectMeta, before: &Value, after: &Value) -> json_patch::Patch {
    let mut patch = json_patch::diff(before, after);
    let named = [
        ("uid", observed.uid.as_ref()),
        ("resourceVersion", observed.resource_version.as_ref()),
    ];
    let guards: [_; GUARDS] = named.map(|(field, value)| {
        PatchOperation::Replace(ReplaceOperation {
            path: PointerBuf::from_tokens(["metadata", field]),
            value: Value::from(value.map(String::as_str).unwrap_or_default()),
        })
    });
    patch.0.splice(0..0, guards);
    patch
}

/// Whether a guarded patch has no differences: a change that exists only in memory needs no write.
pub fn changes_nothing(patch: &json_patch::Patch) -> bool {
    patch.0.len() == GUARDS
}

/// Deletes an object if it has the observed UID and version. An object that is already gone counts as deleted.
///
/// # Errors
/// A conflict (409) if the object of the name is not the observed one, which is then not deleted; or any other error
/// of the API server.
pub async fn delete<K: Kind>(
    api: &Api<K>,
    name: &str,
    preconditions: Preconditions,
    how: DeleteParams,
) -> Result<(), kube::Error> {
    match api.delete(name, &how.preconditions(preconditions)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        outcome => outcome.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A condition shows the words of the API server, and no names of types.
    #[test]
    fn errors_are_told_in_the_words_of_the_api_server() {
        let quota =
            "exceeded quota: small, requested: secrets=1, used: secrets=3, limited: secrets=3";
        let answers = [
            (quota, "Forbidden", 403),
            ("etcdserver: request timed out", "InternalError", 500),
            ("", "TooManyRequests", 429),
            ("", "", 502),
        ];
        let told = answers.map(|(message, reason, code)| {
            let status = Status::failure(message, reason).with_code(code);
            error_text(&kube::Error::Api(status.boxed()))
        });
        let expected = [
            quota,
            "etcdserver: request timed out",
            "TooManyRequests (HTTP 429)",
            "HTTP 502",
        ];
        assert_eq!(told, expected);
        let late = kube::Error::Service("the API server did not answer in time".into());
        assert_eq!(error_text(&late), "the API server did not answer in time");
    }
}
