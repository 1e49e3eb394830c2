//! Reads of the API server for a bundle. What cannot be read is noted, and the rest goes on.

use std::{cell::RefCell, future::Future, time::Duration};

use casskop_common::api::{GROUP, VERSION};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, LogParams},
};
use serde_json::Value;

use super::{Gap, Right, Why};
use crate::{client::explain, text::plain};

/// Largest log that is taken, in bytes; of a longer one the end is missing.
const LOG_BYTES: i64 = 16 << 20;

/// A kind of objects, as the API server has them: group, version, resource, kind.
#[derive(Clone, Copy, Debug)]
pub struct Kind(&'static str, &'static str, &'static str, &'static str);

impl Kind {
    pub const CLUSTER: Self = Self(GROUP, VERSION, "cassandraclusters", "CassandraCluster");
    pub const STATEFUL_SET: Self = Self("apps", "v1", "statefulsets", "StatefulSet");
    pub const DEPLOYMENT: Self = Self("apps", "v1", "deployments", "Deployment");
    pub const POD: Self = Self("", "v1", "pods", "Pod");
    pub const VOLUME: Self = Self("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim");
    pub const SERVICE: Self = Self("", "v1", "services", "Service");
    pub const CONFIG_MAP: Self = Self("", "v1", "configmaps", "ConfigMap");
    pub const SERVICE_ACCOUNT: Self = Self("", "v1", "serviceaccounts", "ServiceAccount");
    pub const SECRET: Self = Self("", "v1", "secrets", "Secret");
    pub const EVENT: Self = Self("", "v1", "events", "Event");
    pub const BUDGET: Self = Self(
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
    );

    /// Name of the resource, in lower case and many.
    pub fn plural(self) -> &'static str {
        self.2
    }

    fn resource(self) -> ApiResource {
        let Self(group, version, plural, kind) = self;
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    /// As rights name it.
    fn named(self) -> String {
        match self.0 {
            "" => self.2.to_owned(),
            group => format!("{}.{group}", self.2),
        }
    }
}

/// The API server, and what of it could not be read.
pub struct Source {
    client: Client,
    limit: Option<Duration>,
    gaps: RefCell<Vec<Gap>>,
}

impl Source {
    /// Reads with `client`, and waits no longer than `limit` for each answer.
    pub fn new(client: Client, limit: Option<Duration>) -> Self {
        let gaps = RefCell::default();
        Self {
            client,
            limit,
            gaps,
        }
    }

    /// What could not be read so far.
    pub fn gaps(&self) -> Vec<Gap> {
        self.gaps.borrow().clone()
    }

    /// One object; none if there is none.
    pub async fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Value> {
        let right = right("get", kind.named(), Some(namespace));
        match self.answer(self.api(kind, Some(namespace)).get(name)).await {
            Ok(object) => Some(value(kind, object)),
            Err(Why::Other(why)) if why == NOT_THERE => None,
            Err(why) => self.missing(right, Some(name.to_owned()), why),
        }
    }

    /// The objects of a kind with these labels, in one namespace or in all.
    pub async fn list(&self, kind: Kind, namespace: Option<&str>, labels: &str) -> Vec<Value> {
        let right = right("list", kind.named(), namespace);
        let params = match labels {
            "" => ListParams::default(),
            labels => ListParams::default().labels(labels),
        };
        match self.answer(self.api(kind, namespace).list(&params)).await {
            Ok(list) => list
                .items
                .into_iter()
                .map(|object| value(kind, object))
                .collect(),
            Err(why) => self.missing(right, None, why).unwrap_or_default(),
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
        let right = right("get", "pods/log".into(), Some(namespace));
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
            Err(why) => self.missing(right, Some(object), why),
        }
    }

    /// The version of the API server.
    pub async fn version(&self) -> Option<String> {
        match self.answer(self.client.apiserver_version()).await {
            Ok(info) => Some(info.git_version),
            Err(why) => self.missing(right("get", "/version".into(), None), None, why),
        }
    }

    fn api(&self, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
        let (client, resource) = (self.client.clone(), kind.resource());
        match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        }
    }

    async fn answer<T>(&self, asked: impl Future<Output = kube::Result<T>>) -> Result<T, Why> {
        let answer = match self.limit {
            None => asked.await,
            Some(limit) => tokio::time::timeout(limit, asked)
                .await
                .map_err(|_| Why::Other(format!("no answer within {}s", limit.as_secs_f64())))?,
        };
        answer.map_err(|error| match &error {
            kube::Error::Api(status) if status.code == 403 => Why::Forbidden,
            kube::Error::Api(status) if explain::is_missing_object(status) => {
                Why::Other(NOT_THERE.into())
            }
            kube::Error::Api(status) => Why::Other(plain(&status.message).into_owned()),
            error => Why::Other(explain::cause(error)),
        })
    }

    /// Notes it once, however often it is met.
    fn missing<T>(&self, right: Right, object: Option<String>, why: Why) -> Option<T> {
        let object = object.filter(|_| why != Why::Forbidden);
        let gap = Gap { right, object, why };
        let mut gaps = self.gaps.borrow_mut();
        if !gaps.contains(&gap) {
            gaps.push(gap);
        }
        None
    }
}

fn right(verb: &'static str, resource: String, namespace: Option<&str>) -> Right {
    let scope = namespace.map_or("all namespaces".into(), |name| format!("namespace {name}"));
    Right {
        verb,
        resource,
        scope,
    }
}

const NOT_THERE: &str = "there is none";

/// Items of a list do not say what they are; apart from it they have to.
fn value(kind: Kind, object: DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    let resource = kind.resource();
    value["apiVersion"] = resource.api_version.into();
    value["kind"] = resource.kind.into();
    value
}
