//! The operator: in a pod with its Role, or run from the shell, where it can be killed at any moment.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use crate::{
    command::setting,
    daemon::Daemon,
    kubectl::Kubectl,
    plugin::casskop,
    space::{Space, workspace},
    wait::until,
};

/// Name of the operator's Deployment, ServiceAccount and Role.
pub const NAME: &str = "casskop-operator";
/// Namespace and image in the kustomization.
const NAMESPACE: &str = "casskop";
const IMAGE: &str = "localhost/casskop-operator:dev";

/// Applies `testbed/operator`, which is `manifests/operator` with the testbed's image, in the namespace of
/// `kubectl`, and waits until it is ready.
pub fn deploy(kubectl: &Kubectl) {
    // A failed deployment fails again; every other test would wait for the full deadline.
    static FAILED: AtomicBool = AtomicBool::new(false);
    assert!(
        !FAILED.swap(true, Ordering::Relaxed),
        "the operator did not become ready before"
    );
    let overlay = workspace().join("testbed/operator");
    let manifest = kubectl.ok(&["kustomize", &overlay.to_string_lossy()]);
    let namespace = &kubectl.namespace;
    let lines: Vec<String> = manifest
        .lines()
        .map(|line| match line {
            _ if line == format!("  name: {NAMESPACE}") => format!("  name: {namespace}"),
            _ if line.ends_with(&format!("namespace: {NAMESPACE}")) => line.replace(
                &format!("namespace: {NAMESPACE}"),
                &format!("namespace: {namespace}"),
            ),
            _ => line.replace(IMAGE, &setting("OPERATOR_IMAGE")),
        })
        .collect();
    kubectl
        .run_with(&["apply", "-f", "-"], &lines.join("\n"))
        .ok();
    kubectl.ok(&[
        "rollout",
        "status",
        &format!("deployment/{NAME}"),
        "--timeout=300s",
    ]);
    FAILED.store(false, Ordering::Relaxed);
}

/// Applies the output of `install generate` with these arguments and the testbed's image, and waits until these Deployments
/// are ready.
pub fn install(kubectl: &Kubectl, arguments: &[&str], deployments: &[&str]) {
    let image = setting("OPERATOR_IMAGE");
    let generate = [&["install", "generate", "--image", &image], arguments].concat();
    let manifests = casskop(kubectl, &generate).ok();
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    kubectl.run_with(&apply, &manifests).ok();
    for deployment in deployments {
        let deployment = format!("deployment/{deployment}");
        kubectl.ok(&["rollout", "status", &deployment, "--timeout=300s"]);
    }
}

/// The pods of the operator.
pub fn pods(kubectl: &Kubectl) -> Vec<Value> {
    kubectl.list("pods", &format!("app.kubernetes.io/name={NAME}"))
}

/// The pod of the operator, once it is ready: on a busy machine a probe may have failed a moment ago.
pub fn ready_pod(kubectl: &Kubectl) -> Value {
    until("the operator to be ready", || {
        let pods = pods(kubectl);
        let states: Vec<String> = pods.iter().map(|pod| pod["status"].to_string()).collect();
        let ready = pods.into_iter().find(is_ready);
        ready.ok_or_else(|| states.join(" "))
    })
}

/// Scales the Deployment of the operator, which ends or starts its pod.
pub fn scale(kubectl: &Kubectl, replicas: u32) {
    let deployment = format!("deployment/{NAME}");
    kubectl.ok(&["scale", &deployment, &format!("--replicas={replicas}")]);
    until("the operator's pods", || {
        let pods = pods(kubectl);
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        if pods.len() == replicas as usize && ready == pods.len() {
            Ok(())
        } else {
            Err(format!("{} pods, {ready} ready", pods.len()))
        }
    });
}

/// Name of the operator's user in the API server's audit log.
pub fn user(kubectl: &Kubectl) -> String {
    format!("system:serviceaccount:{}:{NAME}", kubectl.namespace)
}

/// Whether a pod is ready.
pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        && pod["metadata"]["deletionTimestamp"].is_null()
}

/// A build of the operator.
struct Build {
    binary: String,
    image: String,
}

