//! Invalid input: each error names the object and the next step, nothing is lost, and nothing else is affected.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Cluster, Space, cassandra, cluster, fresh_id, operator,
    plugin::{casskop, casskop_as},
    shared_ring,
};
use serde_json::{Value, json};

/// The namespace for intentionally invalid clusters.
const SPACE: &str = "e2e-input";

/// A manifest with one thing changed.
fn manifest(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut manifest = cluster::ring(name, &[("dc1", &["rack1"])]);
    change(&mut manifest["spec"]);
    manifest
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn what_the_schema_can_judge_is_refused_at_once() {
    let space = Space::without_operator(SPACE);
    let dc = |name: &str| json!({ "name": name });
    let cases: [(&str, Value, &[&str]); 13] = [
        (
            "unknown field",
            json!({ "nodesPerRack": 3 }),
            &["unknown field", "nodesPerRack"],
        ),
        (
            "zero nodes",
            json!({ "nodesPerRacks": 0 }),
            &["at least 1", "delete it"],
        ),
        (
            "two DCs of a name",
            json!({ "topology": { "dc": [dc("dc1"), dc("dc1")] } }),
            &["Duplicate value", "dc1"],
        ),
        (
            "two racks of a name",
            json!({ "topology": { "dc": [{ "name": "dc1", "rack": [dc("r"), dc("r")] }] } }),
            &["Duplicate value", "\"r\""],
        ),
        (
            "a DC with -",
            json!({ "topology": { "dc": [dc("dc-1")] } }),
            &["no '-'", "lower-case"],
        ),
        (
            "a rack with -",
            json!({ "topology": { "dc": [{ "name": "dc1", "rack": [dc("rack-1")] }] } }),
            &["no '-'", "lower-case"],
        ),
        (
            "ids that the platform is to assign",
            json!({ "platformAssignsIds": true, "fsGroup": 1000 }),
            &["platformAssignsIds", "remove runAsUser and fsGroup"],
        ),
        (
            "a size that is none",
            json!({ "dataCapacity": "much" }),
            &["dataCapacity", "10Gi"],
        ),
        (
            "no size",
            json!({ "dataCapacity": "0" }),
            &["dataCapacity", "above 0"],
        ),
        (
            "DSE",
            json!({ "serverType": "dse" }),
            &["DSE is not supported"],
        ),
        (
            "a word for a number",
            json!({ "nodesPerRacks": "three" }),
            &["nodesPerRacks", "integer"],
        ),
        (
            "an odd pull policy",
            json!({ "imagepullpolicy": "Sometimes" }),
            &["IfNotPresent"],
        ),
        (
            "a name too long",
            json!({ "topology": { "dc": [{ "name": "a".repeat(32), "rack": [dc(&"b".repeat(32))] }] } }),
            &["at most 52", "shorten"],
        ),
    ];
    for (what, change, words) in cases {
        let manifest = manifest("refused", |spec| {
            for (key, value) in change.as_object().expect("an object") {
                spec[key] = value.clone();
            }
        });
        let said = space.kubectl.try_apply(&manifest).fails();
        let named = said.contains("refused") || said.contains("spec");
        assert!(
            named && words.iter().all(|word| said.contains(word)),
            "{what}: {said}"
        );
    }
    let upper = space.kubectl.try_apply(&manifest("1st", |_| {})).fails();
    assert!(upper.contains("starts with a letter"), "{upper}");
    assert!(space.kubectl.get("cassandracluster", "refused").is_none());
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn annotations_that_cannot_be_understood_are_told_and_disturb_no_other() {
    let (_space, demo) = shared_ring();
    let old = fresh_id("stays");
    demo.request("cleanup", &format!("{old} --keyspace system_auth"));
    demo.succeeds("cleanup", &old);
    for (key, value, words) in [
        (
            "cleanup",
            "an id with spaces".to_owned(),
            vec!["operations.db.orange.com/cleanup", "unexpected argument"],
        ),
        (
            "cleanup",
            "b@d".to_owned(),
            vec!["'b@d' is not an id", "letters"],
        ),
        ("cleanup", String::new(), vec!["the value is empty", "id"]),
        (
            "cleanup",
            "a1 --keyspaces orders".to_owned(),
            vec!["--keyspaces", "--keyspace"],
        ),
        (
            "cleanup",
            "a1 --jobs many".to_owned(),
            vec!["many", "--jobs"],
        ),
        ("cleanup", "a1 --table t".to_owned(), vec!["--keyspace"]),
        (
            "cleanup",
            "a1 --keyspace 'orders".to_owned(),
            vec!["quotation"],
        ),
        (
            "cleanup",
            "a1 --dry-run=client".to_owned(),
            vec!["command line", "--dry-run"],
        ),
        ("clean-up", "a1".to_owned(), vec!["clean-up", "cleanup"]),
        ("cleanup.puase", "a1".to_owned(), vec!["puase", "pause"]),
        (
            "reconcile",
            "stopped".to_owned(),
            vec!["'paused'", "stopped"],
        ),
    ] {
        demo.request(key, &value);
        demo.tells("IntentsAccepted", "False", &words);
        demo.announces("IntentInvalid", &words);
        // Other requests are executed in the meantime.
        let id = fresh_id("meanwhile");
        demo.request("flush", &format!("{id} --keyspace system_auth"));
        demo.succeeds("flush", &id);
        demo.annotate(key, None).ok();
        demo.becomes("IntentsAccepted", "True");
    }
    let kept = demo
        .operation("cleanup", &old)
        .expect("the last good one stays");
    assert_eq!(kept["phase"], "Succeeded");
    demo.becomes("Available", "True");
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn requests_for_what_the_ring_does_not_have_are_refused_with_what_it_has() {
    let (space, demo) = shared_ring();
    for (arguments, words) in [
        ("--keyspace nosuch", ["nosuch", "system_auth"]),
        (
            "--pod other-dc1-rack1-0",
            ["other-dc1-rack1-0", "demo-dc1-rack1-0"],
        ),
        ("--dc dc10", ["dc10", "dc1"]),
        ("--rack rack9", ["rack9", "dc1.rack1"]),
        (
            "--dc dc1 --rack rack1 --pod demo-dc1-rack2-0",
            ["no node", "new id"],
        ),
    ] {
        let id = fresh_id("refused");
        demo.request("cleanup", &format!("{id} {arguments}"));
        let refused = demo.ends("cleanup", &id);
        assert_eq!(refused["phase"], "Refused", "{refused:#}");
        let message = refused["message"].as_str().unwrap_or_default();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
        assert!(
            message.contains("new id"),
            "the next step is named: {message}"
        );
        demo.announces("OperationRefused", &[&id]);
    }
    // The plugin rejects a request before the write, if the resource alone is sufficient to detect the error.
    let before = demo.get()["metadata"]["annotations"].clone();
    let other = casskop(
        &space.kubectl,
        &["cleanup", "demo", "--pod", "other-dc1-rack1-0"],
    );
    assert_eq!(other.code, 1, "{other}");
    assert!(
        other.stderr.contains("no pod other-dc1-rack1-0")
            && other.stderr.contains("demo-dc1-rack1-0"),
        "{other}"
    );
    assert_eq!(demo.get()["metadata"]["annotations"], before);
    // A keyspace is known only to the operator: its rejection is the plugin's exit code.
    let unknown = casskop(
        &space.kubectl,
        &[
            "cleanup",
            "demo",
            "--keyspace",
            "nosuch",
            "--wait",
            "--timeout",
            "5m",
        ],
    );
    assert_eq!(unknown.code, 1, "{unknown}");
    assert!(
        unknown.stderr.contains("nosuch") && unknown.stderr.contains("system_auth"),
        "{unknown}"
    );
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_plugin_call_without_permission_says_which_is_missing() {
    let (space, demo) = shared_ring();
    let kubectl = &space.kubectl;
    kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "nobody" },
    }));
    kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "reader" },
    }));
    kubectl.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "reader" },
        "rules": [{
            "apiGroups": ["db.orange.com"], "resources": ["cassandraclusters"],
            "verbs": ["get", "list", "watch"],
        }],
    }));
    kubectl.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "reader" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader" },
        "subjects": [{ "kind": "ServiceAccount", "name": "reader" }],
    }));
    let before = demo.get()["metadata"]["annotations"].clone();
    let nobody = space.kubeconfig_of("nobody");
    for args in [
        &["status", "demo"][..],
        &["status"],
        &["cleanup", "demo", "--wait"],
    ] {
        let output = casskop_as(&nobody, kubectl, args);
        assert_eq!(output.code, 1, "{output}");
        for words in [
            "you may not",
            "e2e-ring",
            "nobody",
            "hint: request permission for the verb",
        ] {
            assert!(output.stderr.contains(words), "{words}: {output}");
        }
    }
    let reader = space.kubeconfig_of("reader");
    casskop_as(&reader, kubectl, &["status", "demo"]).ok();
    let output = casskop_as(&reader, kubectl, &["cleanup", "demo", "--wait"]);
    assert_eq!(output.code, 1, "{output}");
    assert!(output.stderr.contains("verb patch"), "{output}");
    assert_eq!(demo.get()["metadata"]["annotations"], before);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_missing_image_is_told_and_mended_by_correcting_the_spec() {
    let space = Space::open(SPACE);
    let broken = space.cluster("image");
    broken.apply(&manifest("image", |spec| {
        spec["cassandraImage"] = json!("localhost/cassandra:nosuch");
    }));
    broken.tells(
        "Degraded",
        "True",
        &["image-dc1-rack1-0", "localhost/cassandra:nosuch"],
    );
    broken.becomes("Available", "False");
    // The corrected ring forms without further action: no pod has to be deleted by hand.
    broken.change(&json!({ "cassandraImage": casskop_e2e::command::setting("CASSANDRA_IMAGE") }));
    broken.settles();

    // The same for a running ring; only one node of one rack is affected.
    let ids = broken.host_ids();
    broken.change(&json!({ "cassandraImage": "localhost/cassandra:nosuch" }));
    broken.tells(
        "Degraded",
        "True",
        &["image-dc1-rack1-0", "localhost/cassandra:nosuch"],
    );
    broken.change(&json!({ "cassandraImage": casskop_e2e::command::setting("CASSANDRA_IMAGE") }));
    broken.settles();
    assert_eq!(broken.host_ids(), ids);
    broken.delete();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn an_impossible_storage_class_is_told() {
    let space = Space::open(SPACE);
    let broken = space.cluster("class");
    broken.apply(&manifest("class", |spec| {
        spec["dataStorageClass"] = json!("nosuch");
    }));
    broken.tells(
        "Degraded",
        "True",
        &[
            "class-dc1-rack1-0",
            "data-class-dc1-rack1-0: ProvisioningFailed",
            "\"nosuch\" not found",
        ],
    );
    broken.becomes("Available", "False");
    broken.delete();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_resource_that_no_machine_has_is_told_and_mended_by_correcting_the_spec() {
    let space = Space::open(SPACE);
    let broken = space.cluster("big");
    broken.apply(&manifest("big", |spec| {
        spec["resources"] = json!({ "requests": { "cpu": "500" } });
    }));
    broken.tells("Degraded", "True", &["big-dc1-rack1-0", "cpu"]);
    broken.delete();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_quota_that_refuses_pods_is_told_in_the_words_of_the_api_server() {
    let space = Space::open(SPACE);
    space.kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "small" },
        "spec": { "hard": { "requests.memory": "200Mi" } },
    }));
    let refused = space.cluster("refused");
    refused.apply(&manifest("refused", |_| {}));
    let words = ["refused-dc1-rack1-0", "does not create the pod", "quota"];
    refused.tells("Degraded", "True", &words);
    let explained = casskop(&space.kubectl, &["explain", "refused"]);
    assert!(explained.stdout.contains("quota"), "{explained}");
    refused.delete();
    // A quota on limits accepts a pod only if each of its containers has them, the init containers too.
    space.kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "small" },
        "spec": { "hard": { "requests.memory": "2Gi", "limits.memory": "2Gi", "limits.cpu": "2" } },
    }));
    let fits = space.cluster("fits");
    fits.apply(&manifest("fits", |spec| {
        spec["resources"]["limits"]["cpu"] = json!("1");
    }));
    until("the pod is created", || {
        let pods = fits.pod_names();
        if pods.is_empty() {
            return Err(fits.events("FailedCreate").join(", "));
        }
        Ok(())
    });
    space.kubectl.ok(&["delete", "resourcequota", "small"]);
    fits.delete();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_secret_that_is_missing_or_broken_or_wrong_is_told_and_mended() {
    let space = Space::open(SPACE);
    let kubectl = &space.kubectl;
    let named = space.cluster("named");
    kubectl.ok(&["delete", "secret", "mine", "--ignore-not-found"]);
    let secret = |data: Value| {
        kubectl.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "mine" }, "stringData": data,
        }));
    };
    named.apply(&manifest("named", |spec| {
        spec["imageJolokiaSecret"] = json!({ "name": "mine" });
    }));
    named.tells(
        "Degraded",
        "True",
        &["Secret mine", "does not exist", "create it"],
    );
    secret(json!({ "username": "me" }));
    named.tells(
        "Degraded",
        "True",
        &["Secret mine", "no password", "add it"],
    );
    secret(json!({ "username": "me", "password": "first-password" }));
    named.settles();

    // The operator loses the password that the node was started with, and receives a different one.
    operator::scale(kubectl, 0);
    kubectl.ok(&["delete", "secret", "named-jolokia-accepted"]);
    secret(json!({ "username": "me", "password": "second-password" }));
    operator::scale(kubectl, 1);
    named.tells("Degraded", "True", &["named-dc1-rack1-0", "mine"]);
    let id = fresh_id("locked-out");
    named.request("flush", &id);
    named.reaches("flush", &id, &["Pending"]);
    secret(json!({ "username": "me", "password": "first-password" }));
    named.succeeds("flush", &id);
    named.settles();
    let everything = space.everything();
    for password in ["first-password", "second-password"] {
        assert!(
            !everything.contains(password),
            "a password is in the API or in a log"
        );
    }
    named.delete();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn settings_that_cassandra_does_not_know_are_told_and_mended() {
    let space = Space::open(SPACE);
    let broken: Cluster = space.cluster("setting");
    broken.apply(&manifest("setting", |spec| {
        spec["config"]["cassandra-yaml"]["no_such_setting"] = json!(true);
    }));
    broken.tells("Degraded", "True", &["setting-dc1-rack1-0", "exit code"]);
    let log = space.kubectl.run(&[
        "logs",
        "setting-dc1-rack1-0",
        "-c",
        "cassandra",
        "--previous",
    ]);
    assert!(log.stdout.contains("no_such_setting"), "{log}");
    broken.change(&json!({ "config": { "cassandra-yaml": { "no_such_setting": null } } }));
    broken.settles();
    assert_eq!(
        cassandra::nodetool_status(&space.kubectl, "setting-dc1-rack1-0").len(),
        1
    );
    broken.delete();
}
