//! The operator of a `MultiCasskop`, run from the shell, where it can be killed at any moment, and the resource.

use serde_json::{Map, Value, json};

use crate::{
    cluster::{self, find_condition, find_operation},
    command::setting,
    daemon::Daemon,
    kubectl::Kubectl,
    site::{HOME, Site},
    wait::until,
};

const KIND: &str = "multicasskops.db.orange.com";

/// The operator, with a context for each site.
pub struct Operator {
    name: &'static str,
    namespace: String,
    sites: Vec<Site>,
    daemon: Daemon,
}

impl Operator {
    /// Runs the operator for one namespace of these sites, the first of which is the home site.
    pub fn start(namespace: &str, sites: &[Site]) -> Self {
        Self::instance(namespace, sites, "shell")
    }

    /// The same for one of several instances: the name is its identity.
    pub fn instance(namespace: &str, sites: &[Site], name: &'static str) -> Self {
        let log = HOME.scratch(&format!("{namespace}-multi-{name}.log"));
        let mut operator = Self {
            name,
            namespace: namespace.to_owned(),
            sites: sites.to_vec(),
            daemon: Daemon::new("the operator of the MultiCasskop", log),
        };
        operator.run();
        operator
    }

    /// Runs the operator, for the first time or again.
    pub fn run(&mut self) {
        let mut command = HOME.inside(&setting("CASSKOP_OPERATOR"));
        command.arg("multi");
        for site in &self.sites {
            command.args(["--context", &site.context()]);
        }
        command
            .env("KUBECONFIG", setting("KUBECONFIG"))
            .env("WATCH_NAMESPACE", &self.namespace)
            .env("LISTEN", "127.0.0.1:0")
            .env("POD_NAMESPACE", &self.namespace)
            .env("POD_NAME", self.name)
            .env("POD_UID", self.name);
        self.daemon.run(command);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Ends the process as Kubernetes ends a pod.
    pub fn end(&mut self) {
        self.daemon.end();
    }

    /// Freezes the process, or resumes it.
    pub fn freeze(&self, frozen: bool) {
        self.daemon.freeze(frozen);
    }

    /// The exit code of the process, once it has ended by itself.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.daemon.exit_code()
    }

    /// Whether the process is the one of an identity.
    pub fn is(&self, name: &str) -> bool {
        self.name == name
    }
}

/// The manifest of a `MultiCasskop` with a ring `demo`: the context of each site, with its data center and racks.
pub fn manifest(name: &str, sites: &[(&str, &str, &[&str])]) -> Value {
    let ring = |dc: &str, racks: &[&str]| cluster::ring("demo", &[(dc, racks)])["spec"].clone();
    let mut base = ring("", &[]);
    base.as_object_mut().expect("a spec").remove("topology");
    let over = sites.iter().map(|(context, dc, racks)| {
        let topology = ring(dc, racks)["topology"].clone();
        (
            (*context).to_owned(),
            json!({ "spec": { "topology": topology } }),
        )
    });
    json!({
        "apiVersion": "db.orange.com/v2",
        "kind": "MultiCasskop",
        "metadata": { "name": name },
        "spec": {
            "base": { "metadata": { "name": "demo" }, "spec": base },
            "override": over.collect::<Map<String, Value>>(),
        },
    })
}

/// A `MultiCasskop`.
pub struct Multi {
    /// Its name.
    pub name: String,
    /// `kubectl` in its namespace of the home cluster.
    pub kubectl: Kubectl,
}

impl Multi {
    /// The resource; nothing if it is gone.
    pub fn get(&self) -> Option<Value> {
        self.kubectl.get(KIND, &self.name)
    }

    /// Merges a patch into the resource.
    pub fn patch(&self, patch: &Value) {
        self.kubectl.patch(KIND, &self.name, patch).ok();
    }

    /// Sets or removes an annotation.
    pub fn annotate(&self, key: &str, value: Option<&str>) {
        self.patch(&json!({ "metadata": { "annotations": { key: value } } }));
    }

    /// Waits until `look` returns a value for the resource.
    pub fn shows<T>(&self, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        until(&format!("{}: {what}", self.name), || {
            let multi = self.get().ok_or("it is gone")?;
            look(&multi).ok_or_else(|| multi["status"].to_string())
        })
    }

    /// Waits until a condition has a status and its message contains all of these words.
    pub fn tells(&self, condition: &str, status: &str, words: &[&str]) {
        self.shows(&format!("{condition}={status} with {words:?}"), |multi| {
            let found = find_condition(multi, condition)?;
            let message = found["message"].as_str().unwrap_or_default();
            let told = words.iter().all(|word| message.contains(word));
            (found["status"] == status && told).then_some(())
        });
    }

    /// Waits until every site matches its spec and is healthy.
    pub fn settles(&self) {
        self.shows("available and settled", |multi| {
            let is = |condition: &str, status: &str| {
                find_condition(multi, condition).is_some_and(|found| found["status"] == status)
            };
            let settled = is("Ready", "True")
                && is("Available", "True")
                && is("Progressing", "False")
                && is("Degraded", "False")
                && is("SpecAccepted", "True");
            settled.then_some(())
        });
    }

    /// Waits until an operation is in a phase.
    pub fn reaches(&self, kind: &str, id: &str, phase: &str) -> Value {
        self.shows(&format!("{kind} {id} {phase}"), |multi| {
            find_operation(multi, kind, id).filter(|found| found["phase"] == phase)
        })
    }
}
