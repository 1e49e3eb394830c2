//! Admission policies about the pods of a namespace, as a platform or a scheduler of its own has them.

use serde_json::{Value, json};

use crate::{Kubectl, space::restricted};

const BETA: &str = "admissionregistration.k8s.io/v1beta1";
const STABLE: &str = "admissionregistration.k8s.io/v1";

/// Policies of one namespace, in force until they are dropped.
pub struct Policies {
    kubectl: Kubectl,
}

impl Policies {
    /// No policy yet.
    pub fn new(kubectl: &Kubectl) -> Self {
        Self {
            kubectl: kubectl.clone(),
        }
    }

    /// A policy that changes each pod for which `condition` holds, by an expression that gives an apply configuration.
    pub fn changes_pods(&self, condition: &str, expression: &str) {
        let spec = json!({
            "matchConditions": [{ "name": "condition", "expression": condition }],
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "mutations": [{
                "patchType": "ApplyConfiguration",
                "applyConfiguration": { "expression": expression },
            }],
        });
        self.apply(BETA, "MutatingAdmissionPolicy", spec, &json!({}));
    }

    /// A policy that refuses each pod for which `expression` does not hold.
    pub fn refuses_pods(&self, expression: &str, message: &str) {
        let spec = json!({
            "failurePolicy": "Fail",
            "validations": [{ "expression": expression, "message": message }],
        });
        let actions = json!({ "validationActions": ["Deny"] });
        self.apply(STABLE, "ValidatingAdmissionPolicy", spec, &actions);
    }

    fn apply(&self, version: &str, kind: &str, mut spec: Value, binding: &Value) {
        let name = &self.kubectl.namespace;
        spec["matchConstraints"] = json!({ "resourceRules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
        }] });
        let mut bound = json!({
            "policyName": name,
            "matchResources": { "namespaceSelector": {
                "matchLabels": { "kubernetes.io/metadata.name": name },
            } },
        });
        for (key, value) in binding.as_object().into_iter().flatten() {
            bound[key] = value.clone();
        }
        for (kind, spec) in [(kind.to_owned(), spec), (format!("{kind}Binding"), bound)] {
            self.kubectl.apply(&json!({
                "apiVersion": version, "kind": kind, "metadata": { "name": name }, "spec": spec,
            }));
        }
    }

    /// The pod that the API server would create from a spec, to which a container is added. Nothing is written.
    ///
    /// # Errors
    /// The pod is refused.
    pub fn try_pod(&self, mut spec: Value) -> Result<Value, String> {
        spec["containers"] =
            json!([{ "name": "one", "image": "none", "securityContext": restricted() }]);
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "tried" }, "spec": spec,
        });
        let words = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        let output = self.kubectl.run_with(&words, &pod.to_string());
        if output.code != 0 {
            return Err(output.stderr);
        }
        serde_json::from_str(&output.stdout).map_err(|error| error.to_string())
    }
}

impl Drop for Policies {
    fn drop(&mut self) {
        for kind in [
            "mutatingadmissionpolicybinding",
            "mutatingadmissionpolicy",
            "validatingadmissionpolicybinding",
            "validatingadmissionpolicy",
        ] {
            let name = &self.kubectl.namespace;
            self.kubectl
                .run(&["delete", "--ignore-not-found", kind, name]);
        }
    }
}
