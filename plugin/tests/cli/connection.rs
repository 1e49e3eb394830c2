//! Objects that cannot be reached, do not exist, or are not allowed: each is reported with the next step, never exit 0.

use std::net::TcpListener;

use crate::{
    fake::{Api, Asked, Reply, failure, list, merge, not_found},
    run::{binary, file, fixture, kubeconfig, run, run_alone, show},
};

fn forbidden(verb: &'static str) -> Api {
    Api::start(move |asked| {
        let asked_verb = match asked.method.as_str() {
            "PATCH" => "patch",
            _ if asked.path.contains("watch=true") => "watch",
            _ if asked.path.ends_with("/demo") => "get",
            _ => "list",
        };
        if asked_verb != verb {
            let mut cluster = fixture("healthy.yaml");
            merge(&mut cluster, &asked.body);
            return Reply::Json(200, cluster);
        }
        let what = format!(
            "cassandraclusters.db.orange.com \"demo\" is forbidden: User \"jane\" cannot {verb} resource \"cassandraclusters\" in API group \"db.orange.com\" in the namespace \"shop\""
        );
        failure(403, "Forbidden", &what)
    })
}

#[test]
fn without_the_permission_to_get() {
    insta::assert_snapshot!(run(&forbidden("get"), &["status", "demo"]));
}

#[test]
fn without_the_permission_to_list() {
    insta::assert_snapshot!(run(&forbidden("list"), &["status", "-A"]));
}

#[test]
fn without_the_permission_to_patch() {
    insta::assert_snapshot!(run(&forbidden("patch"), &["cleanup", "demo", "--id", "a"]));
}

#[test]
fn without_the_permission_to_watch() {
    insta::assert_snapshot!(run(
        &forbidden("watch"),
        &["cleanup", "demo", "--id", "a", "--wait"]
    ));
}

#[test]
fn refused_by_admission() {
    let api = Api::start(|asked| match asked.method.as_str() {
        "PATCH" => failure(
            422,
            "Invalid",
            "cassandraclusters.db.orange.com \"demo\" is forbidden: ValidatingAdmissionPolicy 'casskop-operations' denied request: only team-db may request operations",
        ),
        _ => Reply::Json(200, fixture("healthy.yaml")),
    });
    insta::assert_snapshot!(run(&api, &["cleanup", "demo", "--id", "a"]));
}

#[test]
fn without_valid_credentials() {
    let api = Api::start(|_| failure(401, "Unauthorized", "Unauthorized"));
    insta::assert_snapshot!(run(&api, &["status", "demo"]));
}

#[test]
fn with_an_expired_token_of_an_auth_provider() {
    let api = Api::start(|_| failure(401, "Unauthorized", "Unauthorized"));
    let config = std::fs::read_to_string(kubeconfig(&api.address.to_string())).unwrap();
    let config = file(&config.replace(
        "{ token: s3cr3t }",
        "{ auth-provider: { name: oidc, config: { id-token: s3cr3t } } }",
    ));
    let output = binary(&["status", "demo"])
        .env("KUBECONFIG", config)
        .output()
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("provider oidc"), "{message}");
    assert!(message.contains("kubectl version"), "{message}");
    let headers = &api.asked()[0].headers;
    assert!(
        headers.contains(&"authorization: Bearer s3cr3t".into()),
        "{headers:?}"
    );
}

/// Knows no cluster of the asked name, but `items`.
fn other_clusters(names: &'static [&'static str]) -> Api {
    Api::start(move |asked: &Asked| {
        if !asked.path.contains("/cassandraclusters?")
            && !asked.path.ends_with("/cassandraclusters")
        {
            return not_found(asked);
        }
        let items: Vec<_> = names
            .iter()
            .map(|name| {
                let mut cluster = fixture("healthy.yaml");
                cluster["metadata"]["name"] = (*name).into();
                cluster
            })
            .collect();
        Reply::Json(200, list(&items.iter().collect::<Vec<_>>()))
    })
}

#[test]
fn a_mistyped_cluster() {
    insta::assert_snapshot!(run(
        &other_clusters(&["demo", "orders"]),
        &["cleanup", "dmeo", "--id", "a"]
    ));
}

#[test]
fn an_unknown_cluster() {
    insta::assert_snapshot!(run(
        &other_clusters(&["orders", "users"]),
        &["status", "billing"]
    ));
}

#[test]
fn a_cluster_in_an_empty_namespace() {
    insta::assert_snapshot!(run(&other_clusters(&[]), &["status", "demo"]));
}

#[test]
fn no_cluster_at_all() {
    insta::assert_snapshot!(run(&other_clusters(&[]), &["status"]));
}

