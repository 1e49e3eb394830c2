//! The ready roles allow what the commands ask for, and no more.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    complete, dashboard, events, explain,
    fake::{Api, Asked, merge},
    logs, report,
    run::{fixture, run},
};

/// A verb on a resource with its group.
type Rights = BTreeSet<String>;

fn role(name: &str) -> Rights {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../manifests/rbac")
        .join(format!("{name}.yaml"));
    let role: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(role["metadata"]["name"], format!("casskop-{name}"));
    let words = |rule: &Value, field: &str| -> Vec<String> {
        let words = rule[field].as_array().unwrap().iter();
        words
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let mut rights = Rights::new();
    for rule in role["rules"].as_array().unwrap() {
        for resource in words(rule, "resources") {
            for verb in words(rule, "verbs") {
                let group = words(rule, "apiGroups").concat();
                assert!(rights.insert(right(&verb, &resource, &group)));
            }
        }
    }
    rights
}

fn right(verb: &str, resource: &str, group: &str) -> String {
    format!("{verb} {resource}.{group}")
        .trim_end_matches('.')
        .to_owned()
}

/// The permission of a request; nothing for a path that all users may read.
fn taken(asked: &Asked) -> Option<String> {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let mut words: Vec<&str> = path.trim_matches('/').split('/').collect();
    let group = match words.remove(0) {
        "api" => "",
        "apis" => words.remove(0),
        _ => return None,
    };
    words.remove(0);
    if words[0] == "namespaces" && words.len() > 2 {
        words.drain(..2);
    }
    let verb = match (asked.method.as_str(), words.len()) {
        ("PATCH", _) => "patch",
        (_, 1) if query.contains("watch=true") => "watch",
        (_, 1) => "list",
        _ => "get",
    };
    let resource = match words[..] {
        [resource, _, part] => format!("{resource}/{part}"),
        _ => words[0].to_owned(),
    };
    Some(right(verb, &resource, group))
}

fn asked(api: &Api) -> Rights {
    api.asked().iter().filter_map(taken).collect()
}

#[test]
fn support_is_what_a_report_asks_for_but_secrets() {
    let api = Api::start(report::answer);
    let place = report::place(".tar.gz");
    run(&api, &["report", "demo", "-f", place.to_str().unwrap()]);
    let mut asked = asked(&api);
    assert!(asked.remove("get secrets"), "{asked:?}");
    assert_eq!(role("support"), asked);
}

#[test]
fn viewers_see_and_do_nothing_else() {
    let mut rights = Rights::new();
    for arguments in [
        &["status", "demo"][..],
        &["status"],
        &["status", "-A"],
        &["status", "dmeo"],
    ] {
        let api = Api::cluster(fixture("healthy.yaml"), Vec::new());
        run(&api, arguments);
        rights.extend(asked(&api));
    }
    // `status --watch` has no end of its own here; the follower of `--wait` below is the same.
    rights.insert(right("watch", "cassandraclusters", "db.orange.com"));
    assert_eq!(role("viewer"), rights);
}

#[test]
fn operations_are_seen_and_requested() {
    let mut changed = json!({ "status": { "operations": [{ "kind": "flush", "id": "a", "phase": "Succeeded", "message": "done" }] } });
    merge(
        &mut changed,
        &json!({ "metadata": { "resourceVersion": "101" } }),
    );
    let api = Api::cluster(fixture("healthy.yaml"), vec![changed]);
    let shown = run(&api, &["flush", "demo", "--id", "a", "--wait"]);
    assert!(shown.contains("exit code 0"), "{shown}");
    let mut rights = asked(&api);
    // Names the nearest cluster when there is none of that name.
    rights.insert(right("list", "cassandraclusters", "db.orange.com"));
    let role = role("operations").into_iter();
    // Only the policy casskop-permissions reads the verb.
    let role: Rights = role
        .filter(|right| !right.starts_with("request "))
        .collect();
    assert_eq!(role, rights);
}

#[test]
fn details_are_what_stands_beside_a_cluster() {
    let mut rights = Rights::new();
    for (api, arguments) in [
        (
            explain::with_operator(fixture("healthy.yaml"), &[true]),
            &["explain", "demo"][..],
        ),
        (events::with_events(), &["events", "demo", "--watch"]),
        (logs::with_logs(), &["logs", "demo"]),
        (logs::with_logs(), &["logs", "demo", "--operator"]),
        (complete::api(), &["__complete", "status", "-n", ""]),
        (complete::api(), &["__complete", "status", ""]),
    ] {
        run(&api, arguments);
        rights.extend(asked(&api));
    }
    assert_eq!(role("details"), rights);
}

#[test]
fn a_dashboard_asks_for_what_viewers_see_and_whether_the_operator_runs() {
    let (api, _changes) = dashboard::serving(vec![fixture("healthy.yaml")]);
    let page = dashboard::Dashboard::open(&api, &[]);
    page.stream(None)
        .until(|page| page["connection"]["state"] == "live");
    dashboard::eventually(|| asked(&api).contains("watch cassandraclusters.db.orange.com"));
    let mut rights = asked(&api);
    assert!(rights.remove("list pods"), "{rights:?}");
    let viewer = role("viewer");
    assert!(rights.is_subset(&viewer), "{rights:?}");
}
