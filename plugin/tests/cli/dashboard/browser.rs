//! The page in a real browser: `make test-dashboard`, which has Chromium.

use std::{fs, path::PathBuf, process::Command};

use serde_json::{Value, json};

use super::{chromium::Chromium, modified, named, page::Dashboard, serving};
use crate::{fake::merge, run::fixture};

/// The cluster of the fixture while its second node of a cleanup works.
fn cleanup(done: i64) -> Value {
    let mut operating = fixture("operating.yaml");
    let operation = &mut operating["status"]["operations"][0];
    operation["nodes"][2]["progress"]["done"] = done.into();
    json!({ "status": { "operations": operating["status"]["operations"] } })
}

pub fn open(browser: &mut Chromium, dashboard: &Dashboard) -> String {
    browser.tab();
    browser.go(&dashboard.link);
    browser.see("nodes ready");
    format!("http://127.0.0.1:{}/", dashboard.port)
}

#[test]
#[ignore = "needs Chromium: make test-dashboard"]
fn a_page_follows_the_clusters_and_nothing_complains() {
    let mut cluster = fixture("operating.yaml");
    let (api, changes) = serving(vec![cluster.clone(), named("orders", "growing.yaml")]);
    let dashboard = Dashboard::open(&api, &[]);
    let mut browser = Chromium::start();
    let own = open(&mut browser, &dashboard);
    browser.wait("location.hash === '#/shop/demo'");
    assert_eq!(browser.value("document.cookie"), "");
    let first = browser.session(None);
    open(&mut browser, &dashboard);
    let second = browser.session(first);
    browser.see("at system_auth");
    changes.send(modified(&mut cluster, &cleanup(2))).unwrap();
    let shown = "2 of 3 keyspaces, at system_auth";
    browser.see(shown);
    let first = browser.session(second);
    browser.see(shown);
    // Another cluster, by its link.
    browser.value("document.querySelector('nav a[href=\"#/shop/orders\"]').click()");
    browser.see("orders-dc1-rack2-0");
    browser.session(first);
    changes
        .send(json!({ "type": "DELETED", "object": cluster }))
        .unwrap();
    browser.see("Cluster shop/demo was deleted.");
    browser.see(shown);
    // A reload keeps what the tab may see; an address without the token has nothing.
    browser.call("Page.reload", &json!({}));
    browser.see("There is no cluster shop/demo.");
    assert_eq!(browser.complaints(&own), Vec::<Value>::new());
    drop(dashboard);
    browser.see("The dashboard does not answer");
}

#[test]
#[ignore = "needs Chromium: make test-dashboard"]
fn a_link_without_its_token_or_with_another_one_says_so() {
    let (api, _changes) = serving(vec![fixture("healthy.yaml")]);
    let dashboard = Dashboard::open(&api, &[]);
    let mut browser = Chromium::start();
    browser.tab();
    let address = format!("http://127.0.0.1:{}/", dashboard.port);
    browser.go(&address);
    browser.see("This address has no token");
    browser.tab();
    browser.go(&format!("{address}#token=0000"));
    browser.see("This link is not that of the running dashboard");
    // The printed link in the same tab, as it is pasted.
    browser.go(&dashboard.link);
    browser.see("6 of 6 nodes ready");
}

/// Markup in a name or in a message is text.
#[test]
#[ignore = "needs Chromium: make test-dashboard"]
fn text_of_others_is_never_markup() {
    let markup = "<img src=x onerror=\"alert(1)\">'\"</td><script>alert(2)</script>";
    let mut cluster = fixture("operating.yaml");
    let operation = &mut cluster["status"]["operations"][0];
    operation["message"] = markup.into();
    operation["nodes"][1]["error"] = markup.into();
    let node = json!({ "message": markup, "version": markup, "rack": markup });
    merge(
        &mut cluster,
        &json!({ "status": { "cassandraNodeStatus": { "demo-dc1-rack1-0": node } } }),
    );
    let (api, _changes) = serving(vec![cluster]);
    let dashboard = Dashboard::open(&api, &[]);
    let mut browser = Chromium::start();
    let own = open(&mut browser, &dashboard);
    browser.see(markup);
    assert_eq!(
        browser.value("document.querySelectorAll('main img, main script').length"),
        0
    );
    assert_eq!(browser.complaints(&own), Vec::<Value>::new());
}

