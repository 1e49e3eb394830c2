//! Functions of the plugin for the operator and for support: manifests that Kubernetes accepts, and a bundle without
//! secrets.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use casskop_e2e::{
    Kubectl, Space, cluster, command::Output, fresh_id, kubectl, plugin::casskop, shared_ring,
    space::scratch, wait::until,
};
use serde_json::{Value, json};

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn kubernetes_takes_the_printed_manifests() {
    let space = Space::without_operator("e2e-install");
    for arguments in [
        &["install", "generate"][..],
        &["install", "generate", "--watch-all-namespaces"],
    ] {
        let manifests = casskop(&space.kubectl, arguments).ok();
        let apply = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "-f",
            "-",
        ];
        let taken = space.kubectl.run_with(&apply, &manifests).ok();
        assert_eq!(taken.lines().count(), 6, "{taken}");
    }
}

/// Obstacles of an installation are named before it begins: a quota, the Go `CassKop`, missing rights, another
/// operator.
#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn an_installation_is_checked_beforehand() {
    let space = Space::without_operator("e2e-check");
    let kubectl = &space.kubectl;
    let check = |more: &[&str]| casskop(kubectl, &[&["install", "check"], more].concat());
    let failed = |output: Output, why: &str| {
        assert_eq!(output.code, 1, "{output}");
        let named = |line: &str| line.starts_with("failed") && line.contains(why);
        assert!(output.stdout.lines().any(named), "{why}: {output}");
    };
    check(&[]).ok();
    kubectl.ok(&["create", "quota", "team", "--hard=limits.cpu=4"]);
    until("the quota to be counted", || {
        let quota = kubectl
            .get("resourcequota", "team")
            .ok_or("there is none")?;
        let hard = quota["status"]["hard"].clone();
        (!hard.is_null()).then_some(()).ok_or(quota.to_string())
    });
    failed(check(&[]), "quota team");
    kubectl.ok(&["delete", "quota", "team"]);
    kubectl.ok(&["create", "configmap", "casskop-lock"]);
    failed(check(&[]), "casskop-lock");
    kubectl.ok(&["delete", "configmap", "casskop-lock"]);
    failed(
        check(&["--as", "nobody"]),
        "you may not create, get and patch",
    );
    // An administrator of the namespace may create the operator, and neither its namespace nor its CRD.
    kubectl.ok(&[
        "create",
        "rolebinding",
        "jane",
        "--clusterrole=admin",
        "--user=jane",
    ]);
    failed(check(&["--as", "jane"]), "customresourcedefinitions");
    let manifests = casskop(kubectl, &["install", "generate"]).ok();
    kubectl
        .run_with(
            &["apply", "--server-side", "--force-conflicts", "-f", "-"],
            &manifests,
        )
        .ok();
    check(&[]).ok();
    let elsewhere = Kubectl {
        namespace: "elsewhere".into(),
        ..kubectl.clone()
    };
    let rival = ["install", "check", "--watch-namespace", &kubectl.namespace];
    failed(
        casskop(&elsewhere, &rival),
        "manages namespace e2e-check, too",
    );
}

