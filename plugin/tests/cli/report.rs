//! `report` against a small API server: what is in the bundle, what is not, and what is said about it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::{
    fake::{Api, Asked, Reply, failure, list, merge, not_found},
    run::{file, fixture, run, run_alone},
};

/// Path within the bundle, and content.
type Files = BTreeMap<String, String>;

/// A name in the test's folder that is not there yet.
pub fn place(ending: &str) -> PathBuf {
    let path = file("");
    fs::remove_file(&path).unwrap();
    let name = format!("{}{ending}", path.file_name().unwrap().to_str().unwrap());
    path.with_file_name(name)
}

/// What is shown of a run, with its requests in an order of their own: logs are read several at a time.
fn shown(api: &Api, path: &Path) -> String {
    let path = path.to_str().unwrap();
    let shown = run(api, &["report", "demo", "-f", path]);
    let (said, asked) = shown.split_once("\nGET ").unwrap();
    let mut asked: Vec<&str> = asked.trim_end().split("\nGET ").collect();
    asked.sort_unstable();
    format!("{said}\nGET {}", asked.join("\nGET ")).replace(path, "FILE")
}

fn unpack(path: &Path) -> Files {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(path).unwrap()));
    let files = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mode().unwrap(), 0o600);
        let path = entry.path().unwrap().display().to_string();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        (path, content)
    });
    files.collect()
}

fn labelled(name: &str, rest: &Value) -> Value {
    let mut object = json!({ "metadata": {
        "name": name, "namespace": "shop", "managedFields": [{ "manager": "m" }],
        "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{\"p\":\"s3cr3t\"}" },
    } });
    merge(&mut object, rest);
    object
}

fn pod() -> Value {
    labelled(
        "demo-dc1-rack1-0",
        &json!({
            "spec": { "containers": [{ "name": "cassandra", "env": [{ "name": "DB_PASSWORD", "value": "s3cr3t" }, { "name": "HEAP", "value": "1G" }] }] },
            "status": {
                "initContainerStatuses": [{ "name": "bootstrap", "restartCount": 0, "state": { "terminated": {} } }],
                "containerStatuses": [
                    { "name": "cassandra", "restartCount": 1, "state": { "running": {} } },
                    { "name": "waits", "restartCount": 0, "state": { "waiting": {} } },
                ],
            },
        }),
    )
}

fn event(about: &str, time: &str) -> Value {
    json!({ "metadata": { "name": format!("{about}.1") }, "involvedObject": { "name": about }, "lastTimestamp": time, "message": format!("about {about}") })
}

fn secret() -> Value {
    labelled(
        "demo-jolokia",
        &json!({ "type": "Opaque", "data": { "password": "czNjcjN0", "username": "am9sb2tpYQ==" } }),
    )
}

fn config() -> Value {
    labelled(
        "demo-dc1-rack1",
        &json!({ "data": { "cassandra.yaml": "cluster_name: demo\nkeystore_password: s3cr3t\n" } }),
    )
}

fn operator(resource: &str) -> Value {
    let mut object = labelled(
        "casskop-operator",
        &json!({ "metadata": { "namespace": "casskop" } }),
    );
    if resource == "pods" {
        let status = json!({ "containerStatuses": [{ "name": "operator", "restartCount": 0, "state": { "running": {} } }] });
        merge(
            &mut object,
            &json!({ "metadata": { "name": "casskop-operator-x" }, "status": status }),
        );
    }
    object
}

/// The server of a small cluster, whose operator is in another namespace.
pub fn answer(asked: &Asked) -> Reply {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let words: Vec<&str> = path.trim_matches('/').split('/').collect();
    let of = |items: &[Value]| Reply::Json(200, list(&items.iter().collect::<Vec<_>>()));
    let operators = query.contains("casskop-operator");
    match words[..] {
        ["version"] => Reply::Json(
            200,
            json!({ "major": "1", "minor": "34", "gitVersion": "v1.34.4", "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": "" }),
        ),
        [.., "cassandraclusters", "demo"] => {
            let mut cluster = fixture("healthy.yaml");
            merge(
                &mut cluster,
                &json!({ "metadata": { "managedFields": [{ "manager": "m" }] }, "spec": { "envVars": [{ "name": "API_TOKEN", "value": "s3cr3t" }] } }),
            );
            Reply::Json(200, cluster)
        }
        [.., "secrets", "demo-jolokia"] => Reply::Json(200, secret()),
        [.., "pods", pod, "log"] if query.contains("previous=true") => Reply::Text(
            200,
            if pod.starts_with("demo") {
                "died\n"
            } else {
                ""
            },
        ),
        [.., "pods", _, "log"] => Reply::Text(
            200,
            "starting with -Dpassword=s3cr3t -Xmx1G\nhttp://joe:s3cr3t@host/\n",
        ),
        ["apis", "apps", "v1", "deployments"] if operators => of(&[operator("deployments")]),
        [.., "casskop", "pods"] if operators => of(&[operator("pods")]),
        [.., "shop", "deployments"] => of(&[]),
        [.., "shop", "pods"] => of(&[pod()]),
        [.., "shop", "statefulsets"] => of(&[labelled("demo-dc1-rack1", &json!({}))]),
        [.., "shop", "configmaps"] => of(&[config()]),
        [
            ..,
            "shop",
            "persistentvolumeclaims" | "services" | "poddisruptionbudgets" | "serviceaccounts",
        ] => of(&[labelled("demo", &json!({}))]),
        [.., "shop", "events"] => of(&[
            event("demo", "2026-11-22T17:00:00Z"),
            event("other", "2026-11-22T16:00:00Z"),
            event("demolition", "2026-11-22T16:00:00Z"),
            event("data-demo-dc1-rack1-0", "2026-11-22T15:00:00Z"),
        ]),
        _ => not_found(asked),
    }
}

