//! `dashboard`: the server of the page. The tests in a browser are in `browser`.

#[cfg(unix)]
mod browser;
#[cfg(unix)]
mod chromium;
mod page;
#[cfg(unix)]
mod stranger;
mod watching;

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Read, Write},
    net::TcpListener,
    sync::mpsc::{self, Sender},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    fake::{Api, Asked, Reply, failure, list, merge},
    run::{fixture, run},
};
pub use page::Dashboard;
use page::Stream;

/// Serves these clusters, and tells the first watch the events that are sent.
pub fn serving(clusters: Vec<Value>) -> (Api, Sender<Value>) {
    let (sender, events) = mpsc::channel();
    let mut events = Some(events);
    let api = Api::start(move |asked: &Asked| {
        if asked.path.contains("/pods?") {
            return Reply::Json(200, operators());
        }
        if asked.path.contains("watch=true") {
            return events.take().map_or(Reply::Silence, Reply::Events);
        }
        let mut found = list(&clusters.iter().collect::<Vec<_>>());
        found["metadata"]["resourceVersion"] = "100".into();
        Reply::Json(200, found)
    });
    (api, sender)
}

/// One pod of the operator, which is ready.
fn operators() -> Value {
    let pod = json!({ "metadata": { "name": "casskop-operator-0", "namespace": "shop" },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] } });
    json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod] })
}

/// A cluster of a fixture under another name.
pub fn named(name: &str, file: &str) -> Value {
    let text = fixture(file).to_string().replace("demo", name);
    serde_json::from_str(&text).unwrap()
}

/// The event of a watch that a change of a cluster is, merged into it.
pub fn modified(cluster: &mut Value, change: &Value) -> Value {
    merge(cluster, change);
    merge(
        cluster,
        &json!({ "metadata": { "resourceVersion": "200" } }),
    );
    json!({ "type": "MODIFIED", "object": cluster })
}

/// Waits for what has to happen.
pub fn eventually(mut is_there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never");
        thread::sleep(Duration::from_millis(20));
    }
}

fn state(page: &Value) -> &str {
    page["connection"]["state"].as_str().unwrap()
}

#[test]
fn every_answer_keeps_the_page_to_itself() {
    let (api, _changes) = serving(vec![fixture("healthy.yaml")]);
    let dashboard = Dashboard::open(&api, &[]);
    let [mut page, events, missing] = ["/", "/events", "/missing"].map(|path| {
        let answer = dashboard.get(path, &[]);
        answer.split("\r\n\r\n").next().unwrap().to_owned()
    });
    for head in [&page, &events, &missing] {
        for header in [
            "content-security-policy: default-src 'none'",
            "cache-control: no-store",
        ] {
            assert!(head.contains(header), "{head}");
        }
    }
    assert!(
        !page.contains("\ndate:"),
        "answers are the same at any time"
    );
    let is_fixed = |line: &&str| !line.starts_with("content-length");
    page = page.lines().filter(is_fixed).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(page);
    for (path, kind) in [
        ("/style.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let answer = dashboard.get(path, &[]);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(
            answer.contains(&format!("content-type: {kind}")),
            "{answer}"
        );
    }
}

#[test]
fn nothing_is_shown_without_the_token_of_the_link() {
    let (api, _changes) = serving(vec![fixture("healthy.yaml")]);
    let dashboard = Dashboard::open(&api, &[]);
    let wrong = format!(
        "Authorization: Bearer {}",
        "0".repeat(dashboard.token.len())
    );
    let none = dashboard.get("/events", &[]);
    assert_eq!(none, dashboard.get("/events", &[&wrong]), "the same answer");
    assert!(none.starts_with("HTTP/1.1 403"), "{none}");
    let sentence = "\r\n\r\nThis link is not that of the running dashboard: open the link that kubectl casskop dashboard printed last.\n";
    assert!(none.ends_with(sentence), "{none}");
    let in_query = format!("/events?token={}", dashboard.token);
    assert!(dashboard.get(&in_query, &[]).starts_with("HTTP/1.1 403"));
    // Others of this machine see the arguments of a process.
    #[cfg(target_os = "linux")]
    {
        let arguments = std::fs::read(format!("/proc/{}/cmdline", dashboard.pid())).unwrap();
        assert!(!String::from_utf8_lossy(&arguments).contains(&dashboard.token));
    }
    let page = dashboard.stream(None).until(|page| state(page) == "live");
    assert_eq!(
        (state(&page), &page["cluster"]["name"]),
        ("live", &json!("demo"))
    );
    let other = Dashboard::open(&api, &[]);
    let secrets = [&dashboard, &other].map(|one| [&one.token, &one.proof]);
    let distinct: BTreeSet<&String> = secrets.iter().copied().flatten().collect();
    assert_eq!(distinct.len(), 4);
    assert!(!none.contains(&dashboard.proof));
}

