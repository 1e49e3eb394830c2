//! `multi`: two API servers, of the home cluster and of a site, and what is asked of each.

use std::{collections::BTreeMap, fs, path::PathBuf};

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::{
    fake::{Api, Asked, Reply, failure, merge, not_found},
    run::{binary, file, fixture, show},
};

/// The token of the site's account; it must never be seen.
const TOKEN: &str = "t0p-s3cr3t";

/// An API server that keeps what it is given, and makes tokens when they are asked for a second time.
fn keeper(objects: &[(&str, Value)]) -> Api {
    let named = objects.iter().cloned();
    let mut kept: BTreeMap<String, Value> = named
        .map(|(path, object)| (path.to_owned(), object))
        .collect();
    let mut version = 100;
    Api::start(move |asked| {
        version += 1;
        let (path, _) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        match asked.method.as_str() {
            "GET" if path.ends_with("/multicasskops") => {
                let items: Vec<&Value> = kept
                    .iter()
                    .filter(|(key, _)| key.contains("/multicasskops/"))
                    .map(|(_, ring)| ring)
                    .collect();
                Reply::Json(
                    200,
                    json!({ "apiVersion": "db.orange.com/v2", "kind": "MultiCasskopList", "metadata": {}, "items": items }),
                )
            }
            "GET" if !kept.contains_key(path) => not_found(asked),
            "GET" => {
                let answer = kept[path].clone();
                if path.ends_with("/casskop-multi-token") {
                    fill(&mut kept, path);
                }
                Reply::Json(200, answer)
            }
            "POST" => {
                let name = asked.body["metadata"]["name"].as_str().unwrap();
                kept.insert(format!("{path}/{name}"), asked.body.clone());
                Reply::Json(201, asked.body.clone())
            }
            "PATCH" => patch(&mut kept, path, asked, version),
            _ => kept.remove(path).map_or_else(
                || not_found(asked),
                |_| Reply::Json(200, json!({ "kind": "Status", "status": "Success" })),
            ),
        }
    })
}

fn patch(kept: &mut BTreeMap<String, Value>, path: &str, asked: &Asked, version: u64) -> Reply {
    let applied = asked.path.contains("fieldManager=casskop-plugin");
    assert!(applied, "{}", asked.path);
    let object = kept
        .entry(path.to_owned())
        .or_insert(json!({ "metadata": { "uid": "uid-1" } }));
    let seen = &asked.body["metadata"]["resourceVersion"];
    if !seen.is_null() && seen != &object["metadata"]["resourceVersion"] {
        return failure(409, "Conflict", "the object has been modified");
    }
    merge(object, &asked.body);
    object["metadata"]["resourceVersion"] = version.to_string().into();
    Reply::Json(200, object.clone())
}

/// The token controller.
fn fill(kept: &mut BTreeMap<String, Value>, path: &str) {
    let secret = kept.get_mut(path).unwrap();
    secret["metadata"]["annotations"]["kubernetes.io/service-account.uid"] = "uid-1".into();
    let bytes = |text: &str| json!(ByteString(text.as_bytes().to_vec()));
    secret["data"] = json!({ "token": bytes(TOKEN), "ca.crt": bytes("PEM") });
}

/// Where the Secret of sites is.
const SITES: &str = "/api/v1/namespaces/shop/secrets/casskop-multi-sites";

/// The Secret with these sites.
fn sites(of: &[(&str, &str)]) -> (&'static str, Value) {
    let data: BTreeMap<&str, ByteString> = of
        .iter()
        .map(|(site, text)| (*site, ByteString(text.as_bytes().to_vec())))
        .collect();
    (
        SITES,
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "casskop-multi-sites", "resourceVersion": "7" }, "data": data }),
    )
}

/// A kubeconfig as it was registered.
fn registered(server: &str, token: &str) -> String {
    json!({ "clusters": [{ "cluster": { "server": server } }], "users": [{ "user": { "token": token } }] }).to_string()
}

/// A ring that has sites north, south, west and zoo.
fn ring() -> (&'static str, Value) {
    (
        "/apis/db.orange.com/v2/namespaces/shop/multicasskops/orders",
        fixture("multi.yaml"),
    )
}