#[test]
fn a_whole_bundle() {
    let archive = place(".tar.gz");
    insta::assert_snapshot!(shown(&Api::start(answer), &archive));
    let files = unpack(&archive);
    let all = serde_json::to_string(&files).unwrap();
    for hidden in [
        "s3cr3t",
        "czNjcjN0",
        "am9sb2tpYQ",
        "managedFields",
        "last-applied",
        "about other",
        "demolition",
    ] {
        assert!(!all.contains(hidden), "{hidden} is in {all}");
    }
    let text: Vec<String> = files
        .iter()
        .map(|(path, content)| format!("=== {path}\n{content}"))
        .collect();
    insta::assert_snapshot!("the_files", text.join("\n"));
}

#[test]
fn a_folder_has_the_same_files() {
    let (archive, folder) = (place(".tgz"), place(""));
    for path in [&archive, &folder] {
        let shown = run(
            &Api::start(answer),
            &["report", "demo", "-f", path.to_str().unwrap()],
        );
        assert!(shown.contains("exit code 0"), "{shown}");
    }
    let files = unpack(&archive);
    for (path, content) in &files {
        let path = path.split_once('/').unwrap().1;
        assert_eq!(
            &fs::read_to_string(folder.join(path)).unwrap(),
            content,
            "{path}"
        );
    }
    let count = |folder: &Path| walk(folder).len();
    assert_eq!(count(&folder), files.len());
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn without_logs() {
    let archive = place(".tar.gz");
    let path = archive.to_str().unwrap();
    let shown = run(
        &Api::start(answer),
        &[
            "report",
            "demo",
            "-f",
            path,
            "--tail",
            "0",
            "--operator-namespace",
            "casskop",
        ],
    );
    assert!(!shown.contains("/log?"), "{shown}");
    assert!(shown.contains("/namespaces/casskop/deployments"), "{shown}");
    assert!(unpack(&archive).keys().all(|path| !path.contains(".log")));
}

/// Reads the cluster and its pods, and nothing else.
#[test]
fn what_may_not_be_read_is_left_out_and_told() {
    let archive = place(".tar.gz");
    let api = Api::start(
        |asked| match asked.path.split('?').next().unwrap_or_default() {
            path if path.ends_with("/demo")
                || path.ends_with("/shop/pods")
                || path == "/version" =>
            {
                answer(asked)
            }
            _ => failure(403, "Forbidden", "User \"jane\" cannot do that"),
        },
    );
    insta::assert_snapshot!(shown(&api, &archive));
    let files = unpack(&archive);
    let report = files
        .iter()
        .find(|(path, _)| path.ends_with("/report.txt"))
        .unwrap();
    insta::assert_snapshot!("what_is_missing", report.1);
}

#[test]
fn nothing_may_be_read_at_all() {
    let archive = place(".tar.gz");
    let api = Api::start(|_| failure(403, "Forbidden", "User \"jane\" cannot do that"));
    let shown = run(&api, &["report", "demo", "-f", archive.to_str().unwrap()]);
    assert!(
        shown.contains("what you may not read: cassandraclusters.db.orange.com, "),
        "{shown}"
    );
    assert!(shown.contains("exit code 0"), "{shown}");
    assert_eq!(unpack(&archive).len(), 1);
}

#[test]
fn no_such_cluster() {
    let archive = place(".tar.gz");
    let api = Api::start(|asked| {
        if asked.path.ends_with("/dmeo") {
            return not_found(asked);
        }
        Reply::Json(200, list(&[&fixture("healthy.yaml")]))
    });
    let shown = run(&api, &["report", "dmeo", "-f", archive.to_str().unwrap()]);
    insta::assert_snapshot!(shown.replace(archive.to_str().unwrap(), "FILE"));
    assert!(!archive.exists());
}

#[test]
fn a_server_that_is_silent() {
    let archive = place(".tar.gz");
    let api = Api::start(|_| Reply::Silence);
    let shown = run(
        &api,
        &[
            "report",
            "demo",
            "-f",
            archive.to_str().unwrap(),
            "--request-timeout",
            "300ms",
        ],
    );
    assert!(shown.contains("exit code 1"), "{shown}");
    assert!(!archive.exists());
}

#[test]
fn never_over_another_file() {
    let there = file("mine");
    let path = there.to_str().unwrap();
    let missing = place("/none.tar.gz");
    let shown = [
        run_alone(&["report", "demo", "-f", path], &[]),
        run_alone(&["report", "demo", "-f", "demo.zip"], &[]),
        run(
            &Api::start(answer),
            &[
                "report",
                "demo",
                "--tail",
                "0",
                "-f",
                missing.to_str().unwrap(),
            ],
        ),
    ];
    let shown = shown
        .map(|shown| shown.split("GET ").next().unwrap().to_owned())
        .join("\n");
    insta::assert_snapshot!(
        shown
            .replace(path, "FILE")
            .replace(missing.to_str().unwrap(), "MISSING")
    );
    assert_eq!(fs::read_to_string(there).unwrap(), "mine");
}
