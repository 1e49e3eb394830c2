//! JMX of the Cassandra beside the server, by a Jolokia agent on the loopback of the pod.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;

/// Where the agent listens: `cassandra-env.sh` of the image starts it.
const URL: &str = "http://127.0.0.1:8779/jolokia/";
/// Longest answer, in bytes.
const LONGEST: u64 = 64 * 1024 * 1024;
/// Deadline of a read.
const READ: Duration = Duration::from_secs(20);
/// Deadline of the work of a job.
const WORK: Duration = Duration::from_secs(24 * 60 * 60);

/// `StorageService` of Cassandra.
pub const STORAGE: &str = "org.apache.cassandra.db:type=StorageService";
/// Arrays of texts in a signature.
pub const TEXTS: &str = "[Ljava.lang.String;";

/// There is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Cassandra does not answer.
    Away,
    /// Cassandra refuses; as Java writes an exception: its class, and the message.
    Refused(String),
}

/// A connection to the agent.
#[derive(Clone)]
pub struct Jmx(Agent);

impl Default for Jmx {
    fn default() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_idle_connections(0);
        Self(config.build().new_agent())
    }
}

impl Jmx {
    /// The value of an attribute.
    ///
    /// # Errors
    /// There is none.
    pub fn read(&self, mbean: &str, attribute: &str) -> Result<Value, Failure> {
        let request = json!({ "type": "read", "mbean": mbean, "attribute": attribute });
        self.ask(&request, READ)
    }

    /// Calls an operation of `StorageService` by its name and the types of its arguments.
    ///
    /// # Errors
    /// Cassandra has not done it.
    pub fn exec(
        &self,
        operation: &str,
        types: &[&str],
        arguments: &Value,
    ) -> Result<Value, Failure> {
        let types: Vec<String> = types
            .iter()
            .map(|kind| match *kind {
                "String" => "java.lang.String".to_owned(),
                "Map" => "java.util.Map".to_owned(),
                kind => kind.to_owned(),
            })
            .collect();
        let operation = format!("{operation}({})", types.join(","));
        self.ask(
            &json!({ "type": "exec", "mbean": STORAGE, "operation": operation, "arguments": arguments }),
            WORK,
        )
    }

    fn ask(&self, request: &Value, deadline: Duration) -> Result<Value, Failure> {
        let post = self
            .0
            .post(URL)
            .config()
            .timeout_global(Some(deadline))
            .build();
        let mut answer = post.send(request.to_string()).map_err(|_| Failure::Away)?;
        let body = answer
            .body_mut()
            .with_config()
            .limit(LONGEST)
            .read_to_string();
        let body = body.map_err(|_| Failure::Away)?;
        let answer: Value = serde_json::from_str(&body).map_err(|_| Failure::Away)?;
        if answer["status"] == 200 {
            return Ok(answer["value"].clone());
        }
        // The agent is up before Cassandra registers its MBeans.
        if answer["error_type"] == "javax.management.InstanceNotFoundException" {
            return Err(Failure::Away);
        }
        let [class, error] =
            ["error_type", "error"].map(|name| answer[name].as_str().unwrap_or("unknown"));
        let message = error.strip_prefix(class).unwrap_or(error);
        let message = message.trim_start_matches([' ', ':']);
        Err(Failure::Refused(format!("{class}: {message}")))
    }
}
