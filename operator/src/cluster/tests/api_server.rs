//! A small API server: it keeps objects, versions them, enforces the preconditions of writes, and may answer lists
//! from an outdated cache.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use futures::channel::mpsc;
use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode};
use kube::{Client, client::Body, runtime::events::Reporter};
use serde_json::{Value, json};

use crate::{
    context::Context,
    effects::Effects,
    executor::Executor,
    kubernetes::{Kube, lists::Versions, status_store::StatusStore},
    metrics::Metrics,
    node_api::jolokia::Jolokia,
};

/// Objects by their paths.
type Objects = BTreeMap<String, Value>;

#[derive(Default)]
pub(super) struct State {
    pub(super) objects: Objects,
    /// The cache for lists that may be outdated; nothing if lists are always current.
    pub(super) memory: Option<Objects>,
    /// Whether the cache knows no requested version.
    pub(super) forgetful: bool,
    /// An object that another writer changes just before it is written.
    pub(super) rival: Option<String>,
    /// Method, path and query of every request.
    pub(super) asked: Vec<String>,
    version: u64,
}

#[derive(Clone, Default)]
pub(super) struct ApiServer(Arc<Mutex<State>>);

/// The code and the reason of a rejected request.
type No = (u16, &'static str);

const BAD: No = (400, "BadRequest");

impl ApiServer {
    /// Changes the server without the operator.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// The requests since the last call.
    pub(super) fn asked(&self) -> Vec<String> {
        self.with(|state| std::mem::take(&mut state.asked))
    }

    /// An operator that has just started.
    pub(super) fn operator(&self) -> Arc<Context> {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let query = head.uri.query().unwrap_or_default();
                let answer = server.with(|state| {
                    let asked = format!("{} {}?{query}", head.method, head.uri.path());
                    state.asked.push(asked);
                    let body = serde_json::from_slice(&body).unwrap_or_default();
                    state.answer(&head.method, head.uri.path(), query, body)
                });
                Ok::<_, Infallible>(respond(answer))
            }
        });
        let client = Client::new(service, "ns");
        Arc::new(Context {
            effects: Arc::new(Effects {
                kube: Kube {
                    client: client.clone(),
                    versions: Versions::default(),
                    reporter: Reporter::from("test"),
                },
                nodes: Box::new(Jolokia::default()),
                store: StatusStore::new(client),
            }),
            executor: Executor::new(mpsc::unbounded().0),
            metrics: Metrics::default(),
            bootstrap_image: "operator:1".into(),
        })
    }
}

impl State {
    /// Creates or changes an object.
    pub(super) fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        let before = self.objects.get(path);
        let uid = before.map_or_else(
            || json!(format!("u-{}", self.version)),
            |old| old["metadata"]["uid"].clone(),
        );
        object["metadata"]["uid"] = uid;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        body: Value,
    ) -> Result<Value, No> {
        let (_, place) = path.split_once("/namespaces/ns/").ok_or(BAD)?;
        let place: Vec<&str> = place.split('/').collect();
        if place.len() == 1 && method == Method::GET {
            return self.list(path, query);
        }
        if place.len() == 1 {
            let name = body["metadata"]["name"].as_str().unwrap_or("generated");
            let path = format!("{path}/{name}");
            if self.objects.contains_key(&path) {
                return Err((409, "AlreadyExists"));
            }
            return Ok(self.put(&path, body));
        }
        let path = path.strip_suffix("/status").unwrap_or(path);
        if self
            .rival
            .take_if(|rival| path.ends_with(rival.as_str()) && method != Method::GET)
            .is_some()
        {
            let object = self.objects[path].clone();
            self.put(path, object);
        }
        let there = self.objects.get(path).cloned();
        match *method {
            Method::GET => there.ok_or((404, "NotFound")),
            Method::DELETE => {
                holds(&body["preconditions"], there.as_ref())?;
                self.objects.remove(path).ok_or((404, "NotFound"))
            }
            Method::PATCH if body.is_array() => {
                let mut object = there.ok_or((404, "NotFound"))?;
                let change: Result<json_patch::Patch, _> = serde_json::from_value(body);
                let changed = change.map(|change| json_patch::patch(&mut object, &change));
                changed.map_err(|_| BAD)?.map_err(|_| (422, "Invalid"))?;
                Ok(self.put(path, object))
            }
            // A merge patch; what is applied names its kind.
            Method::PATCH if body["kind"].is_null() => {
                holds(&body["metadata"], there.as_ref())?;
                let mut object = there.ok_or((404, "NotFound"))?;
                json_patch::merge(&mut object, &body);
                Ok(self.put(path, object))
            }
            _ => {
                holds(&body["metadata"], there.as_ref())?;
                Ok(self.put(path, body))
            }
        }
    }

    fn list(&self, path: &str, query: &str) -> Result<Value, No> {
        let asks_memory = query.contains("resourceVersion=");
        if asks_memory && self.forgetful {
            return Err((504, "Timeout"));
        }
        let objects = self.memory.as_ref().filter(|_| asks_memory);
        let found = objects.unwrap_or(&self.objects).iter();
        let items: Vec<&Value> = found
            .filter(|(key, object)| {
                let labels = &object["metadata"]["labels"];
                key.starts_with(&format!("{path}/"))
                    && labels["app"] == "cassandracluster"
                    && labels["cassandracluster"] == "demo"
            })
            .map(|(_, object)| object)
            .collect();
        Ok(json!({ "metadata": { "resourceVersion": self.version.to_string() }, "items": items }))
    }
}

/// Whether an object matches the given UID and version.
fn holds(given: &Value, there: Option<&Value>) -> Result<(), No> {
    for key in ["uid", "resourceVersion"] {
        let is = there.map_or(&Value::Null, |there| &there["metadata"][key]);
        if !given[key].is_null() && given[key] != *is {
            return Err((409, "Conflict"));
        }
    }
    Ok(())
}

fn respond(answer: Result<Value, No>) -> Response<Body> {
    let (code, body) = match answer {
        Ok(body) => (200, body),
        Err((code, reason)) => {
            let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure",
                "code": code, "reason": reason, "message": reason });
            (code, status)
        }
    };
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}
