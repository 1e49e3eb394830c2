//! Kubeconfigs that the real `kubectl` accepts, the plugin accepts: both read the same files, side by side, and call the
//! real API server.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use casskop_e2e::{
    Space,
    agents::Tunnel,
    command::{self, Output, setting},
    kubectl::json as parse,
    space::workspace,
};
use serde_json::{Value, json};

const SPACE: &str = "e2e-kubeconfig";

/// A condition of a credential plugin: a word is typed on the terminal.
const ASKS: &str = r#"[ -t 0 ] && read -r word && [ "$word" = open ]"#;
/// The beginning of a condition of a credential plugin: whether it was told that there is a terminal.
const INFORMED: &str = r#"echo "$KUBERNETES_EXEC_INFO" | grep -q '"interactive": *'"#;

/// Answers for `kubectl` and the plugin that must be the same for a kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Both list clusters.
    Works,
    /// Both end with an error.
    Fails,
    /// The plugin lists clusters, where `kubectl` demands more.
    PluginOnly,
}
use Answer::{Fails, PluginOnly, Works};

/// A kubeconfig, or several that are merged.
#[derive(Clone)]
struct Case {
    name: &'static str,
    answer: Answer,
    /// Files with their content, in a folder of the case.
    files: Vec<(&'static str, String)>,
    /// `$KUBECONFIG`, with `{}` in place of the folder.
    list: &'static str,
    /// A line that is typed on the terminal of both; without one there is no terminal.
    typed: Option<&'static str>,
}

fn case(name: &'static str, answer: Answer, config: &Value) -> Case {
    Case {
        name,
        answer,
        files: vec![("config", config.to_string())],
        list: "{}/config",
        typed: None,
    }
}

impl Case {
    fn file(mut self, name: &'static str, content: impl Into<String>) -> Self {
        self.files.push((name, content.into()));
        self
    }

    fn list(self, list: &'static str) -> Self {
        Self { list, ..self }
    }

    fn typed(self, line: &'static str) -> Self {
        Self {
            typed: Some(line),
            ..self
        }
    }

    fn written(&self, folder: &Path) -> String {
        let _ = fs::remove_dir_all(folder);
        for (name, content) in &self.files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is writable");
            fs::write(&path, content).expect("the folder is writable");
            if content.starts_with("#!") {
                let executable = fs::Permissions::from_mode(0o755);
                fs::set_permissions(&path, executable).expect("the file is ours");
            }
        }
        self.list.replace("{}", &folder.to_string_lossy())
    }
}

/// Server, authority and credentials that the cases combine.
struct Parts {
    server: String,
    authority: String,
    admin: Value,
    token: String,
}

impl Parts {
    fn cluster(&self) -> Value {
        json!({ "server": self.server, "certificate-authority-data": self.authority })
    }

    fn config(&self, user: &Value) -> Value {
        self.with(&self.cluster(), user)
    }

    #[expect(clippy::unused_self, reason = "reads as the other parts")]
    fn with(&self, cluster: &Value, user: &Value) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{ "name": "c", "cluster": cluster }],
            "users": [{ "name": "u", "user": user }],
            "contexts": [{ "name": "here", "context": { "cluster": "c", "user": "u" } }],
        })
    }

    /// The configuration with another value at a key of the cluster.
    fn cluster_with(&self, key: &str, value: impl Into<Value>) -> Value {
        let mut cluster = self.cluster();
        cluster[key] = value.into();
        self.with(&cluster, &json!({ "token": self.token }))
    }

    fn through(&self, proxy: &str) -> Value {
        self.cluster_with("proxy-url", proxy)
    }

    fn login(&self, more: &Value) -> Value {
        let mut exec = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "command": "./login",
            "interactiveMode": "Never",
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            exec[key] = value.clone();
        }
        self.config(&json!({ "exec": exec }))
    }

    /// A credential plugin; `condition` decides whether it has credentials.
    fn script(&self, condition: &str) -> String {
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "status": { "token": self.token },
        });
        format!("#!/bin/sh\n{condition} || exit 1\ncat <<'END'\n{credential}\nEND\n")
    }
}

fn decode(data: &Value) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let bytes = STANDARD.decode(data.as_str().expect("a text"));
    String::from_utf8(bytes.expect("base64")).expect("PEM")
}

/// Base64 in lines, as `base64` prints it.
fn in_lines(text: &str) -> String {
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).expect("base64"))
        .collect();
    lines.join("\n") + "\n"
}

