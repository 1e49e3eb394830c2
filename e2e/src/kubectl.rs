//! `kubectl`, in one namespace of one cluster.

use serde_json::Value;

use crate::{
    api,
    command::{self, Output},
    site::{HOME, Site},
};

/// `kubectl` in one namespace of one cluster.
#[derive(Clone, Debug)]
pub struct Kubectl {
    /// The cluster.
    pub site: Site,
    /// The namespace.
    pub namespace: String,
}

impl Kubectl {
    /// `kubectl` in `namespace` of the first cluster.
    pub fn new(namespace: &str) -> Self {
        Self::at(HOME, namespace)
    }

    /// `kubectl` in `namespace` of a cluster.
    pub fn at(site: Site, namespace: &str) -> Self {
        Self {
            site,
            namespace: namespace.to_owned(),
        }
    }

    /// Runs `kubectl`, and returns its output on success and on failure.
    pub fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, "")
    }

    /// Runs `kubectl` with `input` on its standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.site.inside("kubectl");
        command
            .args(["-n", &self.namespace, "--request-timeout=60s"])
            .args(args);
        command::run(command, input)
    }

    /// Runs `kubectl` successfully and returns its standard output.
    pub fn ok(&self, args: &[&str]) -> String {
        self.run(args).ok()
    }

    /// Reads an object; nothing if it does not exist.
    pub fn get(&self, kind: &str, name: &str) -> Option<Value> {
        if let Some(path) = api::path(kind, &self.namespace) {
            return api::get(self.site, &format!("{path}/{name}"));
        }
        let text = self.ok(&["get", kind, name, "-o", "json", "--ignore-not-found"]);
        (!text.is_empty()).then(|| json(&text))
    }

    /// Reads all objects of a kind (or of several, separated by commas) that a label selector matches.
    pub fn list(&self, kinds: &str, selector: &str) -> Vec<Value> {
        let paths: Option<Vec<String>> = kinds
            .split(',')
            .map(|kind| api::path(kind, &self.namespace))
            .collect();
        if let Some(paths) = paths {
            let objects = paths
                .iter()
                .flat_map(|path| api::list(self.site, path, selector));
            return objects.collect();
        }
        let text = self.ok(&["get", kinds, "-l", selector, "-o", "json"]);
        match &json(&text)["items"] {
            Value::Array(items) => items.clone(),
            other => panic!("no list of {kinds}: {other}"),
        }
    }

    /// Applies a manifest, and returns the output on success and on failure.
    pub fn try_apply(&self, manifest: &Value) -> Output {
        self.run_with(&["apply", "-f", "-"], &manifest.to_string())
    }

    /// Applies a manifest.
    pub fn apply(&self, manifest: &Value) {
        self.try_apply(manifest).ok();
    }

    /// Merges a patch into an object.
    pub fn patch(&self, kind: &str, name: &str, patch: &Value) -> Output {
        let patch = patch.to_string();
        self.run(&["patch", kind, name, "--type=merge", "-p", &patch])
    }
}

/// Parses JSON.
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// The name of an object.
pub fn name(object: &Value) -> String {
    object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The names of objects, sorted.
pub fn names(objects: &[Value]) -> Vec<String> {
    let mut names: Vec<String> = objects.iter().map(name).collect();
    names.sort();
    names
}
