//! The operator of rings over several clusters in its normal installation: in a pod, with the sites that the plugin
//! registers, and with no other permissions.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Kubectl, Site, Space,
    multi::{self, Multi},
    operator,
    plugin::casskop,
    trouble,
    wait::until,
};
use serde_json::{Value, json};

const NAMESPACE: &str = "e2e-register";
const ACCOUNT: &str = "casskop-multi";
const CLUSTER: &str = "cassandraclusters.db.orange.com";
const SITES: &str = "casskop-multi-sites";

/// A rack in each of two sites; the base contains the settings of the first one.
fn manifest() -> Value {
    let sites = [
        ("cluster1", "dc1", &["rack1"][..]),
        ("cluster2", "dc2", &["rack1"]),
    ];
    let mut manifest = multi::manifest("multi", &sites);
    let spec = &mut manifest["spec"];
    let here = spec["override"]["cluster1"].take();
    spec["base"]["spec"]["topology"] = here["spec"]["topology"].clone();
    spec["override"]["cluster1"] = json!({});
    manifest
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn sites_are_let_in_and_taken_away_by_the_plugin() {
    let sites: [Site; 2] = Site::first();
    let spaces = sites.map(|site| Space::open_at(site, NAMESPACE));
    let [here, there] = [&spaces[0].kubectl, &spaces[1].kubectl];
    let deployments = [operator::NAME, "casskop-multi"];
    operator::install(here, &["--multi", "cluster1"], &deployments);
    let pods = || here.list("pods", "app.kubernetes.io/name=casskop-multi");
    let uid = |pods: &[Value]| pods[0]["metadata"]["uid"].clone();
    let before = uid(&pods());

    here.apply(&manifest());
    let multi = Multi {
        name: "multi".into(),
        kubectl: here.clone(),
    };
    multi.tells("SpecAccepted", "False", &["cluster2"]);
    let register = ["multi", "register", "--site-context", "cluster2"];
    let told = casskop(here, &register).ok();
    assert!(told.contains("site cluster2 registered"), "{told}");
    multi.settles();
    let status = casskop(here, &["multi", "status", "multi"]).ok();
    for word in ["cluster1", "cluster2", "dc1", "dc2"] {
        assert!(status.contains(word), "{word} in {status}");
    }
    it_may_do_no_more(there);

    // With an invalid token the state of the site is unknown, and its running pods are not changed.
    there.ok(&["delete", "secret", "casskop-multi-token"]);
    multi.tells("Available", "Unknown", &["cluster2"]);
    multi.tells("Degraded", "True", &["cluster2", "401"]);
    assert!(there.get(CLUSTER, "demo").is_some());
    casskop(here, &register).ok();
    multi.settles();
    let after = pods();
    assert_eq!(uid(&after), before, "it never had to be started anew");
    let restarts = &after[0]["status"]["containerStatuses"][0]["restartCount"];
    assert_eq!(restarts, 0, "{restarts}");

    // A site that a ring uses cannot be unregistered.
    let unregister = [
        "multi",
        "unregister",
        "cluster2",
        "--site-context",
        "cluster2",
    ];
    let refused = casskop(here, &unregister).fails();
    assert!(refused.contains("multi"), "{refused}");
    it_ends_without_a_site_that_cannot_be_reached(&multi, sites);
    // The remaining cluster is deleted by the users of its site.
    there.ok(&["delete", CLUSTER, "demo", "--timeout=200s"]);
    casskop(here, &unregister).ok();
    for (kind, name) in [
        ("serviceaccount", ACCOUNT),
        ("role", ACCOUNT),
        ("rolebinding", ACCOUNT),
        ("secret", "casskop-multi-token"),
    ] {
        until(&format!("{kind} {name} to be gone"), || {
            match there.get(kind, name) {
                None => Ok(()),
                Some(_) => Err("it is there".into()),
            }
        });
    }
    let left = here.get("secret", SITES).expect("others may be in it");
    assert!(left["data"]["cluster2"].is_null());
}

/// The user must choose that: the cluster in the site is not deleted.
fn it_ends_without_a_site_that_cannot_be_reached(multi: &Multi, sites: [Site; 2]) {
    let [here, there] = sites.map(|site| Kubectl::at(site, NAMESPACE));
    {
        let _hidden = trouble::hide_api(sites[0], sites[1]);
        multi.tells("Degraded", "True", &["cluster2"]);
        here.ok(&["delete", "multicasskop", "multi", "--wait=false"]);
        multi.tells("Degraded", "True", &["cluster2", "db.orange.com/orphan"]);
        until("what can be reached to go", || {
            match here.get(CLUSTER, "demo") {
                None => Ok(()),
                Some(_) => Err("it is there".into()),
            }
        });
        assert!(multi.get().is_some(), "it waits for the other one");
        multi.annotate("db.orange.com/orphan", Some("cluster2"));
        until("the resource to go", || match multi.get() {
            None => Ok(()),
            Some(multi) => Err(multi["status"].to_string()),
        });
    }
    assert!(there.get(CLUSTER, "demo").is_some());
    assert!(there.get("pod", "demo-dc2-rack1-0").is_some());
}

/// The granted permissions are sufficient for the rest of the test; all others are denied.
fn it_may_do_no_more(there: &Kubectl) {
    let user = format!("--as=system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    let may = |args: &[&str]| {
        let args = [&["auth", "can-i"], args, &[user.as_str()]].concat();
        there.run(&args).stdout.trim() == "yes"
    };
    assert!(may(&["patch", "cassandraclusters.db.orange.com"]));
    for more in [
        &["get", "secrets"][..],
        &["delete", "pods"],
        &["delete", "persistentvolumeclaims"],
        &[
            "patch",
            "cassandraclusters.db.orange.com",
            "--subresource=status",
        ],
        &["get", "cassandraclusters.db.orange.com", "-n", "default"],
        &["create", "services", "-n", "kube-system"],
    ] {
        assert!(!may(more), "it may {more:?}");
    }
}
