//! A small API server for tests: it keeps objects, versions them, enforces the preconditions of writes, may answer lists
//! from an outdated cache, and may lose requests and answers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Frame},
};
use kube::{
    Client,
    client::{Body, ClientBuilder},
};
use serde_json::{Value, json};
use tower::BoxError;

use crate::{kubernetes::gate::Gate, leadership::Leadership};

/// Objects by their paths.
type Objects = BTreeMap<String, Value>;

/// A fault of the next write.
#[derive(Clone, Copy, PartialEq)]
pub enum Lost {
    /// The write is lost, and so is the answer.
    Write,
    /// The answer is lost.
    Answer,
}

/// Another writer, that changes an object just before it is written.
pub struct Rival {
    /// End of the path of the object.
    pub object: &'static str,
    /// The change.
    pub change: fn(&mut Value),
}

#[derive(Default)]
pub struct State {
    pub objects: Objects,
    /// The cache for lists that may be outdated; nothing if lists are always current.
    pub memory: Option<Objects>,
    /// Whether the cache knows no requested version.
    pub forgetful: bool,
    pub rival: Option<Rival>,
    pub lost: Option<Lost>,
    /// Whether no request is answered.
    pub is_away: bool,
    /// Time from a change of an object to the answer.
    pub answers_after: Duration,
    /// An object, and its change at the first write of another one.
    pub changed_at_write: Option<(String, Value)>,
    /// An object of which no write is permitted.
    pub refused: Option<String>,
    /// The answer to such a write, if it is not that of missing rights.
    pub refused_as: Option<No>,
    /// The field that an admission webhook, or the schema of the kind, takes out of every object that is patched
    /// or created.
    pub taken_out: Option<&'static str>,
    /// The grace period of the last deletion.
    pub grace: Option<Value>,
    /// Method, path and query of every request.
    pub asked: Vec<String>,
    /// Every object that was written, with its path: a look from time to time misses some.
    pub written: Vec<(String, Value)>,
    version: u64,
}

#[derive(Clone, Default)]
pub struct ApiServer {
    state: Arc<Mutex<State>>,
    changed: Arc<tokio::sync::Notify>,
}

/// The code and the reason of a rejected request.
pub type No = (u16, &'static str);

const BAD: No = (400, "BadRequest");

impl ApiServer {
    /// Changes the server without the operator.
    pub fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// The requests since the last call.
    pub fn asked(&self) -> Vec<String> {
        self.with(|state| std::mem::take(&mut state.asked))
    }

    /// Waits until a request leads to this state.
    pub async fn until(&self, holds: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            if self.with(|state| holds(state)) {
                return;
            }
            changed.await;
        }
    }

    /// A client that writes always.
    pub fn client(&self) -> Client {
        self.client_of(Leadership::unelected())
    }

    /// A client that writes only while it leads.
    pub fn client_of(&self, gate: Leadership) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let query = head.uri.query().unwrap_or_default();
                let (answer, late) = server.with(|state| {
                    let asked = format!("{} {}?{query}", head.method, head.uri.path());
                    state.asked.push(asked);
                    let body = serde_json::from_slice(&body).unwrap_or_default();
                    let answer = state.exchange(&head.method, head.uri.path(), query, body);
                    (answer, state.answers_after)
                });
                server.changed.notify_one();
                if head.method == Method::PATCH {
                    tokio::time::sleep(late).await;
                }
                let answer = answer.ok_or("the connection broke")?;
                if query.contains("watch=true") {
                    return Ok(Response::new(silence()));
                }
                Ok::<_, BoxError>(respond(answer))
            }
        });
        ClientBuilder::new(service, "ns")
            .with_layer(&Gate(gate))
            .build()
    }
}

/// The body of an answer.
type Content = UnsyncBoxBody<Bytes, BoxError>;

/// A watch that stays open, and reports nothing.
fn silence() -> Content {
    let nothing = futures::stream::pending::<Result<Frame<Bytes>, BoxError>>();
    UnsyncBoxBody::new(StreamBody::new(nothing))
}