impl Build {
    fn of_today() -> Self {
        Self {
            binary: setting("CASSKOP_OPERATOR"),
            image: setting("OPERATOR_IMAGE"),
        }
    }

    /// That of `testbed/earlier.sh`.
    fn earlier() -> Self {
        Self {
            binary: setting("CASSKOP_OPERATOR_EARLIER"),
            image: setting("OPERATOR_IMAGE_EARLIER"),
        }
    }
}

/// The operator run from the shell, with its ServiceAccount and the same permissions as in a pod. Its pod is gone in
/// the meantime, and returns when this value is dropped.
pub struct Shell {
    name: &'static str,
    /// The build of the next run is the first; then it is the last.
    builds: VecDeque<Build>,
    kubectl: Kubectl,
    kubeconfig: PathBuf,
    daemon: Daemon,
}

impl Shell {
    /// Ends the pod and runs the operator from the shell.
    pub fn start(space: &Space) -> Self {
        Self::instance(space, "shell")
    }

    /// The same for one of several instances: the name is its identity.
    pub fn instance(space: &Space, name: &'static str) -> Self {
        Self::of(space, name, [Build::of_today()])
    }

    /// The operator of an earlier version, followed by that of today in the next run, which is followed by the earlier one
    /// again, and so on.
    pub fn alternating(space: &Space) -> Self {
        Self::of(space, "shell", [Build::earlier(), Build::of_today()])
    }

    fn of<const N: usize>(space: &Space, name: &'static str, builds: [Build; N]) -> Self {
        let kubectl = space.kubectl.clone();
        scale(&kubectl, 0);
        let log = format!("{}-operator-{name}.log", kubectl.namespace);
        let mut shell = Self {
            name,
            builds: builds.into(),
            kubeconfig: space.kubeconfig_of(NAME),
            daemon: Daemon::new("the operator in the shell", kubectl.site.scratch(&log)),
            kubectl,
        };
        shell.run();
        shell
    }

    /// Runs the operator, for the first time or again.
    pub fn run(&mut self) {
        let build = &self.builds[0];
        let mut command = self.kubectl.site.inside(&build.binary);
        command
            .arg("run")
            .env("KUBECONFIG", &self.kubeconfig)
            .env("WATCH_NAMESPACE", &self.kubectl.namespace)
            .env("BOOTSTRAP_IMAGE", &build.image)
            .env("LISTEN", "127.0.0.1:0")
            // The runs follow each other, as the containers of one pod do: the next one has the Lease at once.
            .env("POD_NAMESPACE", &self.kubectl.namespace)
            .env("POD_NAME", self.name)
            .env("POD_UID", self.name);
        self.daemon.run(command);
        self.builds.rotate_left(1);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// `kill -9`, followed by a new run.
    pub fn dies(&mut self) {
        self.kill();
        self.run();
    }

    /// Freezes the process, or resumes it.
    pub fn freeze(&self, frozen: bool) {
        self.daemon.freeze(frozen);
    }

    /// The exit code of the process, once it has ended by itself.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.daemon.exit_code()
    }

    /// The log of all runs of the operator.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Whether the log reports that an operation has succeeded.
    pub fn has_ended(&self, id: &str) -> bool {
        let said = format!("\"id\":\"{id}\",\"phase\":\"Succeeded\"");
        self.log().contains(&said)
    }

    /// Node calls in the log, as (request, pod, step), oldest first.
    pub fn calls(&self) -> Vec<(String, String, String)> {
        let log = self.log();
        let entries = log.lines().filter(|line| line.contains("calling the node"));
        let entries = entries.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let field = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        entries
            .map(|entry| {
                (
                    field(&entry, "id"),
                    field(&entry, "pod"),
                    field(&entry, "step"),
                )
            })
            .collect()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // The Lease is released for the pod.
        self.daemon.end();
        if std::thread::panicking() {
            let scale = json!({ "spec": { "replicas": 1 } });
            let _ = self.kubectl.patch("deployment", NAME, &scale);
        } else {
            scale(&self.kubectl, 1);
        }
    }
}
