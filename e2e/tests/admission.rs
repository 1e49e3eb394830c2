//! The ready admission policies on the real API server: a typo in a request is refused where it is written, permissions
//! are granted for each operation, and the operator works under the same policies.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use casskop_common::{intent::Intents, names};
use casskop_e2e::{
    Cluster, Kubectl, Space, cluster, command::Output, fresh_id, plugin::casskop_as, shared_ring,
    space::workspace, wait::until,
};
use serde_json::{Value, json};

const POLICIES: [&str; 2] = ["requests", "permissions"];

/// A policy of `manifests/admission`, in force in one namespace until it is dropped.
struct Policy {
    kubectl: Kubectl,
    manifest: String,
}

impl Policy {
    fn apply(kubectl: &Kubectl, name: &str) -> Self {
        let file = workspace().join(format!("manifests/admission/{name}.yaml"));
        let text = std::fs::read_to_string(file).expect("the policy is committed");
        let only = format!(
            "  validationActions: [Deny]\n  matchResources:\n    namespaceSelector:\n      \
             matchLabels: {{ kubernetes.io/metadata.name: {} }}",
            kubectl.namespace
        );
        let policy = Self {
            kubectl: kubectl.clone(),
            manifest: text.replace("  validationActions: [Deny]", &only),
        };
        let applied = kubectl.run_with(&["apply", "-f", "-"], &policy.manifest);
        assert!(
            !applied.stderr.contains("Warning"),
            "the API server checks the types of the policy: {applied}"
        );
        applied.ok();
        policy
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        self.kubectl
            .run_with(&["delete", "--ignore-not-found", "-f", "-"], &self.manifest);
    }
}

/// Asks the API server and writes nothing.
fn annotate(cluster: &Cluster, kubeconfig: Option<&Path>, key: &str, value: &str) -> Output {
    let pair = format!("{}{key}={value}", names::OPERATIONS_PREFIX);
    let kubeconfig = kubeconfig.map(|file| format!("--kubeconfig={}", file.display()));
    let mut args = vec!["annotate", "--overwrite", "--dry-run=server"];
    args.extend(kubeconfig.as_deref());
    args.extend(["cassandracluster", &cluster.name, &pair]);
    cluster.kubectl.run(&args)
}

/// A kubeconfig of a new account with these roles in the namespace.
fn account(space: &Space, name: &str, roles: &[&str]) -> PathBuf {
    space.kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name },
    }));
    for role in roles {
        space.kubectl.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": format!("{name}-{role}") },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role,
            },
            "subjects": [{ "kind": "ServiceAccount", "name": name }],
        }));
    }
    space.kubeconfig_of(name)
}

