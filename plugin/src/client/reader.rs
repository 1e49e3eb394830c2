//! Reads for a bundle. A read that fails is recorded, and the others continue.

use std::{cell::RefCell, future::Future, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{DynamicObject, LogParams, ObjectMeta, PostParams, TypeMeta},
};
use serde_json::{Value, json};

use super::{
    failure, objects,
    resource::{ACCESS_REVIEWS, POD_LOGS, Resource},
};
use crate::{
    model::{
        preflight::{Lookup, Right},
        report::{Cause, Permission, ReadFailure},
    },
    text::plain,
};

/// Largest log that is taken, in bytes; of a longer one the end is missing.
const LOG_BYTES: i64 = 16 << 20;

/// The API server, and the reads that failed.
pub struct Reader {
    client: Client,
    limit: Option<Duration>,
    failures: RefCell<Vec<ReadFailure>>,
}

impl Reader {
    /// Reads with `client`, and waits at most `limit` for each answer.
    pub fn new(client: Client, limit: Option<Duration>) -> Self {
        let failures = RefCell::default();
        Self {
            client,
            limit,
            failures,
        }
    }

    /// The reads that have failed so far.
    pub fn failures(&self) -> Vec<ReadFailure> {
        self.failures.borrow().clone()
    }

    /// One object; none if there is none.
    pub async fn get(&self, kind: &Resource, namespace: &str, name: &str) -> Option<Value> {
        match self.look_up(kind, Some(namespace), name).await {
            Lookup::Found(object) => Some(object),
            Lookup::Absent | Lookup::Unknown => None,
        }
    }

    /// One object, of a namespace or of the Kubernetes cluster.
    pub async fn look_up(&self, kind: &Resource, namespace: Option<&str>, name: &str) -> Lookup {
        let permission = permission("get", kind.name(), namespace);
        match self
            .answer(kind.api(&self.client, namespace).get(name))
            .await
        {
            Ok(object) => Lookup::Found(value(kind, object)),
            Err(Cause::Other(cause)) if cause == NOT_THERE => Lookup::Absent,
            Err(cause) => self.missing(permission, Some(name.to_owned()), cause),
        }
    }

    /// The objects of a kind with these labels, in one namespace or in all.
    pub async fn list(&self, kind: &Resource, namespace: Option<&str>, labels: &str) -> Vec<Value> {
        let listed = self.try_list(kind, namespace, labels).await;
        listed.unwrap_or_default()
    }

    /// The same; nothing if they could not be read.
    pub async fn try_list(
        &self,
        kind: &Resource,
        namespace: Option<&str>,
        labels: &str,
    ) -> Option<Vec<Value>> {
        let permission = permission("list", kind.name(), namespace);
        let api = kind.api(&self.client, namespace);
        let listed = objects::pages(labels, async |page| self.answer(api.list(&page)).await);
        match listed.await {
            Ok(list) => {
                let items = list.items.into_iter();
                Some(items.map(|object| value(kind, object)).collect())
            }
            Err(cause) => self.missing(permission, None, cause),
        }
    }

    /// The last lines of a container's log, or of the run before it.
    pub async fn log(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        previous: bool,
        tail: u32,
    ) -> Option<String> {
        let permission = permission("get", POD_LOGS.name(), Some(namespace));
        let object = format!("{pod}, container {container}");
        let params = LogParams {
            container: Some(container.to_owned()),
            limit_bytes: Some(LOG_BYTES),
            tail_lines: Some(tail.into()),
            timestamps: true,
            previous,
            ..LogParams::default()
        };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        match self.answer(api.logs(pod, &params)).await {
            Ok(log) => Some(log),
            Err(cause) => self.missing(permission, Some(object), cause),
        }
    }

    /// Whether the user has a right; nothing if the API server does not answer that.
    pub async fn has_right(&self, right: &Right) -> Option<bool> {
        let kind = &ACCESS_REVIEWS;
        let described = kind.described();
        let review = DynamicObject {
            types: Some(TypeMeta {
                api_version: described.api_version,
                kind: described.kind,
            }),
            metadata: ObjectMeta::default(),
            data: json!({ "spec": { "resourceAttributes": {
                "verb": right.verb,
                "group": right.group,
                "resource": right.resource,
                "subresource": right.subresource,
                "namespace": right.namespace,
                "name": right.name,
            } } }),
        };
        let api = kind.api(&self.client, None);
        let params = PostParams::default();
        match self.answer(api.create(&params, &review)).await {
            Ok(answer) => answer.data["status"]["allowed"].as_bool(),
            Err(cause) => self.missing(permission("create", kind.name(), None), None, cause),
        }
    }

    /// The version of the API server.
    pub async fn version(&self) -> Option<String> {
        match self.answer(self.client.apiserver_version()).await {
            Ok(info) => Some(info.git_version),
            Err(cause) => self.missing(permission("get", "/version".into(), None), None, cause),
        }
    }

    async fn answer<T>(&self, asked: impl Future<Output = kube::Result<T>>) -> Result<T, Cause> {
        let answer = match self.limit {
            None => asked.await,
            Some(limit) => tokio::time::timeout(limit, asked)
                .await
                .map_err(|_| Cause::Other(format!("no answer within {}s", limit.as_secs_f64())))?,
        };
        answer.map_err(|error| match &error {
            kube::Error::Api(status) if status.code == 403 => Cause::Forbidden,
            kube::Error::Api(status) if failure::is_missing_object(status) => {
                Cause::Other(NOT_THERE.into())
            }
            kube::Error::Api(status) => Cause::Other(plain(&status.message).into_owned()),
            error => Cause::Other(failure::cause(error)),
        })
    }

    /// Records a failure once.
    fn missing<T: Default>(
        &self,
        permission: Permission,
        object: Option<String>,
        cause: Cause,
    ) -> T {
        let object = object.filter(|_| cause != Cause::Forbidden);
        let failure = ReadFailure {
            permission,
            object,
            cause,
        };
        let mut failures = self.failures.borrow_mut();
        if !failures.contains(&failure) {
            failures.push(failure);
        }
        T::default()
    }
}

fn permission(verb: &'static str, resource: String, namespace: Option<&str>) -> Permission {
    let scope = namespace.map_or("all namespaces".into(), |name| format!("namespace {name}"));
    Permission {
        verb,
        resource,
        scope,
    }
}

const NOT_THERE: &str = "there is none";

/// Adds version and kind, which items of a list do not have.
fn value(kind: &Resource, object: DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    let resource = kind.described();
    value["apiVersion"] = resource.api_version.into();
    value["kind"] = resource.kind.into();
    value
}