#[test]
#[ignore = "needs Chromium: make test-dashboard"]
fn everything_is_reached_by_the_keyboard_and_has_a_name() {
    let mut cluster = fixture("operating.yaml");
    let (api, changes) = serving(vec![cluster.clone(), named("orders", "growing.yaml")]);
    let dashboard = Dashboard::open(&api, &[]);
    let mut browser = Chromium::start();
    let own = open(&mut browser, &dashboard);
    browser.wait("document.querySelectorAll('nav a').length === 2");
    let focused = "(document.activeElement.dataset.key ?? document.activeElement.tagName)";
    let mut reached: Vec<String> = Vec::new();
    for _ in 0..60 {
        browser.press("Tab");
        let key = browser.value(focused).as_str().unwrap().to_owned();
        if reached.contains(&key) {
            break;
        }
        reached.push(key);
    }
    insta::assert_yaml_snapshot!(reached);
    // The focus stays where it is while the page is drawn again.
    browser.value("document.querySelector('[data-key=\"2026-11-22a Pause cleanup\"]').focus()");
    changes.send(modified(&mut cluster, &cleanup(2))).unwrap();
    browser.see("2 of 3 keyspaces, at system_auth");
    assert_eq!(browser.value(focused), "2026-11-22a Pause cleanup");
    browser.press("Enter");
    browser.wait("document.getElementById('dialog').open");
    browser.see("kubectl casskop pause demo cleanup --id 2026-11-22a -n shop --context test");
    browser.see("kubectl annotate cassandracluster demo -n shop --context test");
    browser.press("Escape");
    browser.wait("!document.getElementById('dialog').open");
    assert_eq!(browser.value(focused), "2026-11-22a Pause cleanup");
    // As a screen reader has it.
    let tree = browser.call("Accessibility.getFullAXTree", &json!({}));
    let named = |role: &str, name: &str| {
        let mut nodes = tree["nodes"].as_array().unwrap().iter();
        nodes.any(|node| {
            let words = node["name"]["value"].as_str().unwrap_or_default();
            node["role"]["value"] == role && words.starts_with(name)
        })
    };
    for (role, name) in [
        (
            "image",
            "Ring of data center dc1: 6 of 6 nodes ready. rack1: demo-dc1-rack1-0 up, normal",
        ),
        ("table", "Nodes of data center dc1"),
        ("progressbar", "Progress of cleanup 2026-11-22a"),
        ("navigation", "Clusters"),
        ("main", "Cluster"),
    ] {
        assert!(named(role, name), "{role} {name}");
    }
    assert_eq!(
        browser.value("document.getElementById('announced').textContent"),
        "demo: available; 6 of 6 nodes ready; cleanup Running, 1 of 6 nodes, 1 failed"
    );
    assert_eq!(browser.complaints(&own), Vec::<Value>::new());
}

/// The stream of a tab that nobody sees is one of the six that a browser has.
#[test]
#[ignore = "needs Chromium: make test-dashboard"]
fn a_hidden_tab_leaves_its_connection_to_others() {
    let mut cluster = fixture("operating.yaml");
    let (api, changes) = serving(vec![cluster.clone()]);
    let dashboard = Dashboard::open(&api, &[]);
    let mut browser = Chromium::start();
    open(&mut browser, &dashboard);
    browser.see("at system_auth");
    browser.value(
        "{ const plain = fetch; window.signals = [];
           window.fetch = (path, how) => { signals.push(how.signal); return plain(path, how); };
           window.become = (state) => {
               Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
               document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
           }; }",
    );
    browser.value("become('visible')");
    browser.wait("signals.length === 1");
    browser.value("become('hidden')");
    assert_eq!(browser.value("signals[0].aborted"), true);
    changes.send(modified(&mut cluster, &cleanup(2))).unwrap();
    assert_eq!(browser.value("signals.length"), 1);
    browser.value("become('visible')");
    browser.see("2 of 3 keyspaces, at system_auth");
    assert_eq!(browser.value("signals.length"), 2);
}

#[test]
#[ignore = "needs Chromium: make test-dashboard"]
fn a_cluster_that_cannot_be_read_any_more_is_grey_and_has_no_buttons() {
    let mut cluster = fixture("operating.yaml");
    let (api, changes) = serving(vec![cluster.clone()]);
    let dashboard = Dashboard::open(&api, &[]);
    let mut browser = Chromium::start();
    open(&mut browser, &dashboard);
    let buttons = "document.querySelectorAll('main button').length > 0";
    let is_old = "document.getElementById('main').classList.contains('old')";
    browser.wait(buttons);
    assert_eq!(browser.value(is_old), false);
    let wrong = json!({ "spec": { "nodesPerRacks": "two" } });
    changes.send(modified(&mut cluster, &wrong)).unwrap();
    browser.see("Cluster shop/demo cannot be read");
    browser.see("6 of 6 nodes ready");
    assert_eq!(browser.value(is_old), true);
    assert_eq!(browser.value(buttons), false);
}