fn is_understood(key: &str, value: &str) -> bool {
    let key = format!("{}{key}", names::OPERATIONS_PREFIX);
    let intents = Intents::parse(&BTreeMap::from([(key, value.to_owned())]));
    intents.invalid.is_empty()
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_mistyped_request_is_refused_with_the_nearest_word() {
    let (space, demo) = shared_ring();
    let _policy = Policy::apply(&space.kubectl, POLICIES[0]);
    until("the policy is in force", || {
        let output = annotate(&demo, None, "nosuch", "a");
        if output.code == 0 {
            return Err("a typo is accepted".to_owned());
        }
        Ok(())
    });
    let uid = demo.get()["metadata"]["uid"].clone();
    let uid = uid.as_str().expect("a cluster has a UID");
    let refused = [
        ("clenup", "a1", "'cleanup'"),
        ("cleanpu", "a1", "'cleanup'"),
        ("snapshoot", "a1", "'snapshot'"),
        ("nosuch", "a1", "the operations are"),
        ("cleanup.stop", "a1", "pause, cancel, retry and waive"),
        ("cleanup.pause.now", "a1", "pause, cancel, retry and waive"),
        ("decommission", "a1", "nodesPerRacks"),
        ("cleanup", "", "begins with an id"),
        ("cleanup", "--keyspace k", "begins with an id"),
        ("cleanup", "a/1", "begins with an id"),
        ("cleanup", "a1 --keyspac k", "'--keyspace'"),
        ("cleanup", "a1 --keyspace k --tabel t", "'--table'"),
        ("flush", "a1 --nosuchargument", "the arguments are"),
        ("remove", "a1 --pod demo-dc1-rack1-0", uid),
        ("remove", "a1 --pod demo-dc1-rack1-0 --cluster-uid 1", uid),
        ("cleanup.cancel", "a1 now", "nothing else"),
        ("cleanup.waive", "a1", "the checks that are waived"),
        ("cleanup.waive", "a1 node-up", "'nodes-up'"),
        ("reconcile", "stop", "'paused'"),
        ("spec.waive", "4.1", "<image tag> downgrade"),
    ];
    for (key, value, words) in refused {
        let output = annotate(&demo, None, key, value);
        assert_ne!(output.code, 0, "{key}: {value} is accepted");
        assert!(output.stderr.contains(words), "{key}: {value}: {output}");
        // The policy is a first reader of the same grammar: only the UID and the names of checks depend on the cluster.
        if !value.contains("--cluster-uid") && key != "cleanup.waive" {
            assert!(
                !is_understood(key, value),
                "the operator accepts {key}: {value}"
            );
        }
    }
    let remove = format!("a1 --pod demo-dc1-rack1-0 --cluster-uid {uid}");
    let accepted = [
        ("cleanup", "2026-11-28"),
        (
            "cleanup",
            "a1 --keyspace k --table t --dc dc1 --parallel rack",
        ),
        ("cleanup", "a1 --keyspace=k"),
        ("cleanup", "a1 --keyspace 'k'"),
        ("flush", "  a1   --pod demo-dc1-rack1-0 "),
        ("flush", "a1 --dry-run"),
        ("remove", &remove),
        ("cleanup.pause", "a1"),
        ("cleanup.waive", "a1 nodes-up,disk-space"),
        ("cleanup.waive", "a1 nodes-up disk-space"),
        ("reconcile", "paused"),
        ("spec.waive", "4.1.10 downgrade"),
    ];
    for (key, value) in accepted {
        annotate(&demo, None, key, value).ok();
        assert!(
            is_understood(key, value),
            "the operator refuses {key}: {value}"
        );
    }
    // An annotation of another tool is none of this policy's.
    space.kubectl.ok(&[
        "annotate",
        "--dry-run=server",
        "cassandracluster",
        "demo",
        "example.com/cleanup=x",
    ]);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn permissions_are_granted_for_each_operation() {
    let (space, demo) = shared_ring();
    let kubectl = &space.kubectl;
    let roles = workspace().join("manifests/rbac");
    kubectl.ok(&["apply", "-f", &roles.to_string_lossy()]);
    let on_call = account(&space, "on-call", &["casskop-operations"]);
    let replacer = account(
        &space,
        "replacer",
        &["casskop-operations", "casskop-replace"],
    );
    let editor = account(&space, "editor", &["casskop-editor"]);
    let _policies = POLICIES.map(|name| Policy::apply(kubectl, name));
    let patch = |kubeconfig: &Path, patch: &str| {
        kubectl.run(&[
            &format!("--kubeconfig={}", kubeconfig.display()),
            "patch",
            "cassandracluster",
            "demo",
            "--dry-run=server",
            "--type=merge",
            "--patch",
            patch,
        ])
    };
    until("the policy is in force", || {
        let output = patch(&on_call, r#"{"spec":{"nodesPerRacks":2}}"#);
        if output.code == 0 {
            return Err("a change of the spec is accepted".to_owned());
        }
        Ok(())
    });

    for (change, words) in [
        (r#"{"spec":{"nodesPerRacks":2}}"#, "not change its spec"),
        (
            r#"{"spec":{"cassandraImage":"example.com/other:5.0"}}"#,
            "not change its spec",
        ),
        (
            r#"{"metadata":{"annotations":{"example.com/a":"b"}}}"#,
            "example.com/a",
        ),
        (
            r#"{"metadata":{"annotations":{"operations.db.orange.com/spec.waive":"4.1 downgrade"}}}"#,
            "spec.waive",
        ),
        (r#"{"metadata":{"labels":{"a":"b"}}}"#, "labels or owners"),
        (
            r#"{"metadata":{"finalizers":["example.com/a"]}}"#,
            "finalizers",
        ),
    ] {
        let output = patch(&on_call, change);
        assert_ne!(output.code, 0, "{change} is accepted");
        assert!(output.stderr.contains(words), "{change}: {output}");
        patch(&editor, change).ok();
    }

    let uid = demo.get()["metadata"]["uid"].clone();
    let remove = format!(
        "a1 --pod demo-dc1-rack1-0 --cluster-uid {}",
        uid.as_str().expect("a cluster has a UID")
    );
    let output = annotate(&demo, Some(&on_call), "remove", &remove);
    assert!(
        output.code != 0 && output.stderr.contains("may not request remove"),
        "{output}"
    );
    annotate(&demo, Some(&replacer), "remove", &remove).ok();
    annotate(&demo, Some(&editor), "remove", &remove).ok();
    annotate(&demo, Some(&on_call), "reconcile", "paused").ok();

    // The plugin says the same, and the operator's own writes pass: status, and the finalizer of an earlier version.
    let output = casskop_as(
        &on_call,
        kubectl,
        &["remove", "demo", "--pod", "demo-dc1-rack1-0", "--yes"],
    );
    assert!(
        output.code != 0 && output.stderr.contains("may not request remove"),
        "{output}"
    );
    let id = fresh_id("flush");
    casskop_as(&on_call, kubectl, &["flush", "demo", "--id", &id, "--wait"]).ok();
    demo.succeeds("flush", &id);
    finalizers_pass(&space);
}

/// The operator removes the finalizer of an earlier version from a cluster whose pods find no place.
fn finalizers_pass(space: &Space) {
    let kept = space.cluster("kept");
    let mut manifest = cluster::ring("kept", &[("dc1", &["rack1"])]);
    manifest["spec"]["resources"] = json!({ "requests": { "cpu": "500" } });
    manifest["spec"]["deletePVC"] = json!(true);
    manifest["metadata"]["finalizers"] = json!([names::VOLUMES_FINALIZER]);
    kept.apply(&manifest);
    until("the finalizer to be removed", || {
        match &kept.get()["metadata"]["finalizers"] {
            Value::Null => Ok(()),
            finalizers => Err(finalizers.to_string()),
        }
    });
    kept.delete();
}