fn parts(space: &Space) -> Parts {
    let kubectl = &space.kubectl;
    let roles = workspace().join("manifests/rbac/viewer.yaml");
    kubectl.ok(&["apply", "-f", &roles.to_string_lossy()]);
    kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "reader" },
    }));
    kubectl.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "reader" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "casskop-viewer" },
        "subjects": [{ "kind": "ServiceAccount", "name": "reader" }],
    }));
    let config = parse(&kubectl.ok(&["config", "view", "--raw", "--minify", "-o", "json"]));
    let cluster = &config["clusters"][0]["cluster"];
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    Parts {
        server: text(&cluster["server"]),
        authority: text(&cluster["certificate-authority-data"]),
        admin: config["users"][0]["user"].clone(),
        token: kubectl.ok(&["create", "token", "reader"]).trim().to_owned(),
    }
}

fn credentials(parts: &Parts) -> Vec<Case> {
    let token = json!({ "token": parts.token });
    let files = json!({ "client-certificate": "pki/admin.crt", "client-key": "pki/admin.key" });
    let empty = json!({
        "token": "", "tokenFile": "", "username": "", "password": "", "client-certificate": "",
        "client-key": "", "as": "",
        "exec": parts.login(&json!({}))["users"][0]["user"]["exec"],
    });
    vec![
        case("token", Works, &parts.config(&token)),
        case("no credentials", Fails, &parts.config(&json!({}))),
        case("wrong token", Fails, &parts.config(&json!({ "token": "no" }))),
        case("user name and password", Fails, &parts.config(&json!({ "username": "a", "password": "b" }))),
        case("client certificate", Works, &parts.config(&parts.admin)),
        case("client certificate in files, relative to the kubeconfig", Works, &parts.config(&files))
            .file("pki/admin.crt", decode(&parts.admin["client-certificate-data"]))
            .file("pki/admin.key", decode(&parts.admin["client-key-data"])),
        case("client certificate in lines of base64", Works, &parts.config(&json!({
            "client-certificate-data": in_lines(parts.admin["client-certificate-data"].as_str().expect("a text")),
            "client-key-data": in_lines(parts.admin["client-key-data"].as_str().expect("a text")),
        }))),
        case("token file", Works, &parts.config(&json!({ "tokenFile": "token" }))).file("token", &*parts.token),
        case("token file with a line break", Works, &parts.config(&json!({ "tokenFile": "token" })))
            .file("token", format!("{}\n", parts.token)),
        case("token file beside an old token", Works, &parts.config(&json!({ "token": "old", "tokenFile": "token" })))
            .file("token", &*parts.token),
        case("missing token file", Fails, &parts.config(&json!({ "tokenFile": "token" }))),
        case("credential plugin beside empty values", Works, &parts.config(&empty)).file("login", parts.script("true")),
        case("credential plugin, relative to the kubeconfig", Works, &parts.login(&json!({})))
            .file("login", parts.script("true")),
        case("credential plugin with arguments and environment", Works, &parts.login(&json!({
            "args": ["a b", "c"], "env": [{ "name": "LEVEL", "value": "" }, { "name": "REALM", "value": "x" }],
        }))).file("login", parts.script(r#"[ "$1/$2/$REALM/$LEVEL" = "a b/c/x/" ]"#)),
        case("credential plugin of v1beta1", Works, &parts.login(&json!({
            "apiVersion": "client.authentication.k8s.io/v1beta1",
        }))).file("login", parts.script("true").replace("k8s.io/v1", "k8s.io/v1beta1")),
        case("credential plugin that reads the cluster", Works, &parts.login(&json!({ "provideClusterInfo": true })))
            .file("login", parts.script(&format!(r#"echo "$KUBERNETES_EXEC_INFO" | grep -q '{}'"#, parts.server))),
        case("credential plugin that may use a terminal", Works, &parts.login(&json!({ "interactiveMode": "IfAvailable" })))
            .file("login", parts.script("true")),
        case("credential plugin that needs a terminal", Fails, &parts.login(&json!({ "interactiveMode": "Always" })))
            .file("login", parts.script("[ -t 0 ]")),
        case("credential plugin that needs a terminal, and does not look for it", Fails, &parts.login(&json!({
            "interactiveMode": "Always",
        }))).file("login", parts.script("true")),
        case("credential plugin that asks on the terminal", Works, &parts.login(&json!({ "interactiveMode": "Always" })))
            .file("login", parts.script(ASKS)).typed("open"),
        case("credential plugin that may ask, on the terminal", Works, &parts.login(&json!({
            "interactiveMode": "IfAvailable",
        }))).file("login", parts.script(&format!("{INFORMED}true && {ASKS}"))).typed("open"),
        case("credential plugin that may ask, without a terminal", Works, &parts.login(&json!({
            "interactiveMode": "IfAvailable",
        }))).file("login", parts.script(&format!("{INFORMED}false && ! read -r word"))),
        case("credential plugin that never asks, on a terminal", Works, &parts.login(&json!({})))
            .file("login", parts.script(&format!("{INFORMED}false && ! [ -t 0 ]"))).typed("open"),
        case("credential plugin that fails", Fails, &parts.login(&json!({}))).file("login", parts.script("false")),
        case("missing credential plugin", Fails, &parts.login(&json!({ "command": "casskop-no-such-login" }))),
        case("OpenID Connect provider with a token", Works, &parts.config(&json!({ "auth-provider": {
            "name": "oidc", "config": { "id-token": parts.token, "idp-issuer-url": "https://issuer.invalid", "client-id": "a" },
        }}))),
        case("provider that is gone", Fails, &parts.config(&json!({ "auth-provider": { "name": "azure", "config": {} } }))),
        case("impersonation", Works, &parts.config(&{
            let mut user = parts.admin.clone();
            user["as"] = json!(format!("system:serviceaccount:{SPACE}:reader"));
            user
        })),
        case("impersonation of a user without permission", Fails, &parts.config(&{
            let mut user = parts.admin.clone();
            user["as"] = json!("nobody");
            user["as-groups"] = json!(["none"]);
            user
        })),
    ]
}

fn servers(parts: &Parts) -> Vec<Case> {
    let token = json!({ "token": parts.token });
    let address = parts.server.trim_start_matches("https://");
    let (ip, port) = address.rsplit_once(':').expect("an address with a port");
    let insecure = json!({ "server": parts.server, "insecure-skip-tls-verify": true });
    let mapped = json!({
        "server": format!("https://[::ffff:{ip}]:{port}"), "insecure-skip-tls-verify": true,
    });
    vec![
        case(
            "authority in a file with blanks and a colon",
            Works,
            &parts.with(
                &json!({ "server": parts.server, "certificate-authority": "my pki: 1/ca.crt" }),
                &token,
            ),
        )
        .file("my pki: 1/ca.crt", decode(&json!(parts.authority))),
        case(
            "authority with comments",
            Works,
            &parts.with(
                &json!({ "server": parts.server, "certificate-authority": "ca.crt" }),
                &token,
            ),
        )
        .file(
            "ca.crt",
            format!(
                "# ours\nsubject=CN = ca\n{}\n",
                decode(&json!(parts.authority))
            ),
        ),
        case(
            "authority in lines of base64",
            Works,
            &parts.cluster_with("certificate-authority-data", in_lines(&parts.authority)),
        ),
        case(
            "no authority",
            Fails,
            &parts.with(&json!({ "server": parts.server }), &token),
        ),
        case("unverified server", Works, &parts.with(&insecure, &token)),
        case(
            "unverified server with an authority",
            PluginOnly,
            &parts.cluster_with("insecure-skip-tls-verify", true),
        ),
        case(
            "server with a slash at the end",
            Works,
            &parts.cluster_with("server", format!("{}/", parts.server)),
        ),
        case(
            "server without a scheme",
            Fails,
            &parts.cluster_with("server", address),
        ),
        case(
            "server with an IPv6 address",
            Works,
            &parts.with(&mapped, &token),
        ),
        case(
            "name of the server",
            Works,
            &parts.cluster_with("tls-server-name", "kubernetes.default.svc"),
        ),
        case(
            "wrong name of the server",
            Fails,
            &parts.cluster_with("tls-server-name", "example.com"),
        ),
        case("empty values of a cluster", Works, &{
            let mut cluster = parts.cluster();
            for key in ["proxy-url", "tls-server-name", "certificate-authority"] {
                cluster[key] = json!("");
            }
            parts.with(&cluster, &token)
        }),
        case(
            "proxy that is not there",
            Fails,
            &parts.cluster_with("proxy-url", "http://127.0.0.1:1"),
        ),
        case(
            "SOCKS proxy that is not there",
            Fails,
            &parts.cluster_with("proxy-url", "socks5://127.0.0.1:1"),
        ),
        case(
            "proxy of an unknown scheme",
            Fails,
            &parts.cluster_with("proxy-url", "ftp://127.0.0.1:1"),
        ),
        case("no server", Fails, &parts.cluster_with("server", "")),
    ]
}

/// Proxies that work.
fn proxies(parts: &Parts, tunnel: &Tunnel) -> Vec<Case> {
    let address = tunnel.address();
    let through = |scheme: &str| parts.through(&format!("{scheme}://{address}"));
    vec![
        case("HTTP proxy", Works, &through("http")),
        case("SOCKS proxy", Works, &through("socks5")),
        case(
            "SOCKS proxy that resolves names",
            PluginOnly,
            &through("socks5h"),
        ),
        case(
            "HTTP proxy with a user",
            Works,
            &parts.through(&format!("http://user:pass%40word@{address}")),
        ),
    ]
}

/// Paths of Windows are names of files on other systems.
fn windows_paths(parts: &Parts) -> Vec<Case> {
    let token = json!({ "token": parts.token });
    let authority = json!({ "server": parts.server, "certificate-authority": r"C:\pki\ca.crt" });
    let files = json!({ "client-certificate": r"C:\admin.crt", "client-key": r"C:\admin.key" });
    vec![
        case(
            "authority at a path of Windows",
            Works,
            &parts.with(&authority, &token),
        )
        .file(r"C:\pki\ca.crt", decode(&json!(parts.authority))),
        case(
            "missing authority at a path of Windows",
            Fails,
            &parts.with(&authority, &token),
        ),
        case(
            "client certificate at a path of Windows",
            Works,
            &parts.config(&files),
        )
        .file(
            r"C:\admin.crt",
            decode(&parts.admin["client-certificate-data"]),
        )
        .file(r"C:\admin.key", decode(&parts.admin["client-key-data"])),
        case(
            "token file at a path of Windows",
            Works,
            &parts.config(&json!({ "tokenFile": r"C:\token" })),
        )
        .file(r"C:\token", &*parts.token),
        case(
            "credential plugin at a path of Windows",
            Fails,
            &parts.login(&json!({ "command": r".\login" })),
        )
        .file(r".\login", parts.script("true")),
    ]
}

fn files(parts: &Parts) -> Vec<Case> {
    let whole = parts.config(&json!({ "token": parts.token }));
    let part = |keys: &[&str]| {
        let mut part = json!({ "apiVersion": "v1", "kind": "Config" });
        for key in keys {
            part[*key] = whole[*key].clone();
        }
        part
    };
    let other_server = json!([{ "name": "c", "cluster": { "server": "https://127.0.0.1:1" } }]);
    let yaml = format!(
        "\u{feff}apiVersion: v1\nkind: Config\npreferences: {{}}\ncurrent-context: here\nclusters:\n- cluster: &c\n    server: {}\n    \
         certificate-authority-data: >-\n      {}\n  name: c\ncontexts:\n- context: {{cluster: c, user: u, extensions: []}}\n  name: here\n\
         users:\n- name: u\n  user:\n    token: {}\n",
        parts.server, parts.authority, parts.token
    );
    vec![
        Case {
            name: "a file with a byte order mark, of YAML",
            answer: Works,
            files: vec![("config", yaml)],
            list: "{}/config",
            typed: None,
        },
        case(
            "merged files",
            Works,
            &part(&["current-context", "contexts"]),
        )
        .file("second", part(&["clusters", "users"]).to_string())
        .list("{}/config:{}/second"),
        case(
            "first file with an empty current context",
            Works,
            &json!({ "current-context": "", "clusters": null, "users": null, "contexts": null }),
        )
        .file("second", whole.to_string())
        .list("{}/config:{}/second"),
        case("missing and empty files in the list", Works, &whole)
            .file("empty", "")
            .list("{}/none::{}/empty:{}/config:"),
        case(
            "first file wins",
            Fails,
            &json!({ "clusters": other_server }),
        )
        .file("second", whole.to_string())
        .list("{}/config:{}/second"),
        case("second file loses", Works, &whole)
            .file(
                "second",
                json!({ "clusters": other_server, "current-context": "none" }).to_string(),
            )
            .list("{}/config:{}/second"),
        case(
            "paths relative to each file",
            Works,
            &part(&["current-context", "contexts", "clusters"]),
        )
        .file(
            "far/second",
            json!({ "users": [{ "name": "u", "user": { "tokenFile": "token" } }] }).to_string(),
        )
        .file("far/token", &*parts.token)
        .list("{}/config:{}/far/second"),
    ]
}

fn entries(parts: &Parts) -> Vec<Case> {
    let whole = parts.config(&json!({ "token": parts.token }));
    let with = |key: &str, value: Value| {
        let mut config = whole.clone();
        config[key] = value;
        config
    };
    vec![
        case(
            "unknown fields",
            Works,
            &with(
                "extensions",
                json!([{ "name": "a", "extension": { "b": 1 } }]),
            ),
        ),
        case(
            "no current context",
            Fails,
            &with("current-context", json!("")),
        ),
        case(
            "unknown current context",
            Fails,
            &with("current-context", json!("there")),
        ),
        case(
            "context of an unknown cluster",
            Fails,
            &with(
                "contexts",
                json!([{ "name": "here", "context": { "cluster": "x", "user": "u" } }]),
            ),
        ),
        case(
            "context of an unknown user",
            Fails,
            &with(
                "contexts",
                json!([{ "name": "here", "context": { "cluster": "c", "user": "x" } }]),
            ),
        ),
        case(
            "another context that is incomplete",
            Works,
            &with(
                "contexts",
                json!([
                    { "name": "half", "context": { "user": "u" } },
                    { "name": "none", "context": null },
                    { "name": "here", "context": { "cluster": "c", "user": "u" } },
                ]),
            ),
        ),
        Case {
            name: "no kubeconfig",
            answer: Fails,
            files: vec![("config", "{".to_owned())],
            list: "{}/config",
            typed: None,
        },
    ]
}

fn both(space: &Space, list: &str, home: &Path, typed: Option<&str>) -> [Output; 2] {
    let plugin = setting("KUBECTL_CASSKOP");
    let run = |program: &str, args: &[&str]| {
        let words = [&[program, "-n", SPACE, "--request-timeout=20s"], args].concat();
        // A terminal belongs to the program `script`.
        let on_terminal = ["script", "-qec", &words.join(" "), "/dev/null"];
        let words = if typed.is_some() {
            &on_terminal[..]
        } else {
            &words
        };
        let mut command = space.kubectl.site.inside(words[0]);
        command.args(&words[1..]);
        command.env("KUBECONFIG", list).env("HOME", home);
        // The client library of the plugin runs a credential plugin up to three times.
        let lines = typed.map(|line| format!("{line}\n").repeat(3));
        command::run(command, &lines.unwrap_or_default())
    };
    [
        run("kubectl", &["get", "cassandraclusters.db.orange.com"]),
        run(&plugin, &["status"]),
    ]
}

/// Both have reached the API server through the proxy, in each way.
fn both_use(tunnel: &Tunnel, parts: &Parts) {
    let server = parts.server.trim_start_matches("https://");
    let tunnels = tunnel.tunnels();
    // Twice two runs through the one, and three through the other.
    for (kind, runs) in [("connect", 4), ("socks5", 3)] {
        let way = format!("{kind} {server}");
        let count = tunnels.iter().filter(|tunnel| **tunnel == way).count();
        assert!(count >= runs, "{way}: {tunnels:?}");
    }
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn what_kubectl_accepts_the_plugin_accepts() {
    let space = Space::without_operator(SPACE);
    let parts = parts(&space);
    // A cluster without an operator: both have something to list.
    space.kubectl.apply(&json!({
        "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster", "metadata": { "name": "demo" },
        "spec": { "topology": { "dc": [{ "name": "dc1", "rack": [{ "name": "rack1" }] }] } },
    }));
    let folder: PathBuf = space.kubectl.site.scratch("kubeconfigs");
    let tunnel = Tunnel::start();
    let mut wrong = Vec::new();
    let cases = [
        credentials(&parts),
        servers(&parts),
        proxies(&parts, &tunnel),
        windows_paths(&parts),
        files(&parts),
        entries(&parts),
    ]
    .concat();
    for (number, case) in cases.iter().enumerate() {
        let folder = folder.join(number.to_string());
        let list = case.written(&folder);
        let [kubectl, plugin] = both(&space, &list, &folder, case.typed);
        let answer = match (kubectl.code, plugin.code) {
            (0, 0) => Works,
            (0, _) => {
                wrong.push(format!(
                    "{}: kubectl accepts it, the plugin does not\n{plugin}",
                    case.name
                ));
                continue;
            }
            (_, 0) => PluginOnly,
            (_, _) => Fails,
        };
        if answer != case.answer {
            wrong.push(format!(
                "{}: {answer:?} instead of {:?}\n{kubectl}\n{plugin}",
                case.name, case.answer
            ));
        }
        let secret = [&plugin.stdout, &plugin.stderr]
            .iter()
            .any(|text| text.contains(&parts.token));
        assert!(!secret, "{}: a token is printed", case.name);
    }
    both_use(&tunnel, &parts);
    // Without $KUBECONFIG both read ~/.kube/config.
    let home = folder.join("home");
    let at_home = case(
        "the file of the home folder",
        Works,
        &parts.config(&json!({ "token": parts.token })),
    );
    let _ = at_home.written(&home.join(".kube"));
    for output in both(&space, "", &home, None) {
        output.ok();
    }
    fs::remove_dir_all(&folder).expect("the folder is ours");
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n\n")
    );
}