/// The operator, its Role and a cluster with `deletePVC` end with their namespace, in whatever order Kubernetes deletes
/// them.
#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_namespace_is_deleted_with_the_operator_and_a_cluster() {
    let space = Space::open("e2e-uninstall");
    let gone = space.cluster("gone");
    let mut manifest = cluster::ring("gone", &[("dc1", &["rack1"])]);
    // No machine has so many processors: the claim is made for a pod that never runs.
    manifest["spec"]["resources"] = json!({ "requests": { "cpu": "500" } });
    gone.apply(&manifest);
    let uid = gone.get()["metadata"]["uid"].clone();
    // `deletePVC` takes effect on the claim and on the mark of the ring, and the status tells when.
    for (wanted, owned_volumes) in [(true, json!(2)), (false, json!(0)), (true, json!(2))] {
        gone.change(&json!({ "deletePVC": wanted }));
        until("the owners to match deletePVC", || {
            let claims = space
                .kubectl
                .list("persistentvolumeclaims", "cassandracluster=gone");
            let maps = space.kubectl.list("configmaps", "cassandracluster=gone");
            let mark = maps
                .iter()
                .filter(|map| map["metadata"]["name"] == "gone-ring");
            let owners: Vec<&Value> = claims
                .iter()
                .chain(mark)
                .map(|object| &object["metadata"]["ownerReferences"])
                .collect();
            let holds = |owners: &&Value| (owners[0]["uid"] == uid) == wanted;
            let status = gone.get()["status"]["ownedVolumes"].clone();
            let all = owners.len() == 2 && owners.iter().all(holds) && status == owned_volumes;
            all.then_some(())
                .ok_or_else(|| format!("{owners:?}, ownedVolumes {status}"))
        });
    }
    assert_eq!(gone.get()["metadata"]["finalizers"], Value::Null);
    orphans_keep_their_volume(&space);
    gone.apply(&manifest);
    gone.change(&json!({ "deletePVC": true }));
    let namespace = &space.kubectl.namespace;
    space
        .kubectl
        .ok(&["delete", "namespace", namespace, "--wait=false"]);
    until("the namespace to be gone", || {
        let found = space.kubectl.ok(&[
            "get",
            "namespace",
            namespace,
            "-o",
            "json",
            "--ignore-not-found",
        ]);
        if found.is_empty() {
            return Ok(());
        }
        Err(kubectl::json(&found)["status"].to_string())
    });
}

/// A deletion that orphans deletes no volume, although the cluster owns it.
fn orphans_keep_their_volume(space: &Space) {
    let kubectl = &space.kubectl;
    let claims = || kubectl.list("persistentvolumeclaims", "cassandracluster=gone");
    let uids = |claims: Vec<Value>| -> Vec<Value> {
        let uids = claims.iter().map(|claim| claim["metadata"]["uid"].clone());
        uids.collect()
    };
    let before = uids(claims());
    assert_eq!(before.len(), 1);
    kubectl.ok(&["delete", "cassandracluster", "gone", "--cascade=orphan"]);
    until("the claim to have no owner", || {
        let owners = claims()[0]["metadata"]["ownerReferences"].clone();
        if owners.is_null() {
            return Ok(());
        }
        Err(owners.to_string())
    });
    assert_eq!(uids(claims()), before);
    let sets = [
        "delete",
        "statefulset,configmap,service",
        "-l",
        "cassandracluster=gone",
    ];
    kubectl.ok(&sets);
    assert_eq!(uids(claims()), before);
    kubectl.ok(&["delete", "persistentvolumeclaims", "--all"]);
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the bundle is a folder");
    let paths = entries.map(|entry| entry.expect("the bundle can be read").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                return files(&path);
            }
            vec![path]
        })
        .collect()
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_bundle_has_the_ring_and_the_logs_and_no_password() {
    let (space, demo) = shared_ring();
    let folder = scratch(&fresh_id("report"));
    let path = folder.to_string_lossy();
    casskop(&space.kubectl, &["report", &demo.name, "-f", &path]).ok();
    let read = |file: &str| {
        fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let pods = space.kubectl.list("pods", "cassandracluster=demo");
    assert!(!pods.is_empty());
    for pod in &pods {
        let name = casskop_e2e::kubectl::name(pod);
        assert!(read("status.txt").contains(&name), "{name}");
        assert!(!read(&format!("logs/{name}/cassandra.log")).is_empty());
    }
    assert!(read("operator/deployments.yaml").contains("casskop-operator"));
    assert!(read("secrets.yaml").contains("password"));
    let data = |template: &str| {
        let output = format!("go-template={template}");
        space
            .kubectl
            .ok(&["get", "secret", "demo-jolokia", "-o", &output])
    };
    let encoded = data("{{.data.password}}");
    let password = data("{{.data.password | base64decode}}");
    assert!(!encoded.is_empty() && !password.is_empty());
    for file in files(&folder) {
        let text = fs::read_to_string(&file).expect("the bundle is text");
        assert!(
            !text.contains(&encoded) && !text.contains(&password),
            "{}",
            file.display()
        );
    }
    fs::remove_dir_all(&folder).expect("the bundle can be removed");
}
