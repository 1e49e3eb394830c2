//! Access to nodes through their Jolokia agents, with the same requests as the operator.

use base64::{Engine, engine::general_purpose::STANDARD};
use casskop_e2e::{Kubectl, kubectl};
use serde_json::{Value, json};
use ureq::Agent;

/// Port of the agents.
const PORT: u16 = 8778;
pub const STORAGE_SERVICE: &str = "org.apache.cassandra.db:type=StorageService";

/// The nodes of a ring.
pub struct Nodes {
    /// Addresses of the agents.
    pub urls: Vec<String>,
    /// The authorization header.
    pub login: String,
    agent: Agent,
}

impl Nodes {
    /// The nodes of a namespace, if at least the wanted number of them has addresses.
    pub fn find(kubectl: &Kubectl, wanted: usize) -> Option<Self> {
        let pods = kubectl.list("pods", "app=cassandracluster");
        let ips = pods
            .iter()
            .filter_map(|pod| pod["status"]["podIP"].as_str());
        let urls: Vec<String> = ips
            .map(|ip| format!("http://{ip}:{PORT}/jolokia/?includeRequest=false"))
            .collect();
        let secret = kubectl
            .list("secrets", "app=cassandracluster")
            .into_iter()
            .find(|secret| kubectl::name(secret).ends_with("-jolokia"))?;
        let field = |key: &str| {
            let data = secret["data"][key].as_str().unwrap_or_default();
            String::from_utf8(STANDARD.decode(data).unwrap_or_default()).unwrap_or_default()
        };
        let login = STANDARD.encode(format!("{}:{}", field("username"), field("password")));
        (urls.len() == wanted).then(|| Self {
            urls,
            login: format!("Basic {login}"),
            agent: Agent::new_with_defaults(),
        })
    }

    /// The answer of the agent at `url`; nothing while there is none.
    pub fn ask(&self, url: &str, request: &Value) -> Option<Value> {
        let answer = self
            .agent
            .post(url)
            .header("Authorization", &self.login)
            .content_type("application/json")
            .send(request.to_string());
        let text = answer.ok()?.body_mut().read_to_string().ok()?;
        let answer: Value = serde_json::from_str(&text).ok()?;
        (answer["status"] == 200).then(|| answer["value"].clone())
    }

    /// Whether every node is a member that serves clients and reports all nodes. Stops at the first node that is not,
    /// to keep the load on starting nodes low.
    pub fn are_a_ring(&self) -> bool {
        let request = json!({
            "type": "read", "mbean": STORAGE_SERVICE,
            "attribute": ["OperationMode", "LiveNodes", "NativeTransportRunning"],
        });
        self.urls.iter().all(|url| {
            self.ask(url, &request).is_some_and(|node| {
                node["OperationMode"] == "NORMAL"
                    && node["NativeTransportRunning"] == true
                    && node["LiveNodes"].as_array().map(Vec::len) == Some(self.urls.len())
            })
        })
    }
}