impl State {
    /// Creates or changes an object.
    pub fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        let before = self.objects.get(path);
        let uid = before.map_or_else(
            || json!(format!("u-{}", self.version)),
            |old| old["metadata"]["uid"].clone(),
        );
        object["metadata"]["uid"] = uid;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.to_owned(), object.clone());
        self.written.push((path.to_owned(), object.clone()));
        object
    }

    /// Changes an object, if there is a difference.
    fn patched(&mut self, path: &str, object: Value) -> Value {
        let object = self.admitted(object);
        match self.objects.get(path) {
            Some(before) if *before == object => object,
            _ => self.put(path, object),
        }
    }

    fn admitted(&self, mut object: Value) -> Value {
        let taken_out = self.taken_out.and_then(|field| field.split_once('.'));
        if let Some((parent, field)) = taken_out
            && let Some(Value::Object(parent)) = object.pointer_mut(parent)
        {
            parent.remove(field);
        }
        object
    }

    /// The answer, unless the connection breaks.
    fn exchange(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        body: Value,
    ) -> Option<Result<Value, No>> {
        let lost = self.lost.take_if(|_| method != Method::GET);
        if self.is_away || lost == Some(Lost::Write) {
            return None;
        }
        let answer = self.answer(method, path, query, body);
        lost.is_none().then_some(answer)
    }

    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        body: Value,
    ) -> Result<Value, No> {
        if path == "/api/v1/namespaces/ns" && method == Method::GET {
            return Ok(json!({ "metadata": { "name": "ns", "uid": "ns-1" } }));
        }
        let (_, segments) = path.split_once("/namespaces/ns/").ok_or(BAD)?;
        let segments: Vec<&str> = segments.split('/').collect();
        if segments.len() == 1 && method == Method::GET {
            return self.list(path, query);
        }
        if segments.len() == 1 {
            let name = body["metadata"]["name"].as_str().unwrap_or("generated");
            let path = format!("{path}/{name}");
            // Quotas and admission come before the storage.
            if self.refused.as_deref() == Some(&*path) {
                return Err(self.refused_as.unwrap_or((403, "Forbidden")));
            }
            if self.objects.contains_key(&path) {
                return Err((409, "AlreadyExists"));
            }
            let body = self.admitted(body);
            return Ok(self.put(&path, body));
        }
        let path = path.strip_suffix("/status").unwrap_or(path);
        if method != Method::GET && self.refused.as_deref() == Some(path) {
            return Err(self.refused_as.unwrap_or((403, "Forbidden")));
        }
        let rival = self
            .rival
            .take_if(|rival| path.ends_with(rival.object) && method != Method::GET);
        if let Some(rival) = rival {
            let mut object = self.objects[path].clone();
            (rival.change)(&mut object);
            self.put(path, object);
        }
        if method != Method::GET
            && let Some((changed, change)) = self.changed_at_write.take()
        {
            let mut object = self.objects[&changed].clone();
            json_patch::merge(&mut object, &change);
            self.put(&changed, object);
        }
        let there = self.objects.get(path).cloned();
        match *method {
            Method::GET => there.ok_or((404, "NotFound")),
            Method::DELETE => {
                holds(&body["preconditions"], there.as_ref())?;
                let mut object = there.ok_or((404, "NotFound"))?;
                self.grace = Some(body["gracePeriodSeconds"].clone());
                if object["metadata"]["finalizers"][0].is_string() {
                    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
                    return Ok(self.put(path, object));
                }
                self.objects.remove(path);
                Ok(object)
            }
            Method::PATCH if body.is_array() => {
                let mut object = there.clone().ok_or((404, "NotFound"))?;
                let change: Result<json_patch::Patch, _> = serde_json::from_value(body);
                let changed = change.map(|change| json_patch::patch(&mut object, &change));
                changed.map_err(|_| BAD)?.map_err(|_| (422, "Invalid"))?;
                holds(&object["metadata"], there.as_ref())?;
                Ok(self.patched(path, object))
            }
            // A merge patch; what is applied names its kind.
            Method::PATCH if body["kind"].is_null() => {
                let mut object = there.ok_or((404, "NotFound"))?;
                holds(&body["metadata"], Some(&object))?;
                json_patch::merge(&mut object, &body);
                Ok(self.patched(path, object))
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
                key.starts_with(&format!("{path}/")) && is_selected(object, query)
            })
            .map(|(_, object)| object)
            .collect();
        Ok(json!({ "metadata": { "resourceVersion": self.version.to_string() }, "items": items }))
    }
}

/// Whether the selectors of a query, by labels and by fields, select an object.
fn is_selected(object: &Value, query: &str) -> bool {
    let selectors = |name: &str| -> Vec<String> {
        let mut parts = query.split('&');
        let found = parts.find_map(|part| part.strip_prefix(name));
        let found = found.unwrap_or_default();
        let found = found
            .replace("%3D", "=")
            .replace("%2C", ",")
            .replace("%2F", "/");
        let parts = found.split(',').filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let labels = &object["metadata"]["labels"];
    let has_label = |selector: &String| match selector.split_once('=') {
        Some((key, value)) => labels[key] == value,
        None => !labels[selector].is_null(),
    };
    let has_field = |selector: &String| {
        let (path, value) = selector.split_once('=').unwrap_or((selector, ""));
        let pointer = format!("/{}", path.replace('.', "/"));
        object.pointer(&pointer).is_some_and(|found| found == value)
    };
    selectors("labelSelector=").iter().all(has_label)
        && selectors("fieldSelector=").iter().all(has_field)
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

fn respond(answer: Result<Value, No>) -> Response<Content> {
    let (code, body) = match answer {
        Ok(body) => (200, body),
        Err((code, reason)) => {
            let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure",
                "code": code, "reason": reason, "message": reason });
            (code, status)
        }
    };
    let mut response = Response::new(
        Full::from(body.to_string())
            .map_err(Into::into)
            .boxed_unsync(),
    );
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}
