//! A namespace with a dedicated operator.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    command::{self, inside},
    kubectl::Kubectl,
    operator,
    site::{HOME, Site},
};

/// A namespace with a dedicated operator. A failing test shows its content.
pub struct Space {
    /// `kubectl` in the namespace.
    pub kubectl: Kubectl,
}

impl Space {
    /// Creates the namespace and runs the operator in it, unless both exist.
    pub fn open(name: &str) -> Self {
        Self::open_at(HOME, name)
    }

    /// The same in a cluster of the testbed.
    pub fn open_at(site: Site, name: &str) -> Self {
        let space = Self::without_operator_at(site, name);
        operator::deploy(&space.kubectl);
        space
    }

    /// Creates the namespace, unless it exists.
    pub fn without_operator(name: &str) -> Self {
        Self::without_operator_at(HOME, name)
    }

    /// The same in a cluster of the testbed.
    pub fn without_operator_at(site: Site, name: &str) -> Self {
        let kubectl = Kubectl::at(site, name);
        apply_namespace(&kubectl, "restricted");
        let crds = workspace().join("manifests/crds");
        let crds = crds.to_string_lossy();
        kubectl.ok(&["apply", "--server-side", "--force-conflicts", "-f", &crds]);
        Self { kubectl }
    }

    /// Admits pods of another operator, which ask for more than the restricted level of Pod Security has.
    pub fn admit_privileged_pods(&self) {
        apply_namespace(&self.kubectl, "privileged");
    }

    /// A cluster in the namespace.
    pub fn cluster(&self, name: &str) -> Cluster {
        Cluster {
            name: name.to_owned(),
            kubectl: self.kubectl.clone(),
        }
    }

    /// A kubeconfig with a token of a service account of this namespace.
    pub fn kubeconfig_of(&self, account: &str) -> PathBuf {
        let token = self
            .kubectl
            .ok(&["create", "token", account, "--duration=4h"]);
        let mut config = crate::kubectl::json(
            &self
                .kubectl
                .ok(&["config", "view", "--raw", "--minify", "-o", "json"]),
        );
        config["users"][0]["user"] = json!({ "token": token.trim() });
        config["contexts"][0]["context"]["namespace"] = json!(self.kubectl.namespace);
        let file = self
            .kubectl
            .site
            .scratch(&format!("{}-{account}.kubeconfig", self.kubectl.namespace));
        std::fs::write(&file, config.to_string()).expect("the scratch folder is writable");
        file
    }

    /// All objects of the namespace, with events and logs, as text.
    pub fn everything(&self) -> String {
        let kinds = "all,configmaps,persistentvolumeclaims,serviceaccounts,poddisruptionbudgets,events,\
                     cassandraclusters.db.orange.com,roles,rolebindings,controllerrevisions,endpointslices";
        let mut text = self.kubectl.ok(&["get", kinds, "-o", "yaml"]);
        for pod in crate::kubectl::names(&self.kubectl.list("pods", "")) {
            text += &self.kubectl.ok(&["logs", &pod, "--all-containers"]);
        }
        text
    }

    #[expect(
        clippy::print_stderr,
        reason = "shown by the test runner for a test that fails"
    )]
    fn tell(&self) {
        let show = |args: &[&str]| {
            let output = self.kubectl.run(args);
            eprintln!("--- {}\n{}{}", output.command, output.stdout, output.stderr);
        };
        // The logs first: a report that is cut keeps its beginning, and the failure itself has the status.
        show(&["logs", "deployment/casskop-operator", "--tail=60"]);
        for pod in crate::kubectl::names(&self.kubectl.list("pods", "app=cassandracluster")) {
            let output = self
                .kubectl
                .run(&["logs", &pod, "--all-containers", "--tail=15"]);
            let cut = |line: &str| line.chars().take(300).collect::<String>();
            let lines: Vec<String> = output.stdout.lines().map(cut).collect();
            eprintln!(
                "--- {}\n{}\n{}",
                output.command,
                lines.join("\n"),
                output.stderr
            );
        }
        show(&["get", "events", "--sort-by=.metadata.creationTimestamp"]);
        show(&[
            "get",
            "pods,statefulsets,persistentvolumeclaims",
            "-o",
            "wide",
        ]);
        show(&["get", "cassandraclusters.db.orange.com", "-o", "yaml"]);
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A second panic would hide the first one.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.tell()));
        }
    }
}

/// The folder of the workspace.
pub fn workspace() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().map_or_else(PathBuf::new, PathBuf::from)
}

/// A file in the testbed's run folder, which is deleted with the testbed.
pub fn scratch(name: &str) -> PathBuf {
    HOME.scratch(name)
}

/// The recorded writes of a user in the API server's audit log, oldest first; see the testbed's audit policy.
pub fn writes_by(user: &str) -> Vec<Value> {
    records_of(HOME, user)
}

/// The number of pods that were created with this name, as the API server has recorded. A repeated deletion of a terminating
/// pod makes no other one.
pub fn pods_made(kubectl: &Kubectl, pod: &str) -> usize {
    let made = writes_by("system:serviceaccount:kube-system:statefulset-controller");
    let is_it = |write: &&Value| {
        let object = &write["objectRef"];
        write["verb"] == "create"
            && object["resource"] == "pods"
            && object["namespace"] == kubectl.namespace.as_str()
            && object["name"] == pod
            && write["responseStatus"]["code"] == 201
    };
    made.iter().filter(is_it).count()
}

/// The records of a user in the audit log of a site.
pub fn records_of(site: Site, user: &str) -> Vec<Value> {
    let log = site.folder().join("logs/audit.log");
    let text =
        std::fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
    let lines = text.lines().filter(|line| line.contains(user));
    let entries = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    entries
        .filter(|entry| entry["user"]["username"] == user)
        .collect()
}

/// Status and body of a `curl` request inside the testbed's network. `login` is `user:password`; it does not appear
/// in the list of processes.
pub fn http(url: &str, login: Option<&str>, body: &str) -> (u16, String) {
    let mut command = inside("curl");
    command.args([
        "-sS",
        "-m",
        "20",
        "-K",
        "-",
        "-w",
        "\n%{http_code}",
        "-d",
        body,
        url,
    ]);
    let login = login.map(|login| format!("user = \"{login}\"\n"));
    let text = command::run(command, &login.unwrap_or_default()).ok();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    (status.trim().parse().unwrap_or(0), body.to_owned())
}

fn apply_namespace(kubectl: &Kubectl, pod_security: &str) {
    kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": kubectl.namespace,
            "labels": { "pod-security.kubernetes.io/enforce": pod_security },
        },
    }));
}

/// The security context of a container that the namespaces of the tests admit.
pub fn restricted() -> Value {
    json!({
        "runAsNonRoot": true,
        "allowPrivilegeEscalation": false,
        "capabilities": { "drop": ["ALL"] },
        "seccompProfile": { "type": "RuntimeDefault" },
    })
}