#[test]
fn other_sites_are_refused() {
    let (api, _changes) = serving(vec![fixture("healthy.yaml")]);
    let dashboard = Dashboard::open(&api, &[]);
    let token = format!("Authorization: Bearer {}", dashboard.token);
    let status = |request: &str| {
        let answer = dashboard.send(request);
        answer.get(9..12).map(str::to_owned).unwrap()
    };
    let own = format!("Host: 127.0.0.1:{}", dashboard.port);
    // A name of another site that resolves to this machine.
    let rebound = format!(
        "GET /events HTTP/1.1\r\nHost: evil.example:{}\r\n{token}\r\n\r\n",
        dashboard.port
    );
    assert_eq!(status(&rebound), "421");
    assert_eq!(status(&format!("GET / HTTP/1.1\r\n{token}\r\n\r\n")), "421");
    for (header, expected) in [
        ("Origin: http://evil.example", "403"),
        ("Origin: null", "403"),
        ("Sec-Fetch-Site: cross-site", "403"),
        ("Sec-Fetch-Site: same-site", "403"),
    ] {
        let request = format!("GET /events HTTP/1.1\r\n{own}\r\n{header}\r\n{token}\r\n\r\n");
        assert_eq!(status(&request), expected, "{header}");
    }
    assert_eq!(
        status(&format!(
            "POST / HTTP/1.1\r\n{own}\r\nContent-Length: 0\r\n\r\n"
        )),
        "405"
    );
    let long = format!(
        "GET / HTTP/1.1\r\n{own}\r\nCookie: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    assert_eq!(status(&long), "431");
    let choice = format!("GET /events?cluster=demo HTTP/1.1\r\n{own}\r\n{token}\r\n\r\n");
    assert_eq!(status(&choice), "400");
}

#[test]
fn a_change_reaches_every_page_from_one_watch() {
    let mut cluster = fixture("healthy.yaml");
    let (api, changes) = serving(vec![cluster.clone(), named("other", "operating.yaml")]);
    let dashboard = Dashboard::open(&api, &[]);
    let mut pages: [Stream; 3] = [Some("shop/demo"), Some("shop/demo"), Some("shop/other")]
        .map(|chosen| dashboard.stream(chosen));
    let live = |page: &Value| state(page) == "live" && page["cluster"].is_object();
    for page in &mut pages {
        page.until(live);
    }
    let node = json!({ "gossip": "Down", "state": "Unknown", "ready": false });
    let change = json!({ "status": { "cassandraNodeStatus": { "demo-dc1-rack1-0": node } } });
    changes.send(modified(&mut cluster, &change)).unwrap();
    for page in &mut pages[..2] {
        let page = page.until(|page| page["cluster"]["ready"] == 5);
        let node = &page["cluster"]["dataCenters"][0]["racks"][0]["nodes"][0];
        assert_eq!(node["state"], "down, not answering");
    }
    let other = pages[2].until(|page| page["clusters"][0]["nodes"] == "5 of 6 nodes ready");
    assert_eq!(other["cluster"]["ready"], 6);
    let asked = api.asked();
    let watches = asked
        .iter()
        .filter(|asked| asked.path.contains("watch=true"));
    assert_eq!(watches.count(), 1);
    assert!(
        asked.iter().all(|asked| asked.method == "GET"),
        "it never writes"
    );
}

#[test]
fn a_cluster_that_is_deleted_is_gone_from_its_page() {
    let cluster = fixture("healthy.yaml");
    let (api, changes) = serving(vec![cluster.clone()]);
    let dashboard = Dashboard::open(&api, &[]);
    let mut page = dashboard.stream(Some("shop/demo"));
    page.until(|page| page["cluster"].is_object());
    changes
        .send(json!({ "type": "DELETED", "object": cluster }))
        .unwrap();
    let page = page.until(|page| page["cluster"].is_null());
    assert_eq!((state(&page), &page["clusters"]), ("live", &json!([])));
}

#[test]
fn a_cluster_that_cannot_be_read_is_named() {
    let mut wrong = named("wrong", "new.yaml");
    merge(&mut wrong, &json!({ "spec": { "nodesPerRacks": "two" } }));
    let (api, _changes) = serving(vec![fixture("healthy.yaml"), wrong]);
    let dashboard = Dashboard::open(&api, &[]);
    let page = dashboard.stream(None).until(|page| state(page) == "live");
    assert_eq!(page["unreadable"][0]["name"], "wrong");
    assert_eq!(page["cluster"]["name"], "demo");
}

/// The permission is given meanwhile.
#[test]
fn without_the_right_to_list_the_page_says_so_until_it_is_there() {
    let mut refusals = 1;
    let api = Api::start(move |asked: &Asked| {
        let forbidden = || {
            let message = "cassandraclusters.db.orange.com is forbidden: User \"jane\" cannot list resource \"cassandraclusters\" in API group \"db.orange.com\" in the namespace \"shop\"";
            failure(403, "Forbidden", message)
        };
        if asked.path.contains("/pods?") {
            return forbidden();
        }
        if asked.path.contains("watch=true") {
            return Reply::Silence;
        }
        if refusals > 0 {
            refusals -= 1;
            return forbidden();
        }
        Reply::Json(200, list(&[&fixture("healthy.yaml")]))
    });
    let dashboard = Dashboard::open(&api, &[]);
    let mut page = dashboard.stream(None);
    let refused = page.until(|page| state(page) == "refused");
    let mut connection = refused["connection"].clone();
    let hint = connection["hints"][1].as_str().unwrap();
    connection["hints"][1] = hint.replace(&dashboard.kubeconfig, "KUBECONFIG").into();
    insta::assert_yaml_snapshot!(connection);
    let page = page.until(|page| page["cluster"].is_object());
    assert_eq!(
        page["cluster"]["findings"],
        json!([]),
        "the operator may run"
    );
}

#[test]
fn clients_that_send_nothing_keep_no_page_out_and_are_ended() {
    let (api, _changes) = serving(vec![fixture("healthy.yaml")]);
    let dashboard = Dashboard::open(&api, &[]);
    let mut page = dashboard.stream(None);
    page.until(|page| page["cluster"].is_object());
    let mut silent: Vec<_> = (0..100).map(|_| dashboard.connect()).collect();
    for stream in &mut silent {
        // The server may have ended it already.
        let _ = stream.write_all(b"GET / HT");
    }
    assert!(dashboard.get("/", &[]).starts_with("HTTP/1.1 200"));
    assert_eq!(dashboard.stream(None).next()["cluster"]["name"], "demo");
    for stream in &mut silent {
        let mut rest = Vec::new();
        // Ended or reset, each of them, and not left open.
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
    // The first page was not the one that was ended.
    page.alive();
}

#[test]
fn as_many_pages_as_there_are_places() {
    let (api, _changes) = serving(vec![fixture("healthy.yaml")]);
    let dashboard = Dashboard::open(&api, &[]);
    let mut pages: Vec<Stream> = (0..32).map(|_| dashboard.stream(None)).collect();
    let refused = dashboard.try_stream(None).err().unwrap();
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    let sentence = "\r\n\r\nToo many pages are open: close some of them.\n";
    assert!(refused.ends_with(sentence), "{refused}");
    assert!(dashboard.get("/", &[]).starts_with("HTTP/1.1 200"));
    // The place of a page that is closed is free.
    pages.pop();
    eventually(|| dashboard.try_stream(None).is_ok());
}

#[test]
fn a_port_that_is_taken() {
    let (api, _changes) = serving(Vec::new());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let shown = run(&api, &["dashboard", "--port", &port]);
    insta::assert_snapshot!(shown.replace(&port, "PORT"));
}

#[test]
fn all_namespaces() {
    let mut other = named("other", "healthy.yaml");
    merge(&mut other, &json!({ "metadata": { "namespace": "bank" } }));
    let (api, _changes) = serving(vec![fixture("operating.yaml"), other]);
    let dashboard = Dashboard::open(&api, &["-A"]);
    let page = dashboard
        .stream(Some("shop/demo"))
        .until(|page| page["cluster"].is_object());
    assert_eq!(page["clusters"][0]["namespace"], "bank");
    let command = &page["cluster"]["operations"][0]["actions"][0]["command"];
    let expected = format!(
        "kubectl casskop pause demo cleanup --id 2026-11-22a -n shop --context test --kubeconfig {}",
        dashboard.kubeconfig
    );
    assert_eq!(command, &expected);
    let asked = api.asked();
    let paths = asked
        .iter()
        .map(|asked| asked.path.split('?').next().unwrap());
    let mut paths: Vec<&str> = paths.collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(
        paths,
        ["/api/v1/pods", "/apis/db.orange.com/v2/cassandraclusters"]
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_as_any_other_watch() {
    use crate::terminal::{CTRL_C, End, SIGINT, Terminal, USUAL};

    let (api, _changes) = serving(Vec::new());
    let terminal = Terminal::open(&api, &["dashboard"], USUAL, &[]);
    terminal.see_text("as secret as a password");
    terminal.types(CTRL_C);
    let End { signal, .. } = terminal.end();
    assert_eq!(signal, Some(SIGINT));
}
