//! The API server by plain HTTP on a connection that stays open, through `kubectl proxy`: a separate `kubectl` for
//! every request would cost more than the measured time.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Instant,
};

use serde_json::Value;
use ureq::Agent;

/// Largest answer that is read, in bytes: a list of a thousand clusters.
const LARGEST: u64 = 256 << 20;

/// The API server.
pub struct Api {
    proxy: Option<Child>,
    agent: Agent,
    address: String,
}

impl Api {
    /// Starts the proxy by this `kubectl`; it ends when this value is dropped.
    pub fn start(mut kubectl: Command) -> Self {
        let mut child = kubectl
            .args(["proxy", "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("kubectl proxy says where it listens");
        let address = line.trim().rsplit(' ').next().unwrap_or_default();
        let mut api = Self::at(&format!("http://{address}"));
        api.proxy = Some(child);
        api
    }

    /// The API server behind a proxy that runs already.
    pub fn at(address: &str) -> Self {
        Self {
            proxy: None,
            agent: Agent::new_with_defaults(),
            address: address.to_owned(),
        }
    }

    /// The address of the proxy.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Reads a response as text.
    pub fn text(&self, path: &str) -> String {
        let answer = self.agent.get(format!("{}{path}", self.address)).call();
        let mut answer = answer.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        let body = answer.body_mut().with_config().limit(LARGEST);
        let text = body.read_to_string();
        text.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Creates an object in the folder of its kind.
    pub fn create(&self, folder: &str, object: &Value) {
        let answer = self
            .agent
            .post(format!("{}{folder}", self.address))
            .content_type("application/json")
            .send(object.to_string());
        let mut answer = answer.unwrap_or_else(|error| panic!("POST {folder}: {error}"));
        let _ = answer.body_mut().read_to_vec();
    }

    /// Merges a patch into an object. Returns the id that the API server's audit log has for the request.
    pub fn merge(&self, path: &str, change: &Value) -> String {
        let answer = self
            .agent
            .patch(format!("{}{path}", self.address))
            .content_type("application/merge-patch+json")
            .send(change.to_string());
        let mut answer = answer.unwrap_or_else(|error| panic!("PATCH {path}: {error}"));
        let id = answer.headers().get("audit-id").cloned();
        // The body is read to its end, so that the connection is reused.
        let _ = answer.body_mut().read_to_vec();
        let id = id.as_ref().and_then(|id| id.to_str().ok());
        id.expect("the API server writes an audit log").to_owned()
    }

    /// Watches objects until `look` returns true; returns the time of that. A path with `?` keeps its parameters.
    pub fn watch(&self, path: &str, mut look: impl FnMut(&Value) -> bool) -> Instant {
        let seen = self.follow(path, |event| look(&event["object"]));
        seen.unwrap_or_else(|| panic!("watch {path}: it did not come to be in time"))
    }

    /// Hands on the events of a watch until `look` returns true, or until the watch ends.
    pub fn follow(&self, path: &str, mut look: impl FnMut(&Value) -> bool) -> Option<Instant> {
        let join = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}{path}{join}watch=true&timeoutSeconds=900", self.address);
        let answer = self.agent.get(&url).call();
        let answer = answer.unwrap_or_else(|error| panic!("watch {path}: {error}"));
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line = line.unwrap_or_else(|error| panic!("watch {path}: {error}"));
            let seen = Instant::now();
            let event: Value = serde_json::from_str(&line).expect("events are JSON");
            if look(&event) {
                return Some(seen);
            }
        }
        None
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        if let Some(proxy) = &mut self.proxy {
            let _ = proxy.kill();
            let _ = proxy.wait();
        }
    }
}
