//! The addresses of new pods. A machine of the testbed assigns them by host-local, which keeps a file for each
//! address in use, and continues with the address after the last assigned one.

use std::{fs, net::Ipv4Addr, path::PathBuf};

use serde_json::{Value, json};

use crate::{Kubectl, kubectl, wait::until};

/// Ends two pods of one machine at once; they return with exchanged addresses. No other pod gets an address in the
/// meantime.
pub fn swap(kubectl: &Kubectl, one: &str, other: &str) {
    let (one, other) = (Placed::of(kubectl, one), Placed::of(kubectl, other));
    assert_eq!(one.machine, other.machine, "addresses are of one machine");
    let _nobody_else = Cordon::begin(kubectl);
    kubectl.ok(&["delete", "pods", &one.pod, &other.pod, "--wait=false"]);
    for gone in [&one, &other] {
        until(&format!("a new {} and a free address", gone.pod), || {
            let now = kubectl.get("pod", &gone.pod).unwrap_or_default();
            let is_new = now.is_object() && now["metadata"]["uid"] != gone.uid;
            if is_new && gone.is_free(kubectl) {
                Ok(())
            } else {
                Err(format!("{}", now["status"]))
            }
        });
    }
    one.comes_back(kubectl, other.address);
    other.comes_back(kubectl, one.address);
}

/// A pod before its end.
struct Placed {
    pod: String,
    uid: Value,
    machine: String,
    address: Ipv4Addr,
}

impl Placed {
    fn of(kubectl: &Kubectl, name: &str) -> Self {
        let pod = kubectl.get("pod", name).expect("it is there");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            pod: name.to_owned(),
            uid: pod["metadata"]["uid"].clone(),
            machine: text(&pod["spec"]["nodeName"]),
            address: text(&pod["status"]["podIP"]).parse().expect("an address"),
        }
    }

    fn is_free(&self, kubectl: &Kubectl) -> bool {
        !self.folder(kubectl).join(self.address.to_string()).exists()
    }

    /// Binds the pod's successor to the same machine, as the scheduler would, where it gets this address.
    fn comes_back(&self, kubectl: &Kubectl, address: Ipv4Addr) {
        let before = Ipv4Addr::from_bits(address.to_bits() - 1);
        let last = self.folder(kubectl).join("last_reserved_ip.0");
        fs::write(last, before.to_string()).expect("the testbed's files are writable");
        let path = format!(
            "--raw=/api/v1/namespaces/{}/pods/{}/binding",
            kubectl.namespace, self.pod
        );
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": { "name": self.pod },
            "target": { "apiVersion": "v1", "kind": "Node", "name": self.machine },
        });
        kubectl
            .run_with(&["create", &path, "-f", "-"], &binding.to_string())
            .ok();
        let has = until(&format!("{} to have an address", self.pod), || {
            let pod = kubectl.get("pod", &self.pod).unwrap_or_default();
            let address = pod["status"]["podIP"].as_str();
            address.map(str::to_owned).ok_or(pod["status"].to_string())
        });
        assert_eq!(has, address.to_string(), "{}", self.pod);
    }

    fn folder(&self, kubectl: &Kubectl) -> PathBuf {
        let networks = kubectl.site.folder().join("own/var/lib/cni/networks");
        networks.join(&self.machine)
    }
}

/// Only manual binding places a pod, until this value is dropped.
struct Cordon<'a> {
    kubectl: &'a Kubectl,
    machines: Vec<String>,
}

impl<'a> Cordon<'a> {
    fn begin(kubectl: &'a Kubectl) -> Self {
        let machines = kubectl::names(&kubectl.list("nodes", ""));
        let cordon = Self { kubectl, machines };
        cordon.run("cordon");
        cordon
    }

    fn run(&self, what: &str) {
        let machines = self.machines.iter().map(String::as_str);
        let words: Vec<&str> = [what].into_iter().chain(machines).collect();
        let output = self.kubectl.run(&words);
        // A second panic would hide the first one.
        assert!(std::thread::panicking() || output.code == 0, "{output}");
    }
}

impl Drop for Cordon<'_> {
    fn drop(&mut self) {
        self.run("uncordon");
    }
}
