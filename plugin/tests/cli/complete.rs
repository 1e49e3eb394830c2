//! Completions, as `kubectl` asks for them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::{
    fake::{Api, Reply, list, merge},
    run::{file, fixture, kubeconfig, run, run_alone, run_with},
};

/// Knows clusters and namespaces; operations wait in cluster demo.
pub fn api() -> Api {
    let mut cluster = fixture("operating.yaml");
    let waiting = json!({ "kind": "repair", "id": "c", "phase": "Pending", "reason": "ChecksFailing",
        "message": "waits for nodes-up: demo-dc1-rack2-0 is down", "blockedBy": ["nodes-up"],
        "checks": [{ "name": "nodes-up", "passed": false, "evidence": "demo-dc1-rack2-0 is down" }] });
    cluster["status"]["operations"]
        .as_array_mut()
        .unwrap()
        .push(waiting);
    cluster["spec"]["topology"]["dc"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "dc2", "rack": [{ "name": "rack1" }] }));
    Api::start(move |asked| {
        if asked.path.contains("/namespaces?") || asked.path.ends_with("/namespaces") {
            let names = ["shop", "other"].map(|name| json!({ "metadata": { "name": name } }));
            return Reply::Json(200, json!({ "metadata": {}, "items": names }));
        }
        if asked.path.contains("/cassandraclusters/") {
            return Reply::Json(200, cluster.clone());
        }
        if asked.path.contains("/multicasskops") {
            let ring = json!({ "metadata": { "name": "orders" },
                "spec": { "base": {}, "override": { "north": {}, "south": {} } } });
            return Reply::Json(200, json!({ "metadata": {}, "items": [ring] }));
        }
        let mut new = fixture("new.yaml");
        merge(&mut new, &json!({ "metadata": { "name": "orders" } }));
        Reply::Json(200, list(&[&cluster, &new]))
    })
}

/// The candidates for the last word, and the requests for them.
fn completed(words: &[&str]) -> String {
    run(&api(), &[&["__complete"], words].concat())
}

#[test]
fn rings_over_several_clusters_and_their_sites() {
    let shown = [
        &["multi", ""][..],
        &["multi", "status", ""],
        &["multi", "unregister", "s"],
        &["multi", "register", "--site-context", ""],
    ]
    .map(completed);
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn commands_and_flags() {
    let shown = [
        vec!["__complete", "cle"],
        vec!["__complete", ""],
        vec!["__complete", "flush", "demo", "--"],
        vec!["__complete", "flush", "demo", "--wait", "--w"],
        vec!["__complete", "status", "-o", ""],
        vec!["__complete", "status", "--output=y"],
        vec!["__complete", "flush", "demo", "--dry-run="],
        vec!["__complete", "--kubeconfig", ""],
        vec!["__complete", "nonsense", "-n", "a", "--what=x", ""],
        vec!["__complete"],
    ]
    .map(|words| run_alone(&words, &[]));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn clusters_and_namespaces() {
    let shown = [
        &["cleanup", ""][..],
        &["cleanup", "-n", "other", "o"],
        &["cleanup", "-n", ""],
        &["cleanup", "--namespace=o"],
        &["cleanup", "--context", ""],
        &["cleanup", "--cluster", ""],
        &["cleanup", "--user", "j"],
    ]
    .map(completed);
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn what_a_cluster_has() {
    let shown = [
        &["cleanup", "demo", "--dc", ""][..],
        &["cleanup", "demo", "--rack="],
        &["cleanup", "demo", "--pod", "demo-dc1-rack2"],
        &["cleanup", "demo", "--keyspace", ""],
        &["cleanup", "demo", "--id", ""],
        &["pause", "demo", ""],
        &["wait", "demo", "cleanup", "--id", ""],
        &["waive", "demo", ""],
        &["waive", "demo", "repair", ""],
        &["waive", "demo", "repair", "nodes-up", ""],
        &["status", "demo", ""],
    ]
    .map(completed);
    insta::assert_snapshot!(shown.join("\n"));
}

/// No error appears in the line that a user is typing.
#[test]
fn nothing_is_said_where_nobody_answers() {
    let nobody = kubeconfig("127.0.0.1:1").display().to_string();
    let empty = Api::start(|_| Reply::Text(500, "no"));
    let shown = [
        run_alone(
            &["__complete", "cleanup", ""],
            &[("KUBECONFIG", "/nowhere")],
        ),
        run_alone(&["__complete", "cleanup", ""], &[("KUBECONFIG", &nobody)]),
        run_with(&empty, &["__complete", "cleanup", "demo", "--pod", ""], &[]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn the_helper() {
    insta::assert_snapshot!(run_alone(&["completion"], &[]));
}

/// A folder with links to the program under the names that `kubectl` looks for.
#[cfg(unix)]
fn linked() -> PathBuf {
    let folder = file("");
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    for name in ["kubectl-casskop", "kubectl_complete-casskop"] {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubectl-casskop"), folder.join(name))
            .unwrap();
    }
    folder
}

#[cfg(unix)]
fn stdout(program: &Path, arguments: &[&str], api: &Api, path: &str) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("KUBECONFIG", kubeconfig(&api.address.to_string()))
        .env("PATH", path)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[cfg(unix)]
#[test]
fn under_the_name_that_kubectl_looks_for() {
    let helper = linked().join("kubectl_complete-casskop");
    let offered = stdout(&helper, &["status", "o"], &api(), "");
    assert_eq!(offered, "orders\tstate unknown, 0 of 6 nodes ready\n:4\n");
}

#[cfg(unix)]
#[test]
#[ignore = "needs kubectl on the PATH"]
fn through_the_real_kubectl() {
    let path = format!("{}:{}", linked().display(), std::env::var("PATH").unwrap());
    let asked = ["__complete", "casskop", "cleanup", "demo", "--dc", ""];
    let offered = stdout(Path::new("kubectl"), &asked, &api(), &path);
    assert_eq!(offered, "dc1\ndc2\n:4\n");
}
