//! The plugin in its normal use: through the real kubectl, on a real ring.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{fs, os::unix::fs::symlink};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use casskop_e2e::{
    Output, Space,
    cluster::{find_condition, find_operation},
    command::{self, inside, setting},
    counting::Counting,
    fresh_id,
    plugin::casskop,
    shared_ring,
    space::scratch,
};

/// The real kubectl with the plugin and its completion on the PATH.
fn kubectl(space: &Space, args: &[&str]) -> Output {
    let folder = scratch("plugins");
    let plugin = fs::canonicalize(setting("KUBECTL_CASSKOP")).expect("the plugin is built");
    fs::create_dir_all(&folder).expect("the scratch folder is writable");
    for name in ["kubectl-casskop", "kubectl_complete-casskop"] {
        let link = folder.join(name);
        let _ = fs::remove_file(&link);
        symlink(&plugin, link).expect("the scratch folder is writable");
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = inside("kubectl");
    command
        .env("PATH", format!("{}:{path}", folder.display()))
        .args(args)
        .args(["-n", &space.kubectl.namespace]);
    command::run(command, "")
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn kubectl_finds_it_and_completes_what_is_there() {
    let (space, demo) = shared_ring();
    let ring = kubectl(&space, &["casskop", "ring", "demo"]).ok();
    for pod in demo.pod_names() {
        let line = ring.lines().find(|line| line.contains(&pod));
        assert!(line.is_some_and(|line| line.contains("UN")), "{ring}");
    }
    let offered = |words: &[&str]| {
        let namespace = ["-n", space.kubectl.namespace.as_str()];
        let words: Vec<&str> = ["__complete", "casskop"]
            .into_iter()
            .chain(namespace)
            .chain(words.iter().copied())
            .collect();
        let mut command = inside("kubectl");
        let path = format!(
            "{}:{}",
            scratch("plugins").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        command.env("PATH", path).args(words);
        command::run(command, "").ok()
    };
    assert!(offered(&["status", ""]).starts_with("demo"));
    let racks = offered(&["cleanup", "demo", "--rack", ""]);
    assert!(
        racks.contains("rack1") && racks.contains("rack3"),
        "{racks}"
    );
    let pods = offered(&["restart", "demo", "--pod", "demo-dc1-rack2"]);
    assert!(pods.starts_with("demo-dc1-rack2-0"), "{pods}");
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn it_tells_what_happens_and_why() {
    let (space, demo) = shared_ring();
    let see = |args: &[&str]| casskop(&space.kubectl, args).ok();
    let id = fresh_id("seen");
    see(&[
        "flush",
        "demo",
        "--id",
        &id,
        "--keyspace",
        "system_auth",
        "--wait",
    ]);
    let done = see(&["operations", "demo", "--history"]);
    assert!(done.contains(&format!("flush {id}")), "{done}");
    let events = see(&["events", "demo"]);
    assert!(events.contains("demo-dc1-rack1-0"), "{events}");
    let log = see(&["logs", "demo", "--pod", "demo-dc1-rack1-0", "--tail", "5"]);
    assert_eq!(log.lines().count(), 5, "{log}");
    let well = see(&["explain", "demo"]);
    assert!(!well.is_empty());

    // Nothing starts while all actions are paused, and the plugin reports that.
    see(&["pause-reconcile", "demo"]);
    let id = fresh_id("waits");
    see(&["flush", "demo", "--id", &id]);
    demo.shows("the request waiting", |cluster| {
        let operation = find_operation(cluster, "flush", &id)?;
        operation["message"]
            .as_str()?
            .contains("paused")
            .then_some(())
    });
    let why = see(&["explain", "demo"]);
    assert!(
        why.contains("paused") && why.contains("resume-reconcile"),
        "{why}"
    );
    see(&["resume-reconcile", "demo"]);
    see(&["wait", "demo", "flush", "--id", &id, "--timeout", "5m"]);
    demo.succeeds("flush", &id);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn controls_quote_the_request_that_runs() {
    let (space, demo) = shared_ring();
    let run = |args: &[&str]| casskop(&space.kubectl, args);
    let id = fresh_id("held");
    demo.annotate("cleanup.pause", Some(&id)).ok();
    run(&["cleanup", "demo", "--id", &id, "--keyspace", "system_auth"]).ok();
    demo.shows("it is held back", |cluster| {
        let operation = find_operation(cluster, "cleanup", &id)?;
        operation["message"]
            .as_str()?
            .contains("paused")
            .then_some(())
    });
    run(&["resume", "demo", "cleanup"]).ok();
    demo.succeeds("cleanup", &id);
    let late = run(&["cancel", "demo", "cleanup"]).fails();
    assert!(
        late.contains("ended") || late.contains("Succeeded"),
        "{late}"
    );
    // A kind that discards data asks for a confirmation; standard input is empty here.
    let refused = run(&["replace", "demo", "--pod", "demo-dc1-rack2-0"]).fails();
    assert!(refused.contains("--yes"), "{refused}");
    let id = fresh_id("alive");
    run(&[
        "replace",
        "demo",
        "--pod",
        "demo-dc1-rack2-0",
        "--id",
        &id,
        "--yes",
    ])
    .ok();
    let refused = demo.ends("replace", &id);
    assert_eq!(refused["reason"], "NodeIsUp", "{refused:#}");
    demo.annotate("replace", None).ok();
    let resource = demo.get();
    let intents = find_condition(&resource, "IntentsAccepted").expect("it is told");
    assert_eq!(intents["status"], "True", "{intents}");
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn what_is_asked_for_takes_one_get_and_one_patch() {
    let (space, demo) = shared_ring();
    let namespace = &space.kubectl.namespace;
    let counting = Counting::start();
    let demos = format!("/apis/db.orange.com/v2/namespaces/{namespace}/cassandraclusters/demo");
    let get = format!("GET {demos}");
    let patch = format!("PATCH {demos}?&fieldManager=casskop-plugin");
    let asked = |args: &[&str]| {
        let (output, asked) = counting.run(namespace, args);
        output.ok();
        asked
    };
    let id = fresh_id("counted");
    let flush = ["flush", "demo", "--id", &id, "--keyspace", "system_auth"];
    assert_eq!(asked(&flush), [get.clone(), patch]);
    assert_eq!(asked(&["status", "demo"]), [get]);
    demo.succeeds("flush", &id);
}

/// All settings of a kubeconfig can be passed as flags, as with kubectl.
#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn flags_take_the_place_of_a_kubeconfig() {
    let (space, _) = shared_ring();
    let view = ["config", "view", "--raw", "--minify", "-o", "json"];
    let config = casskop_e2e::kubectl::json(&space.kubectl.ok(&view));
    let (cluster, user) = (
        &config["clusters"][0]["cluster"],
        &config["users"][0]["user"],
    );
    let file = |value: &serde_json::Value, name: &str| {
        let text = value.as_str().unwrap_or_else(|| panic!("{name}: {value}"));
        let file = scratch(name);
        let content = BASE64_STANDARD
            .decode(text)
            .expect("the testbed's kubeconfig is whole");
        fs::write(&file, content).expect("the scratch folder is writable");
        file
    };
    let authority = file(&cluster["certificate-authority-data"], "ca.crt");
    let certificate = file(&user["client-certificate-data"], "client.crt");
    let key = file(&user["client-key-data"], "client.key");
    let status = |more: &[&str]| {
        let mut command = inside(&setting("KUBECTL_CASSKOP"));
        command
            .env("KUBECONFIG", "/dev/null")
            .args([
                "status",
                "demo",
                "-o",
                "name",
                "-n",
                &space.kubectl.namespace,
            ])
            .args(["--server", cluster["server"].as_str().unwrap_or_default()])
            .arg("--certificate-authority")
            .arg(&authority)
            .arg("--client-certificate")
            .arg(&certificate)
            .arg("--client-key")
            .arg(&key)
            .args(more);
        command::run(command, "")
    };
    assert_eq!(status(&[]).ok(), "cassandracluster.db.orange.com/demo\n");
    status(&["--tls-server-name", "kubernetes"]).ok();
    let other = status(&["--tls-server-name", "another.example"]).fails();
    assert!(other.contains("another.example"), "{other}");
}
