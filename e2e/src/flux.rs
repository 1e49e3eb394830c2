//! Flux's own libraries: server-side apply as its kustomize-controller does it, and kstatus.

use std::{fs, path::PathBuf, sync::OnceLock};

use serde_json::Value;

use crate::{
    command::{self, Output},
    daemon::Daemon,
    kubectl::Kubectl,
    trouble::testbed,
};

/// Applies the objects, and returns a line with the change of each.
pub fn apply(kubectl: &Kubectl, manifest: &Value) -> String {
    run(kubectl, "apply", &manifest.to_string()).ok()
}

/// Deletes the objects, as a Kustomization prunes those that are no longer in Git.
pub fn prune(kubectl: &Kubectl, manifest: &Value) {
    run(kubectl, "delete", &manifest.to_string()).ok();
}

fn run(kubectl: &Kubectl, command: &str, input: &str) -> Output {
    let mut program = kubectl.site.inside(&program());
    program.arg(command);
    command::run(program, input)
}

/// The path of the program, which the testbed builds once and keeps.
fn program() -> String {
    static PATH: OnceLock<String> = OnceLock::new();
    let path = PATH.get_or_init(|| command::run(testbed("flux.sh", &[]), "").ok());
    path.trim().to_owned()
}

/// All states of a resource from now on, as a watch reports them.
pub struct Record {
    kubectl: Kubectl,
    path: PathBuf,
    watch: Daemon,
}

impl Record {
    /// Begins to watch.
    pub fn begin(kubectl: &Kubectl, kind: &str, name: &str) -> Self {
        let path = kubectl.site.scratch(&format!("{name}-states"));
        let _ = fs::remove_file(&path);
        let mut watch = Daemon::new("the watch", path.clone());
        let mut command = kubectl.site.inside("kubectl");
        let selector = format!("--field-selector=metadata.name={name}");
        command
            .args(["-n", &kubectl.namespace, "get", kind, &selector])
            .args(["--watch", "-o", "json"]);
        watch.run(command);
        Self {
            kubectl: kubectl.clone(),
            path,
            watch,
        }
    }

    /// Each state with its kstatus, once the watch has reported this version.
    pub fn states(&mut self, version: &str) -> Vec<(Value, String)> {
        let complete = || {
            let text = fs::read_to_string(&self.path).unwrap_or_default();
            let states = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
            let states: Vec<Value> = states.map_while(Result::ok).collect();
            let reported = |state: &Value| state["metadata"]["resourceVersion"] == version;
            let count = states.len();
            states
                .iter()
                .any(reported)
                .then_some(states)
                .ok_or(format!("{count} states"))
        };
        let states = crate::wait::until("the watch to report the last state", complete);
        self.watch.kill();
        let input: String = states.iter().map(Value::to_string).collect();
        let statuses = run(&self.kubectl, "status", &input).ok();
        let statuses: Vec<String> = statuses.lines().map(str::to_owned).collect();
        assert_eq!(statuses.len(), states.len());
        states.into_iter().zip(statuses).collect()
    }
}
