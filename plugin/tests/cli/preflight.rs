//! `install check` reads a Kubernetes cluster, writes nothing, and ends with 1 if something is in the way.

use serde_json::{Value, json};

use crate::{
    fake::{Api, Asked, Reply, failure},
    run::{binary, kubeconfig},
};

const VERSION: &str = "v1.34.4";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

fn version() -> Reply {
    let info = json!({
        "major": "1", "minor": "34", "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "",
        "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
    });
    Reply::Json(200, info)
}

/// The answer about a right.
fn reviewed(asked: &Asked, allowed: bool) -> Reply {
    let mut review = asked.body.clone();
    review["status"] = json!({ "allowed": allowed });
    Reply::Json(201, review)
}

fn list(items: &[Value]) -> Reply {
    Reply::Json(200, json!({ "metadata": {}, "items": items }))
}

fn gone() -> Reply {
    failure(404, "NotFound", "not found")
}

/// A Kubernetes cluster with a namespace and a default class, in which nothing is installed.
fn empty(asked: &Asked) -> Reply {
    let class = json!({
        "metadata": {
            "name": "standard",
            "annotations": { "storageclass.kubernetes.io/is-default-class": "true" },
        },
        "provisioner": "disk",
        "allowVolumeExpansion": true,
        "volumeBindingMode": "WaitForFirstConsumer",
    });
    let path = asked.path.split('?').next().unwrap();
    match path.rsplit('/').next().unwrap() {
        "version" => version(),
        "selfsubjectaccessreviews" => reviewed(asked, true),
        "storageclasses" => list(&[class]),
        "deployments" | "resourcequotas" => list(&[]),
        _ => gone(),
    }
}

/// The output of a check, and what it asked.
fn check(answer: impl FnMut(&Asked) -> Reply + Send + 'static, arguments: &[&str]) -> String {
    let api = Api::start(answer);
    let arguments = [&["install", "check"], arguments].concat();
    let mut command = binary(&arguments);
    command.env("KUBECONFIG", kubeconfig(&api.address.to_string()));
    let output = command.output().unwrap();
    for asked in api.asked() {
        let reads = asked.method == "GET" || asked.path.starts_with(REVIEWS);
        assert!(reads, "{} {}", asked.method, asked.path);
    }
    crate::run::show(&arguments, &output, &[])
}

#[test]
fn nothing_is_in_the_way() {
    insta::assert_snapshot!(check(empty, &[]));
}

#[test]
fn a_namespace_that_does_not_exist_and_an_operator_in_the_way() {
    let answer = |asked: &Asked| {
        if !asked.path.starts_with("/apis/apps/v1/deployments") {
            return empty(asked);
        }
        list(&[json!({
            "metadata": { "name": "casskop-operator", "namespace": "casskop" },
            "spec": { "template": { "spec": { "containers": [
                { "env": [{ "name": "WATCH_NAMESPACE", "value": "" }] },
            ] } } },
        })])
    };
    insta::assert_snapshot!(check(answer, &["-n", "ops", "--watch-namespace", "shop"]));
}

#[test]
fn a_user_of_one_namespace() {
    let answer = |asked: &Asked| match asked.path.as_str() {
        "/version" => version(),
        REVIEWS | "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews?" => {
            let has = asked.body["spec"]["resourceAttributes"]["namespace"].is_string();
            reviewed(asked, has)
        }
        path if path.contains("/namespaces/casskop/") => empty(asked),
        _ => failure(403, "Forbidden", "forbidden"),
    };
    insta::assert_snapshot!(check(answer, &[]));
}

#[test]
fn data_for_programs() {
    let text = check(empty, &["-o", "json"]);
    let json = text.split_once('\n').unwrap().1;
    let json = json.split_once("--- exit code 0").unwrap().0;
    let findings: Vec<Value> = serde_json::from_str(json).unwrap();
    assert!(findings.len() >= 7, "{findings:#?}");
    assert!(
        findings
            .iter()
            .all(|finding| finding["outcome"] == "Passed")
    );
}

#[test]
fn an_api_server_that_is_not_there() {
    let config = kubeconfig("127.0.0.1:1");
    let arguments = ["install", "check"];
    let mut command = binary(&arguments);
    let output = command.env("KUBECONFIG", &config).output().unwrap();
    let shown = crate::run::show(&arguments, &output, &[]);
    insta::assert_snapshot!(shown.replace(&config.display().to_string(), "KUBECONFIG"));
}