/// A time that counts would be read out each second.
#[test]
#[ignore = "needs Chromium: make test-dashboard"]
fn what_happens_is_announced_once() {
    let (api, _changes) = serving(vec![
        fixture("operating.yaml"),
        named("orders", "growing.yaml"),
    ]);
    let dashboard = Dashboard::open(&api, &[]);
    let mut browser = Chromium::start();
    open(&mut browser, &dashboard);
    // A link that is followed leads to its cluster.
    browser.wait("location.hash === '#/shop/demo'");
    assert_eq!(browser.value("document.activeElement.tagName"), "BODY");
    browser.value("document.querySelector('nav a[href=\"#/shop/orders\"]').click()");
    browser.see("orders-dc1-rack2-0");
    assert_eq!(browser.value("document.activeElement.id"), "main");
    // A button that has copied says so.
    browser.value("document.querySelector('#actions button').click()");
    browser.wait("document.getElementById('dialog').open");
    let said = "document.querySelector('#dialog .copied [role=status]').textContent";
    assert_eq!(browser.value(said), "");
    browser.value("document.querySelector('#dialog .copied button').click()");
    browser.wait(&format!("['Copied', 'Selected'].includes({said})"));
    browser.press("Escape");
    browser.value(
        "window.changes = 0; new MutationObserver(() => { changes += 1; })
            .observe(document.getElementById('alerted'), { childList: true, characterData: true, subtree: true })",
    );
    drop(dashboard);
    browser.see("The page shows what was known");
    browser.wait("document.getElementById('notice').innerText.includes('known 3s ago')");
    let alerted = browser.value("document.getElementById('alerted').textContent");
    assert_eq!(
        alerted,
        "The dashboard does not answer: did kubectl casskop dashboard end?"
    );
    assert_eq!(browser.value("changes"), 1);
    let counting = "[...document.querySelectorAll('[role=status], [aria-live]')].filter((one) => one.querySelector('time')).length";
    assert_eq!(browser.value(counting), 0);
}

#[test]
#[ignore = "needs Chromium: make test-dashboard"]
fn a_page_too_many_says_why_it_is_empty() {
    let (api, _changes) = serving(vec![fixture("healthy.yaml")]);
    let dashboard = Dashboard::open(&api, &[]);
    let pages: Vec<_> = (0..32).map(|_| dashboard.stream(None)).collect();
    let mut browser = Chromium::start();
    browser.tab();
    browser.go(&dashboard.link);
    browser.see("Too many pages are open");
    browser.value(
        "window.seen = []; new MutationObserver(() => { seen.push(document.getElementById('notice').innerText); })
            .observe(document.getElementById('notice'), { childList: true, subtree: true })",
    );
    browser.value("new Promise((done) => setTimeout(done, 1200))");
    browser.see("Too many pages are open");
    assert_eq!(
        browser.value("seen.filter((text) => text.includes('does not answer')).length"),
        0
    );
    drop(pages);
    browser.see("6 of 6 nodes ready");
}

/// Nothing is cut off in a narrow window. With `SCREENSHOTS` in the environment, the pictures of the documentation are written.
#[test]
#[ignore = "needs Chromium: make test-dashboard"]
fn light_dark_and_narrow() {
    let clusters = vec![
        fixture("growing.yaml"),
        named("orders", "operating.yaml"),
        named("stock", "restarting.yaml"),
    ];
    let (api, _changes) = serving(clusters);
    let dashboard = Dashboard::open(&api, &[]);
    let mut browser = Chromium::start();
    open(&mut browser, &dashboard);
    for (name, cluster, (width, height), scheme) in [
        ("light", "demo", (1200, 900), "light"),
        ("dark", "orders", (1200, 780), "dark"),
        ("narrow", "stock", (390, 844), "light"),
    ] {
        browser.window(width, height, scheme);
        browser.value(&format!("location.hash = '#/shop/{cluster}'"));
        browser.wait(&format!(
            "document.querySelector('h1')?.textContent.startsWith('{cluster}')"
        ));
        // A part that scrolls sideways is no wider than the window itself.
        let wider = "document.documentElement.scrollWidth - innerWidth";
        assert_eq!(browser.value(wider), 0, "{name}");
        let back = browser.value("getComputedStyle(document.body).backgroundColor");
        let is_dark = back == "rgb(15, 19, 24)";
        assert_eq!(is_dark, scheme == "dark", "{back}");
        if name == "narrow" {
            browser.value("document.getElementById('operations').scrollIntoView()");
        }
        let picture = browser.picture();
        if std::env::var_os("SCREENSHOTS").is_some() {
            write(name, &picture);
        }
    }
}

fn write(name: &str, picture: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("dashboard-{name}.png"));
    let encoded = path.with_extension("base64");
    fs::write(&encoded, picture).unwrap();
    let decoded = Command::new("base64").arg("-d").arg(&encoded).output();
    fs::write(path, decoded.unwrap().stdout).unwrap();
    fs::remove_file(encoded).unwrap();
}
