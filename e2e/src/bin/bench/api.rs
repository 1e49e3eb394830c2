//! The API server by plain HTTP on a connection that stays open, through `kubectl proxy`: a separate `kubectl` for
//! every request would cost more than the measured time.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    time::Instant,
};

use casskop_e2e::command::inside;
use serde_json::Value;
use ureq::Agent;

/// The API server.
pub struct Api {
    proxy: Child,
    agent: Agent,
    address: String,
}

impl Api {
    /// Starts the proxy; it ends when this value is dropped.
    pub fn start() -> Self {
        let mut proxy = inside("kubectl")
            .args(["proxy", "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let mut line = String::new();
        let output = proxy.stdout.take().expect("it is piped");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("kubectl proxy says where it listens");
        let address = line.trim().rsplit(' ').next().unwrap_or_default();
        Self {
            proxy,
            agent: Agent::new_with_defaults(),
            address: format!("http://{address}"),
        }
    }

    /// Reads a response as text.
    pub fn text(&self, path: &str) -> String {
        let answer = self.agent.get(format!("{}{path}", self.address)).call();
        let mut answer = answer.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        let text = answer.body_mut().read_to_string();
        text.unwrap_or_else(|error| panic!("GET {path}: {error}"))
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
        let join = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}{path}{join}watch=true&timeoutSeconds=900", self.address);
        let answer = self.agent.get(&url).call();
        let answer = answer.unwrap_or_else(|error| panic!("watch {path}: {error}"));
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line = line.unwrap_or_else(|error| panic!("watch {path}: {error}"));
            let seen = Instant::now();
            let event: Value = serde_json::from_str(&line).expect("events are JSON");
            if look(&event["object"]) {
                return seen;
            }
        }
        panic!("watch {path}: it did not come to be in time");
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}
