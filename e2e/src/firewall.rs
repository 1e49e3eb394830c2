//! The ingress rules of each `NetworkPolicy`, enforced by packet filters in the network namespaces of pods: the network plugin
//! of the testbed enforces none.

use std::process::Command;

use serde_json::{Value, json};

use crate::{Kubectl, command, kubectl, machine};

/// Enforces each `NetworkPolicy` of a namespace for one of its pods that runs, with the pods that there are now. A new
/// connection that no rule allows gets no answer.
pub fn enforce(namespace: &Kubectl, pod: &str) {
    let pod = namespace.get("pod", pod).expect("a pod");
    let policies = all(namespace, "networkpolicies", &["-n", &namespace.namespace]);
    let rules: Vec<String> = policies
        .iter()
        .filter(|policy| selects(&policy["spec"]["podSelector"], &pod["metadata"]["labels"]))
        .filter_map(|policy| policy["spec"]["ingress"].as_array().cloned())
        .flatten()
        .flat_map(|rule| allowed(namespace, &rule))
        .collect();
    assert!(!rules.is_empty(), "a policy selects the pod");
    let filter = format!(
        "table ip pods\n\
         delete table ip pods\n\
         table ip pods {{\n\
         chain arrives {{ type filter hook input priority 0; policy accept; iifname \"lo\" accept; \
         tcp flags & (syn | ack) == syn jump begins; }}\n\
         chain begins {{ {}; drop; }}\n}}\n",
        rules.join("; ")
    );
    let uid = pod["metadata"]["uid"].as_str().expect("a UID");
    let process = machine::process_of(uid).expect("the pod runs").to_string();
    let mut nft = Command::new("nsenter");
    nft.args(["-t", &process, "-n", "nft", "-f", "-"]);
    command::run(nft, &filter).ok();
}

/// The statements that accept what a rule allows.
fn allowed(namespace: &Kubectl, rule: &Value) -> Vec<String> {
    let from = rule["from"].as_array().map(|peers| {
        let addresses = peers.iter().flat_map(|peer| addresses(namespace, peer));
        let addresses: Vec<String> = addresses.collect();
        format!("ip saddr {{ {} }} ", addresses.join(", "))
    });
    let from = from.unwrap_or_default();
    let ports = rule["ports"].as_array().expect("ports by number");
    let accept = |port: &Value| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP").to_lowercase();
        format!("{from}{protocol} dport {} accept", port["port"])
    };
    ports.iter().map(accept).collect()
}

/// Addresses of the pods that a peer selects.
fn addresses(namespace: &Kubectl, peer: &Value) -> Vec<String> {
    let here = json!({ "matchLabels": { "kubernetes.io/metadata.name": namespace.namespace } });
    let spaces = peer.get("namespaceSelector").unwrap_or(&here);
    let spaces: Vec<String> = all(namespace, "namespaces", &[])
        .iter()
        .filter(|space| selects(spaces, &space["metadata"]["labels"]))
        .map(kubectl::name)
        .collect();
    all(namespace, "pods", &["--all-namespaces"])
        .iter()
        .filter(|pod| selects(&peer["podSelector"], &pod["metadata"]["labels"]))
        .filter(|pod| {
            spaces
                .iter()
                .any(|space| pod["metadata"]["namespace"] == **space)
        })
        .filter_map(|pod| pod["status"]["podIP"].as_str().map(str::to_owned))
        .collect()
}

fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector["matchLabels"].as_object();
    wanted
        .into_iter()
        .flatten()
        .all(|(key, value)| labels[key] == *value)
}

fn all(kubectl: &Kubectl, kind: &str, scope: &[&str]) -> Vec<Value> {
    let text = kubectl.ok(&[&["get", kind, "-o", "json"], scope].concat());
    let items = kubectl::json(&text)["items"].take();
    items.as_array().cloned().unwrap_or_default()
}
