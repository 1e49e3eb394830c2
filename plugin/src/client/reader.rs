//! Reads for a bundle. A read that fails is recorded, and the others continue.

use std::{cell::RefCell, future::Future, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{DynamicObject, LogParams},
};
use serde_json::Value;

use super::{
    failure, objects,
    resource::{POD_LOGS, Resource},
};
use crate::{
    model::report::{Cause, Permission, ReadFailure},
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
        let permission = permission("get", kind.name(), Some(namespace));
        match self
            .answer(kind.api(&self.client, Some(namespace)).get(name))
            .await
        {
            Ok(object) => Some(value(kind, object)),
            Err(Cause::Other(cause)) if cause == NOT_THERE => None,
            Err(cause) => self.missing(permission, Some(name.to_owned()), cause),
        }
    }

    /// The objects of a kind with these labels, in one namespace or in all.
    pub async fn list(&self, kind: &Resource, namespace: Option<&str>, labels: &str) -> Vec<Value> {
        let permission = permission("list", kind.name(), namespace);
        let api = kind.api(&self.client, namespace);
        let listed = objects::pages(labels, async |page| self.answer(api.list(&page)).await);
        match listed.await {
            Ok(list) => list
                .items
                .into_iter()
                .map(|object| value(kind, object))
                .collect(),
            Err(cause) => self.missing(permission, None, cause).unwrap_or_default(),
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
    fn missing<T>(
        &self,
        permission: Permission,
        object: Option<String>,
        cause: Cause,
    ) -> Option<T> {
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
        None
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