/// Runs a command with both servers in the kubeconfig; shows what was asked of each, and that no token was seen.
fn run(home: &Api, site: &Api, arguments: &[&str]) -> String {
    let config = file(&format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: home\n\
         clusters:\n- name: home\n  cluster: {{ server: 'http://{}' }}\n- name: south\n  cluster: {{ server: 'http://{}' }}\n\
         users:\n- name: jane\n  user: {{ token: s3cr3t }}\n\
         contexts:\n- name: home\n  context: {{ cluster: home, user: jane, namespace: shop }}\n\
         - name: south\n  context: {{ cluster: south, user: jane }}\n\
         - name: 'arn:south/1'\n  context: {{ cluster: south, user: jane }}\n",
        home.address, site.address
    ));
    let output = binary(arguments)
        .env("KUBECONFIG", &config)
        .output()
        .unwrap();
    let printed = [&output.stdout[..], &output.stderr[..]].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert!(
        !printed.contains("s3cr3t"),
        "a secret is printed:\n{printed}"
    );
    let there: String = show(&[], &output, &site.asked())
        .split_once("--- exit code ")
        .and_then(|(_, rest)| rest.split_once('\n'))
        .map(|(_, asked)| asked.to_owned())
        .unwrap();
    let shown = show(arguments, &output, &home.asked()) + "--- in the site\n" + &there;
    shown
        .replace(&home.address.to_string(), "HOME")
        .replace(&site.address.to_string(), "SITE")
        .replace(&config.display().to_string(), "KUBECONFIG")
        .lines()
        .map(hidden)
        .collect()
}

/// Kubeconfigs hold the address of the server, which is another one each time; they are looked at elsewhere.
fn hidden(line: &str) -> String {
    match line.split_once("\"south\":\"") {
        Some((before, after)) => {
            let (_, after) = after.split_once('"').unwrap();
            format!("{before}\"south\":\"…\"{after}\n")
        }
        None => format!("{line}\n"),
    }
}

/// The kubeconfig of a site, as written.
fn written(home: &Api) -> Value {
    let asked = home.asked();
    let body = &asked.last().unwrap().body;
    let ByteString(bytes) = serde_json::from_value(body["data"]["south"].clone()).unwrap();
    serde_saphyr::from_str(&String::from_utf8(bytes).unwrap()).unwrap()
}

const REGISTER: [&str; 4] = ["multi", "register", "--site-context", "south"];

#[test]
fn the_first_site() {
    let (home, site) = (keeper(&[]), keeper(&[]));
    insta::assert_snapshot!(run(&home, &site, &REGISTER));
    let server = format!("http://{}", site.address);
    assert_eq!(
        written(&home)["clusters"][0]["cluster"],
        json!({ "server": server })
    );
    assert_eq!(written(&home)["users"][0]["user"]["token"], TOKEN);
    assert_eq!(
        written(&home)["contexts"][0]["context"]["namespace"],
        "shop"
    );
}

#[test]
fn a_further_site_at_an_address_of_its_own_and_again() {
    let (home, site) = (keeper(&[sites(&[("west", "kept")])]), keeper(&[]));
    let arguments = [
        &REGISTER[..],
        &[
            "--site-namespace",
            "ring",
            "--site-server",
            "https://10.0.2.1:6443",
        ],
    ]
    .concat();
    insta::assert_snapshot!(run(&home, &site, &arguments));
    let first = written(&home);
    // The cluster's own authority, as "PEM" in base64.
    assert_eq!(
        first["clusters"][0]["cluster"],
        json!({ "server": "https://10.0.2.1:6443", "certificate-authority-data": "UEVN" })
    );
    let again = run(&home, &site, &arguments);
    assert!(again.contains("exit code 0"), "{again}");
    assert_eq!(written(&home), first);
}

#[test]
fn a_dry_run_asks_nobody() {
    let (home, site) = (keeper(&[]), keeper(&[]));
    let shown = run(&home, &site, &[&REGISTER[..], &["--dry-run"]].concat());
    assert!(home.asked().is_empty() && site.asked().is_empty());
    insta::assert_snapshot!(shown);
}