#[test]
fn casskop_is_not_installed() {
    let api = Api::start(|_| Reply::Text(404, "404 page not found\n"));
    insta::assert_snapshot!(run(&api, &["cleanup", "demo", "--id", "a"]));
}

#[test]
fn the_server_fails() {
    let api = Api::start(|_| failure(500, "InternalError", "etcdserver: no leader"));
    insta::assert_snapshot!(run(&api, &["status", "demo"]));
}

#[test]
fn the_server_is_silent() {
    let api = Api::start(|asked| {
        if asked.method == "PATCH" {
            Reply::Silence
        } else {
            Reply::Json(200, fixture("healthy.yaml"))
        }
    });
    insta::assert_snapshot!(run(
        &api,
        &["cleanup", "demo", "--id", "a", "--request-timeout", "2s"]
    ));
}

#[test]
fn the_server_is_not_there() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let config = kubeconfig(&address);
    let arguments = ["cleanup", "demo", "--id", "a"];
    let output = binary(&arguments)
        .env("KUBECONFIG", &config)
        .output()
        .unwrap();
    let shown = show(&arguments, &output, &[]);
    let shown = shown
        .replace(&address, "SERVER")
        .replace(&config.display().to_string(), "KUBECONFIG");
    insta::assert_snapshot!(shown);
}

#[test]
fn no_kubeconfig() {
    insta::assert_snapshot!(run_alone(&["status", "demo"], &[("HOME", "/nonexistent")]));
}

#[test]
fn an_unknown_context() {
    let api = other_clusters(&["demo"]);
    insta::assert_snapshot!(run(&api, &["status", "demo", "--context", "tset"]));
}

#[test]
fn an_unknown_user() {
    insta::assert_snapshot!(run(
        &other_clusters(&["demo"]),
        &["status", "demo", "--user", "joe"]
    ));
}

#[test]
fn a_broken_kubeconfig_is_not_quoted() {
    let config = file("users:\n- name: jane\n  user: { token: s3cr3t, exec: [s3cr3t }\n");
    let shown = run_alone(
        &["status", "demo"],
        &[("KUBECONFIG", config.to_str().unwrap())],
    );
    assert!(!shown.contains("s3cr3t"), "{shown}");
    insta::assert_snapshot!(shown.replace(config.to_str().unwrap(), "KUBECONFIG"));
}

#[test]
fn a_failing_credential_program_is_told_but_not_its_output() {
    let config = file(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
        clusters:\n- name: here\n  cluster: { server: 'http://127.0.0.1:1' }\n\
        contexts:\n- name: test\n  context: { cluster: here, user: jane }\n\
        users:\n- name: jane\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      interactiveMode: Never\n      \
        command: /bin/sh\n      args: [-c, 'echo s3cr3t; echo log in first >&2; exit 3']\n      installHint: see the handbook\n",
    );
    let shown = run_alone(
        &["status", "demo"],
        &[("KUBECONFIG", config.to_str().unwrap())],
    );
    assert!(!shown.contains("s3cr3t"), "{shown}");
    insta::assert_snapshot!(shown.replace(config.to_str().unwrap(), "KUBECONFIG"));
}

#[test]
fn a_list_of_kubeconfigs_is_merged() {
    let api = Api::cluster(fixture("healthy.yaml"), Vec::new());
    let first = file(
        "apiVersion: v1\nkind: Config\ncurrent-context: merged\ncontexts:\n- name: merged\n  context: { cluster: here, namespace: shop }\n",
    );
    let second = kubeconfig(&api.address.to_string());
    let list = format!("{}:/nonexistent:{}", first.display(), second.display());
    let output = binary(&["status", "demo", "-o", "name"])
        .env("KUBECONFIG", list)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "cassandracluster.db.orange.com/demo\n"
    );
    assert!(
        api.asked()[0]
            .headers
            .iter()
            .all(|header| !header.starts_with("authorization"))
    );
}

#[test]
fn flags_without_a_kubeconfig_and_acting_as_another() {
    let api = Api::cluster(fixture("healthy.yaml"), Vec::new());
    let server = format!("http://{}", api.address);
    let arguments = [
        "status",
        "demo",
        "-o",
        "name",
        "-n",
        "shop",
        "--server",
        &server,
        "--token",
        "t",
        "--as",
        "joe",
        "--as-group",
        "a",
        "--as-group",
        "b",
    ];
    let output = binary(&arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let asked = &api.asked()[0];
    assert_eq!(
        asked.path,
        "/apis/db.orange.com/v2/namespaces/shop/cassandraclusters/demo"
    );
    for header in [
        "authorization: Bearer t",
        "impersonate-user: joe",
        "impersonate-group: a",
        "impersonate-group: b",
    ] {
        assert!(
            asked.headers.contains(&header.into()),
            "{header} in {:?}",
            asked.headers
        );
    }
}
