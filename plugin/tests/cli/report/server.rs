//! A server of one small cluster, whose operator is in another namespace.

use serde_json::{Value, json};

use crate::{
    fake::{Asked, Reply, list, merge, not_found},
    run::fixture,
};

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
