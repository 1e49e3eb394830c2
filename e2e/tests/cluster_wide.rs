//! One operator for all namespaces, as `install generate --watch-all-namespaces` prints it: rings of two namespaces live
//! through changes and operations, and the API server's audit log shows which rights the operator uses.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::collections::BTreeSet;

use casskop_e2e::{
    Cluster, Kubectl, Site, Space, cluster, fresh_id, kubectl, operator, plugin::casskop,
    space::records_of, wait::until,
};
use serde_json::{Value, json};

/// The namespace of the operator; the audit policy of the testbed records all requests of its account.
const NAMESPACE: &str = "e2e-wide";

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn one_operator_runs_rings_of_all_namespaces_with_the_rights_that_it_has() {
    let [_, site] = Site::first();
    let space = Space::without_operator_at(site, NAMESPACE);
    without_other_operators(&space.kubectl);
    let everywhere = "--watch-all-namespaces";
    casskop(&space.kubectl, &["install", "check", everywhere]).ok();
    operator::install(&space.kubectl, &[everywhere], &[operator::NAME]);
    let [one, two] = ["one", "two"].map(|name| {
        let space = Space::without_operator_at(site, &format!("{NAMESPACE}-{name}"));
        space.cluster(name)
    });
    one.apply(&cluster::ring("one", &[("dc1", &["rack1", "rack2"])]));
    let mut secured = cluster::ring("two", &[("dc1", &["rack1"])]);
    secured["spec"]["nodeApi"] = json!({ "tls": "Enabled" });
    two.apply(&secured);
    one.settles();
    two.settles();
    for cluster in [&one, &two] {
        let id = fresh_id("wide");
        let kubectl = &cluster.kubectl;
        let flush = [
            "flush",
            &cluster.name,
            "--id",
            &id,
            "--wait",
            "--timeout",
            "10m",
        ];
        casskop(kubectl, &flush).ok();
    }
    live(&one, &two);
    let records = records_of(site, &operator::user(&space.kubectl));
    let denied: Vec<&Value> = records
        .iter()
        .filter(|record| record["responseStatus"]["code"] == 403)
        .collect();
    assert!(denied.is_empty(), "{denied:#?}");
    let used: BTreeSet<String> = records
        .iter()
        .map(|record| used(&record["verb"], &record["objectRef"]))
        .collect();
    let granted = granted(&space.kubectl);
    let beyond: Vec<&String> = used.difference(&granted).collect();
    assert!(beyond.is_empty(), "rights of other roles: {beyond:?}");
    let unused: Vec<&String> = granted.difference(&used).collect();
    assert_eq!(
        unused,
        [
            // The API server asks for `create` where a server-side apply (a patch) creates the object.
            "create configmaps",
            // Jobs of backups: `e2e/tests/backup.rs` has them.
            "create jobs.batch",
            "create poddisruptionbudgets.policy",
            "create serviceaccounts",
            "create services",
            "create statefulsets.apps",
            "delete jobs.batch",
            "get jobs.batch",
            // Before `remove` and `replace` delete the volume of a lost node.
            "get persistentvolumeclaims",
            // Only a cluster of an earlier version of the operator has a finalizer.
            "patch cassandraclusters.db.orange.com",
            // An event that repeats.
            "patch events.events.k8s.io",
            // No request of the operator: the admission plugin OwnerReferencesPermissionEnforcement asks for it.
            "update cassandraclusters/finalizers.db.orange.com",
            // Certificates are renewed a month before their end.
            "update secrets",
        ]
    );
}

/// Changes and operations that need the less frequent rights.
fn live(one: &Cluster, two: &Cluster) {
    one.change(&json!({ "dataCapacity": "2Gi" }));
    one.settles();
    let id = fresh_id("again");
    one.request("restart", &id);
    one.succeeds("restart", &id);
    // A node leaves, with its volume and the objects of its rack.
    one.change(
        &json!({ "topology": { "dc": [{ "name": "dc1", "rack": [{ "name": "rack1" }] }] } }),
    );
    until("the volume of the node to be gone", || {
        let claims = one
            .kubectl
            .list("persistentvolumeclaims", "cassandracluster=one");
        (claims.len() == 1)
            .then_some(())
            .ok_or_else(|| kubectl::names(&claims).join(" "))
    });
    one.settles();
    two.change(&json!({ "deletePVC": true }));
    two.shows("owned volumes", |cluster| {
        (cluster["status"]["ownedVolumes"] == 2).then_some(())
    });
    two.delete();
    until("the volumes of a deleted cluster to be gone", || {
        let claims = two
            .kubectl
            .list("persistentvolumeclaims", "cassandracluster=two");
        claims
            .is_empty()
            .then_some(())
            .ok_or_else(|| kubectl::names(&claims).join(" "))
    });
}

/// Operators of earlier tests in this Kubernetes cluster would manage the same rings.
fn without_other_operators(kubectl: &Kubectl) {
    let selector = format!("app.kubernetes.io/name={}", operator::NAME);
    let all = ["get", "deployments", "-A", "-l", &selector, "-o", "json"];
    let found = kubectl::json(&kubectl.ok(&all));
    for deployment in found["items"].as_array().into_iter().flatten() {
        let namespace = deployment["metadata"]["namespace"]
            .as_str()
            .expect("a namespace");
        if namespace != NAMESPACE {
            kubectl.ok(&["delete", "namespace", namespace]);
        }
    }
}

/// A right as `verb resource.group`.
fn right(verb: &str, resource: &str, group: &str) -> String {
    format!("{verb} {resource}.{group}")
        .trim_end_matches('.')
        .to_owned()
}

fn used(verb: &Value, object: &Value) -> String {
    let word = |key: &str| object[key].as_str().unwrap_or_default();
    let resource = match word("subresource") {
        "" => word("resource").to_owned(),
        subresource => format!("{}/{subresource}", word("resource")),
    };
    right(
        verb.as_str().unwrap_or_default(),
        &resource,
        word("apiGroup"),
    )
}

/// The rights of the operator's `ClusterRole`.
fn granted(kubectl: &Kubectl) -> BTreeSet<String> {
    let role = kubectl
        .get("clusterrole", operator::NAME)
        .expect("the role");
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        let words = |key: &str| {
            rule[key]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
        };
        for group in words("apiGroups") {
            for resource in words("resources") {
                rights.extend(words("verbs").map(|verb| right(verb, resource, group)));
            }
        }
    }
    rights
}
