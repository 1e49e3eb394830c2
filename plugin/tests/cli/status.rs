//! `status` through the API server; how a cluster is drawn is tested beside the code that draws.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::json;

use crate::{
    fake::{Api, Reply, failure, list, merge, not_found},
    run::{binary, fixture, kubeconfig, run, run_with},
};

#[test]
fn a_cluster() {
    let api = Api::cluster(fixture("operating.yaml"), Vec::new());
    insta::assert_snapshot!(run(&api, &["status", "demo"]));
}

#[test]
fn colours_are_asked_for_and_forbidden() {
    let api = || Api::cluster(fixture("healthy.yaml"), Vec::new());
    let coloured =
        |arguments: &[&str], environment| run_with(&api(), arguments, environment).contains('\x1b');
    assert!(coloured(&["status", "demo", "--color=always"], &[]));
    assert!(coloured(
        &["--color", "always", "status", "demo"],
        &[("NO_COLOR", "1")]
    ));
    assert!(!coloured(&["status", "demo"], &[]));
    assert!(!coloured(&["status", "demo", "--color=never"], &[]));
}

#[test]
fn as_yaml_json_and_name() {
    let mut cluster = fixture("new.yaml");
    cluster["metadata"]["managedFields"] = json!([{ "manager": "kubectl" }]);
    let api = || Api::cluster(cluster.clone(), Vec::new());
    let shown =
        ["yaml", "json", "name"].map(|format| run(&api(), &["status", "demo", "-o", format]));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn all_clusters() {
    let api = || {
        Api::start(|_| {
            let other = fixture("growing.yaml")
                .to_string()
                .replace("demo", "a-longer-name")
                .replace("shop", "other");
            let other = serde_json::from_str(&other).unwrap();
            let mut new = fixture("new.yaml");
            merge(&mut new, &json!({ "metadata": { "name": "new" } }));
            Reply::Json(200, list(&[&new, &fixture("operating.yaml"), &other]))
        })
    };
    let shown = [
        vec!["status"],
        vec!["status", "-A"],
        vec!["status", "-A", "-o", "name"],
    ]
    .map(|arguments| run(&api(), &arguments));
    insta::assert_snapshot!(shown.join("\n"));
}

/// One nests deeper than is read, as `config` may; one has another type in a field.
#[test]
fn a_cluster_that_cannot_be_read_hides_no_other() {
    let shown = [
        ["status"].as_slice(),
        &["status", "-o", "name"],
        &["status", "dem"],
    ];
    let shown = shown.map(|arguments| {
        let api = Api::start(|asked| {
            if asked.path.ends_with("/dem") {
                return not_found(asked);
            }
            let mut deep = fixture("new.yaml");
            let nested = (0..126).fold(json!(1), |inner, _| json!({ "a": inner }));
            let change = json!({ "metadata": { "name": "deep" }, "spec": { "config": nested } });
            merge(&mut deep, &change);
            let mut wrong = fixture("new.yaml");
            merge(
                &mut wrong,
                &json!({ "metadata": { "name": "wrong" }, "spec": { "nodesPerRacks": "two" } }),
            );
            Reply::Json(200, list(&[&deep, &fixture("operating.yaml"), &wrong]))
        });
        run(&api, arguments)
    });
    insta::assert_snapshot!(shown.join("\n"));
}

/// The first watch breaks, the second is too old, then changes come and at last the cluster is deleted.
#[test]
fn a_watch_survives_and_ends_with_the_cluster() {
    let mut watches = 0;
    let api = Api::start(move |asked| {
        let cluster = fixture("new.yaml");
        let mut changed = cluster.clone();
        merge(
            &mut changed,
            &json!({ "metadata": { "resourceVersion": "101" }, "status": { "phase": "Initializing" } }),
        );
        if !asked.path.contains("watch=true") {
            return Reply::Json(200, if watches == 0 { cluster } else { changed });
        }
        watches += 1;
        match watches {
            1 => failure(500, "InternalError", "the server is shutting down"),
            2 => Reply::Watch(
                vec![
                    json!({ "type": "ERROR", "object": { "kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version" } }),
                ],
                false,
            ),
            3 => Reply::Watch(Vec::new(), true),
            _ => {
                let mut deleted = changed.clone();
                merge(
                    &mut changed,
                    &json!({ "metadata": { "resourceVersion": "102" }, "status": { "phase": "Running" } }),
                );
                merge(
                    &mut deleted,
                    &json!({ "metadata": { "resourceVersion": "103" } }),
                );
                Reply::Watch(
                    vec![
                        json!({ "type": "MODIFIED", "object": changed }),
                        json!({ "type": "DELETED", "object": deleted }),
                    ],
                    false,
                )
            }
        }
    });
    let shown = run(&api, &["status", "demo", "--watch"]);
    insta::assert_snapshot!(shown);
}

#[test]
fn a_reader_that_goes_away_ends_the_watch() {
    let changes = (0..50)
        .map(|n| json!({ "status": { "lastClusterAction": format!("Action{n}") } }))
        .collect();
    let api = Api::cluster(fixture("healthy.yaml"), changes);
    let config = kubeconfig(&api.address.to_string());
    let mut child = binary(&["status", "demo", "--watch"])
        .env("KUBECONFIG", config)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.starts_with("demo in namespace shop"));
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(1), &b""[..])
    );
}