#[test]
fn what_is_not_registered() {
    let elsewhere = registered("https://10.9.9.9:6443", TOKEN);
    let known = [sites(&[("south", elsewhere.as_str())])];
    let missing = || Api::start(|_| failure(404, "NotFound", "namespaces \"shop\" not found"));
    let shown = [
        run(&keeper(&known), &keeper(&[]), &REGISTER),
        run(&keeper(&[]), &missing(), &REGISTER),
        run(
            &keeper(&[]),
            &keeper(&[]),
            &["multi", "register", "--site-context", "home"],
        ),
        run(
            &keeper(&[]),
            &keeper(&[]),
            &["multi", "register", "--site-context", "arn:south/1"],
        ),
        run(
            &keeper(&[]),
            &keeper(&[]),
            &["multi", "register", "--site-context", "suoth"],
        ),
        run(
            &keeper(&[]),
            &keeper(&[]),
            &["multi", "register", "../x", "--site-context", "south"],
        ),
        run(
            &keeper(&[]),
            &keeper(&[]),
            &[&REGISTER[..], &["--site-server", "10.0.0.1"]].concat(),
        ),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn somebody_else_registers_at_the_same_time() {
    let secret = sites(&[]).1;
    let home = Api::start(move |asked| match asked.method.as_str() {
        "GET" => Reply::Json(200, secret.clone()),
        _ => failure(409, "Conflict", "the object has been modified"),
    });
    let shown = run(&home, &keeper(&[]), &REGISTER);
    assert!(shown.contains("exit code 1"), "{shown}");
    assert!(shown.contains("the object has been modified"), "{shown}");
}

#[test]
fn a_site_goes_with_its_account_or_without() {
    let way = registered("https://10.0.2.1:6443", TOKEN);
    let known = || keeper(&[sites(&[("south", way.as_str()), ("west", "kept")])]);
    let site = keeper(&[]);
    run(&keeper(&[]), &site, &REGISTER);
    let before = site.asked().len();
    let home = known();
    let arguments = ["multi", "unregister", "south", "--site-context", "south"];
    run(&home, &site, &arguments);
    let deleted: Vec<String> = site.asked()[before..]
        .iter()
        .map(|asked| format!("{} {}\n", asked.method, asked.path))
        .collect();
    insta::assert_snapshot!(run(&known(), &keeper(&[]), &arguments[..3]) + &deleted.concat());
    let removed = home.asked().last().unwrap().body.clone();
    assert_eq!(
        removed,
        json!({ "metadata": { "resourceVersion": "7" }, "data": { "south": null } })
    );
}

#[test]
fn what_is_not_unregistered() {
    let way = registered("https://10.0.2.1:6443", "another token");
    let known = sites(&[("south", way.as_str())]);
    let used = keeper(&[ring(), known.clone()]);
    let mut leaving = ring();
    leaving.1["spec"]["override"] = json!({ "north": {} });
    let leaving = keeper(&[leaving, known.clone()]);
    let site = keeper(&[]);
    run(&keeper(&[]), &site, &REGISTER);
    let asked = site.asked().len();
    let unregister = ["multi", "unregister", "south"];
    let there = ["multi", "unregister", "south", "--site-context", "south"];
    let shown = [
        run(&used, &keeper(&[]), &unregister),
        run(&leaving, &keeper(&[]), &unregister),
        run(
            &keeper(&[sites(&[("west", "")])]),
            &keeper(&[]),
            &unregister,
        ),
    ];
    insta::assert_snapshot!(shown.join("\n"));
    let other = run(&keeper(&[known]), &site, &there);
    assert!(other.contains("is not that of site south"), "{other}");
    assert!(
        site.asked()[asked..]
            .iter()
            .all(|asked| asked.method == "GET")
    );
}

#[test]
fn a_ring_and_all() {
    let shown = [
        &["multi", "status", "orders"][..],
        &["multi", "status"],
        &["multi", "status", "orders", "-o", "name"],
        &["multi", "status", "-o", "name"],
        &["multi", "status", "oders"],
    ]
    .map(|arguments| run(&keeper(&[ring()]), &keeper(&[]), arguments));
    let none = run(&keeper(&[]), &keeper(&[]), &["multi", "status"]);
    let unknown = Api::start(|_| Reply::Text(404, "404 page not found\n"));
    let unknown = run(&unknown, &keeper(&[]), &["multi", "status"]);
    insta::assert_snapshot!(shown.join("\n") + "\n" + &none + "\n" + &unknown);
}

#[test]
fn a_ring_for_programs() {
    let output = |format| {
        let shown = run(
            &keeper(&[ring()]),
            &keeper(&[]),
            &["multi", "status", "orders", "-o", format],
        );
        let (_, rest) = shown.split_once('\n').unwrap();
        rest.split_once("--- exit code 0").unwrap().0.to_owned()
    };
    let json: Value = serde_json::from_str(&output("json")).unwrap();
    let yaml: Value = serde_saphyr::from_str(&output("yaml")).unwrap();
    assert_eq!(json, yaml);
    assert_eq!(json["status"]["sites"][1]["reachability"], "Unknown");
}

/// The account of a site may do in it what the operator may at home as a site.
#[test]
fn every_site_grants_the_same() {
    let (home, site) = (keeper(&[]), keeper(&[]));
    run(&home, &site, &REGISTER);
    let asked = site.asked();
    let role = asked
        .iter()
        .find(|asked| asked.path.contains("/roles/"))
        .unwrap();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../manifests/multi/rbac.yaml");
    let objects: Vec<Value> =
        serde_saphyr::from_multiple(&fs::read_to_string(path).unwrap()).unwrap();
    let at_home = objects
        .iter()
        .find(|object| object["kind"] == "Role")
        .unwrap();
    let at_home = at_home["rules"].as_array().unwrap();
    let own = |rule: &&Value| {
        let resource = rule["resources"][0].as_str().unwrap();
        let is_home = rule["resources"] == json!(["configmaps"]) && rule["verbs"] != json!(["get"]);
        !resource.starts_with("multicasskops")
            && !["events", "leases"].contains(&resource)
            && !is_home
    };
    let as_site: Vec<&Value> = at_home.iter().filter(own).collect();
    assert_eq!(json!(as_site), role.body["rules"]);
}
