//! The words of the page about its watch, and the Kubernetes cluster that its commands name.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::{eventually, operators, page::Dashboard, serving, state};
use crate::{
    fake::{Api, Asked, Reply, failure, list},
    run::{binary, file, fixture, kubeconfig},
};

/// Lists one cluster, and answers the watches in this way.
fn watched(mut answer: impl FnMut(usize) -> Reply + Send + 'static) -> Api {
    let mut watches = 0;
    Api::start(move |asked: &Asked| {
        if asked.path.contains("/pods?") {
            return Reply::Json(200, operators());
        }
        if asked.path.contains("watch=true") {
            watches += 1;
            return answer(watches);
        }
        let mut found = list(&[&fixture("healthy.yaml")]);
        found["metadata"]["resourceVersion"] = "100".into();
        Reply::Json(200, found)
    })
}

fn count(api: &Api, part: &str) -> usize {
    let asked = api.asked();
    let asked = asked.iter().filter(|asked| asked.path.contains(part));
    asked.count()
}

/// A page that is not told of changes is not live.
#[test]
fn who_may_list_and_not_watch_has_no_live_page() {
    let api = watched(|_| {
        let message = "cassandraclusters.db.orange.com is forbidden: User \"jane\" cannot watch resource \"cassandraclusters\" in API group \"db.orange.com\" in the namespace \"shop\"";
        failure(403, "Forbidden", message)
    });
    let dashboard = Dashboard::open(&api, &[]);
    let mut page = dashboard.stream(None);
    let refused = page.until(|page| {
        assert_ne!(state(page), "live");
        state(page) == "refused" && page["cluster"].is_object()
    });
    let message = refused["connection"]["message"].as_str().unwrap();
    assert!(message.starts_with("you may not watch"), "{message}");
    eventually(|| count(&api, "watch=true") > 1);
    assert_eq!(state(&dashboard.stream(None).next()), "refused");
}

#[test]
fn an_api_server_that_is_gone_leaves_the_last_picture_with_its_age() {
    let mark = json!({ "type": "BOOKMARK", "object": { "kind": "CassandraCluster",
        "apiVersion": "db.orange.com/v2", "metadata": { "resourceVersion": "100" } } });
    let api = watched(move |watch| match watch {
        1 => Reply::Watch(vec![mark.clone()], true),
        _ => failure(500, "InternalError", "the server is shutting down"),
    });
    let dashboard = Dashboard::open(&api, &[]);
    let page = dashboard
        .stream(None)
        .until(|page| state(page) == "disconnected");
    insta::assert_yaml_snapshot!(page["connection"]);
    assert_eq!(page["cluster"]["name"], "demo");
}

#[test]
fn an_expired_version_is_listed_again() {
    let expired = json!({ "type": "ERROR", "object": { "kind": "Status", "apiVersion": "v1",
        "status": "Failure", "code": 410, "reason": "Expired", "message": "too old" } });
    let api = watched(move |watch| match watch {
        1 => Reply::Watch(vec![expired.clone()], true),
        _ => Reply::Watch(Vec::new(), false),
    });
    let dashboard = Dashboard::open(&api, &[]);
    let mut page = dashboard.stream(None);
    page.until(|page| state(page) == "live");
    let lists = count(&api, "/cassandraclusters?") - count(&api, "watch=true");
    assert_eq!((lists, count(&api, "watch=true")), (2, 2));
}

/// Each attempt is later than the one before, and the page does not say that it follows the changes.
#[test]
fn a_watch_that_ends_at_once_is_no_live_one() {
    let api = watched(|_| Reply::Watch(Vec::new(), true));
    let dashboard = Dashboard::open(&api, &[]);
    let mut page = dashboard.stream(None);
    let page = page.until(|page| {
        assert_ne!(state(page), "live");
        state(page) == "disconnected"
    });
    assert_eq!(
        page["connection"]["message"],
        "The connection to the API server is lost (the watch ends as soon as it is open); another attempt follows."
    );
}

/// The first command of the page, of a dashboard that was opened in this way.
fn command(opened: Command) -> String {
    let dashboard = Dashboard::run(opened);
    let page = dashboard
        .stream(None)
        .until(|page| page["cluster"].is_object());
    let command = &page["cluster"]["actions"][0]["command"];
    let command = command.as_str().unwrap();
    let (_, flags) = command.split_once(" -n shop").unwrap();
    let annotate = page["cluster"]["actions"][0]["annotate"].as_str().unwrap();
    assert!(annotate.contains(flags), "{annotate}");
    flags.trim_start().to_owned()
}

fn folder(name: &str) -> PathBuf {
    let folder = file("").with_extension(name);
    fs::create_dir_all(folder.join(".kube")).unwrap();
    folder
}

/// A copied command has the same Kubernetes cluster in another shell, and after `kubectl config use-context`.
#[test]
fn commands_name_their_kubernetes_cluster() {
    let (api, _changes) = serving(vec![fixture("healthy.yaml")]);
    let config = kubeconfig(&api.address.to_string());
    let home = folder("home");
    let default = home.join(".kube/config");
    fs::copy(&config, &default).unwrap();
    let opened = |environment: &[(&str, &str)], arguments: &[&str], folder: &Path| {
        let mut opened = binary(&[&["dashboard"], arguments].concat());
        opened.envs(environment.iter().copied()).current_dir(folder);
        command(opened)
    };
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    assert_eq!(
        opened(&[("HOME", &text(&home))], &[], &home),
        "--context test",
        "the usual file"
    );
    let relative = opened(&[], &["--kubeconfig", ".kube/config"], &home);
    let named = format!("--context test --kubeconfig {}", text(&default));
    assert_eq!(relative, named);
    // The file of a list that has it all.
    let empty = file("apiVersion: v1\nkind: Config\n");
    let both = format!("{}:{}", text(&empty), text(&default));
    assert_eq!(opened(&[("KUBECONFIG", &both)], &[], &home), named);
    // No file of the list has it all.
    let context = file(
        "apiVersion: v1\nkind: Config\ncurrent-context: mine\n\
         contexts:\n- name: mine\n  context: { cluster: here, user: jane, namespace: shop }\n",
    );
    let both = format!("{}:{}", text(&context), text(&default));
    assert_eq!(
        opened(&[("KUBECONFIG", &both)], &[], &home),
        format!("--context mine --server http://{}", api.address)
    );
}

/// The operator is installed into the Kubernetes cluster of the page, too.
#[test]
fn the_command_that_installs_names_it_too() {
    let api = Api::start(|asked: &Asked| match asked.path.contains("/pods?") {
        true => Reply::Json(
            200,
            json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [] }),
        ),
        false if asked.path.contains("watch=true") => Reply::Silence,
        false => Reply::Json(200, list(&[&fixture("new.yaml")])),
    });
    let dashboard = Dashboard::open(&api, &[]);
    let has = |page: &Value| page.to_string().contains("install generate");
    let page = dashboard.stream(None).until(has).to_string();
    let command = format!(
        "kubectl casskop install generate --watch-namespace shop | kubectl apply --context test --kubeconfig {} --server-side -f -",
        dashboard.kubeconfig
    );
    assert!(page.contains(&command), "{page}");
}
