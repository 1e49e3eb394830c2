//! Objects of Kubernetes, whatever their kind.

use std::{fmt::Debug, time::Duration};

use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Preconditions},
    core::NamespaceResourceScope,
};
use serde::de::DeserializeOwned;

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
