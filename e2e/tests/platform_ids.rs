//! A platform that assigns the user and group ids of pods and refuses all others, as `OpenShift` does with `restricted-v2`:
//! here two admission policies act like it.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{Kubectl, Space, cluster, fresh_id, wait::until};
use serde_json::{Value, json};

/// The first id of the range of a namespace. The image has no user with it.
const ID: u32 = 1_000_680_000;
const POD: &str = "demo-dc1-rack1-0";

/// The policies of the platform, in force in one namespace until they are dropped.
struct Platform {
    kubectl: Kubectl,
    name: String,
}

impl Platform {
    fn apply(kubectl: &Kubectl) -> Self {
        let name = kubectl.namespace.clone();
        let pods = json!({ "resourceRules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
        }] });
        let here = json!({ "namespaceSelector": {
            "matchLabels": { "kubernetes.io/metadata.name": name },
        } });
        let assigns = format!(
            "Object{{spec: Object.spec{{securityContext: Object.spec.securityContext{{runAsUser: {ID}, fsGroup: {ID}}}}}}}"
        );
        let has_no_id = "!has(object.spec.securityContext) || (!has(object.spec.securityContext.runAsUser) && \
                         !has(object.spec.securityContext.fsGroup))";
        let is_assigned = format!(
            "object.spec.securityContext.runAsUser == {ID} && object.spec.securityContext.fsGroup == {ID} && \
             (object.spec.containers + object.spec.?initContainers.orValue([])).all(container, \
             !has(container.securityContext) || !has(container.securityContext.runAsUser))"
        );
        let beta = "admissionregistration.k8s.io/v1beta1";
        let stable = "admissionregistration.k8s.io/v1";
        for object in [
            json!({
                "apiVersion": beta, "kind": "MutatingAdmissionPolicy", "metadata": { "name": name },
                "spec": {
                    "matchConstraints": pods,
                    "matchConditions": [{ "name": "has-no-id", "expression": has_no_id }],
                    "failurePolicy": "Fail", "reinvocationPolicy": "Never",
                    "mutations": [{
                        "patchType": "ApplyConfiguration",
                        "applyConfiguration": { "expression": assigns },
                    }],
                },
            }),
            json!({
                "apiVersion": beta, "kind": "MutatingAdmissionPolicyBinding", "metadata": { "name": name },
                "spec": { "policyName": name, "matchResources": here },
            }),
            json!({
                "apiVersion": stable, "kind": "ValidatingAdmissionPolicy", "metadata": { "name": name },
                "spec": {
                    "matchConstraints": pods,
                    "failurePolicy": "Fail",
                    "validations": [{
                        "expression": is_assigned,
                        "message": format!("the ids of a pod must be in the range {ID}/10000"),
                    }],
                },
            }),
            json!({
                "apiVersion": stable, "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": name },
                "spec": { "policyName": name, "matchResources": here, "validationActions": ["Deny"] },
            }),
        ] {
            kubectl.apply(&object);
        }
        let platform = Self {
            kubectl: kubectl.clone(),
            name,
        };
        until("the policies are in force", || {
            let assigned = platform.try_pod(None);
            let refused = platform.try_pod(Some(999));
            if assigned.as_ref().is_ok_and(|user| *user == json!(ID)) && refused.is_err() {
                Ok(())
            } else {
                Err(format!("{assigned:?}, {refused:?}"))
            }
        });
        platform
    }

    /// The user that a pod would get. Nothing is written.
    fn try_pod(&self, user: Option<u32>) -> Result<Value, String> {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "tried" },
            "spec": {
                "securityContext": user.map(|user| json!({ "runAsUser": user })),
                "containers": [{ "name": "one", "image": "none" }],
            },
        });
        let output = self.kubectl.run_with(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            &pod.to_string(),
        );
        if output.code != 0 {
            return Err(output.stderr);
        }
        let pod: Value = serde_json::from_str(&output.stdout).map_err(|error| error.to_string())?;
        Ok(pod["spec"]["securityContext"]["runAsUser"].clone())
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        for kind in [
            "mutatingadmissionpolicybinding",
            "mutatingadmissionpolicy",
            "validatingadmissionpolicybinding",
            "validatingadmissionpolicy",
        ] {
            self.kubectl
                .run(&["delete", "--ignore-not-found", kind, &self.name]);
        }
    }
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn ids_of_the_platform_are_told_and_a_ring_lives_with_them() {
    let space = Space::open("platform-ids");
    let _platform = Platform::apply(&space.kubectl);
    let demo = space.cluster("demo");
    demo.apply(&cluster::ring("demo", &[("dc1", &["rack1"])]));
    let range = format!("range {ID}/10000");
    demo.tells("Degraded", "True", &[POD, "must be in the", &range]);
    demo.change(&json!({ "platformAssignsIds": true }));
    demo.settles();
    assert_eq!(ids(&space), format!("{ID} 0"), "user and group");

    let restart = fresh_id("restart");
    demo.request("restart", &restart);
    demo.succeeds("restart", &restart);
    let members = demo.host_ids();
    space.kubectl.ok(&["delete", "pod", POD]);
    demo.settles();
    assert_eq!(
        demo.host_ids(),
        members,
        "its data is readable to the next pod"
    );
    assert_eq!(ids(&space), format!("{ID} 0"));
}

/// User and group of the container of Cassandra.
fn ids(space: &Space) -> String {
    let command = [
        "exec",
        POD,
        "-c",
        "cassandra",
        "--",
        "sh",
        "-c",
        "echo $(id -u) $(id -g)",
    ];
    space.kubectl.ok(&command).trim().to_owned()
}
