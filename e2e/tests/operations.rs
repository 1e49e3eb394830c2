//! Operations on a real ring, requested by annotations and by the plugin. The results are read from Cassandra's log,
//! not only from the status.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::collections::BTreeMap;

use casskop_e2e::{
    Cluster, Kubectl, cassandra,
    cluster::{find_operation, node_phases},
    fresh_id,
    plugin::casskop,
    shared_ring,
};

/// The length of each node's log at the start of a test, so that the test reads only later lines.
struct Logs<'a> {
    cluster: &'a Cluster,
    before: BTreeMap<String, usize>,
}

impl<'a> Logs<'a> {
    fn from_now(cluster: &'a Cluster) -> Self {
        let length = |pod: &String| cassandra::log(&cluster.kubectl, pod).len();
        let before = cluster.pod_names();
        let before = before
            .into_iter()
            .map(|pod| (pod.clone(), length(&pod)))
            .collect();
        Self { cluster, before }
    }

    fn of(&self, pod: &str) -> String {
        cassandra::log(&self.cluster.kubectl, pod)[self.before[pod]..].to_owned()
    }

    /// Keyspaces that each node cleaned, in order.
    fn cleaned(&self) -> BTreeMap<String, Vec<String>> {
        let of = |pod: &String| {
            let found = cassandra::cleanups(&self.of(pod));
            assert!(
                found.iter().all(cassandra::Cleanup::is_done),
                "{pod}: {found:?}"
            );
            found.into_iter().map(|cleanup| cleanup.keyspace).collect()
        };
        self.before
            .keys()
            .map(|pod| (pod.clone(), of(pod)))
            .collect()
    }

    fn nothing_was_cleaned(&self) {
        for (pod, keyspaces) in self.cleaned() {
            assert!(keyspaces.is_empty(), "{pod} cleaned {keyspaces:?}");
        }
    }
}

/// A keyspace with existing data.
fn keyspace(kubectl: &Kubectl, cluster: &Cluster) -> &'static str {
    cassandra::fill(kubectl, &cluster.pod_names()[0], &["e2e_ops".into()]);
    "e2e_ops"
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_cleanup_by_annotation_cleans_every_keyspace_of_every_node_once() {
    let (space, demo) = shared_ring();
    let keyspace = keyspace(&space.kubectl, &demo);
    let logs = Logs::from_now(&demo);
    let id = fresh_id("all");
    demo.request("cleanup", &id);
    let done = demo.succeeds("cleanup", &id);

    let steps: Vec<String> = texts(&done["plan"]["steps"]);
    assert!(steps.contains(&keyspace.to_owned()), "{steps:?}");
    for (pod, cleaned) in logs.cleaned() {
        assert_eq!(cleaned, steps, "{pod}");
    }
    for check in ["nodes-up", "ring-settled"] {
        let checks = done["checks"].as_array().expect("checks");
        let found = checks.iter().find(|found| found["name"] == check);
        assert_eq!(
            found.map(|found| &found["passed"]),
            Some(&true.into()),
            "{done:#}"
        );
    }
    let phases = node_phases(&done);
    assert_eq!(phases.len(), 3);
    assert!(
        phases.iter().all(|(_, phase)| phase == "Succeeded"),
        "{phases:?}"
    );
    // One node after the other: no node starts before the previous one has ended.
    let nodes = done["nodes"].as_array().expect("nodes");
    for pair in nodes.windows(2) {
        let (ended, began) = (texts(&pair[0]["finishedAt"]), texts(&pair[1]["startedAt"]));
        assert!(ended <= began, "{done:#}");
    }
    demo.announces("OperationRunning", &[&id]);
    demo.announces("OperationSucceeded", &[&id]);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn the_same_id_never_runs_twice_and_a_new_one_does() {
    let (space, demo) = shared_ring();
    let keyspace = keyspace(&space.kubectl, &demo);
    let arguments = format!("--keyspace {keyspace} --rack rack1");
    let (first, second) = (fresh_id("first"), fresh_id("second"));
    demo.request("cleanup", &format!("{first} {arguments}"));
    demo.succeeds("cleanup", &first);

    let logs = Logs::from_now(&demo);
    // An annotation that is removed and set again, also with other arguments, is the same request.
    demo.annotate("cleanup", None).ok();
    demo.is_looked_at();
    demo.request("cleanup", &format!("{first} {arguments}"));
    demo.is_looked_at();
    demo.request("cleanup", &first);
    demo.is_looked_at();
    logs.nothing_was_cleaned();

    demo.request("cleanup", &format!("{second} {arguments}"));
    demo.succeeds("cleanup", &second);
    assert_eq!(logs.cleaned()["demo-dc1-rack1-0"], [keyspace]);

    // A reverted commit restores the first id: that is reported, and the operation does not run again.
    let logs = Logs::from_now(&demo);
    demo.request("cleanup", &format!("{first} {arguments}"));
    demo.tells(
        "IntentsAccepted",
        "False",
        &["cleanup", &first, "already ended", "new id"],
    );
    demo.is_looked_at();
    logs.nothing_was_cleaned();
    let history = demo.get()["status"]["operationHistory"].clone();
    let listed = history.as_array().into_iter().flatten();
    assert_eq!(
        listed.filter(|old| old["id"] == first.as_str()).count(),
        1,
        "{history:#}"
    );

    demo.annotate("cleanup", None).ok();
    demo.becomes("IntentsAccepted", "True");
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn the_plugin_requests_a_cleanup_and_waits_for_its_end() {
    let (space, demo) = shared_ring();
    let keyspace = keyspace(&space.kubectl, &demo);
    let logs = Logs::from_now(&demo);
    let id = fresh_id("plugin");
    let asked = [
        "cleanup",
        "demo",
        "--keyspace",
        keyspace,
        "--jobs",
        "1",
        "--id",
        &id,
    ];
    let output = casskop(
        &space.kubectl,
        &[&asked[..], &["--wait", "--timeout", "10m"]].concat(),
    );
    let said = output.ok();
    assert!(said.contains(&id) && said.contains("Succeeded"), "{said}");
    for (pod, cleaned) in logs.cleaned() {
        assert_eq!(cleaned, [keyspace], "{pod}");
    }
    // The annotation contains the arguments of the command line.
    let annotation = format!("{id} --keyspace {keyspace} --jobs 1");
    let annotations = demo.get()["metadata"]["annotations"].clone();
    assert_eq!(
        annotations["operations.db.orange.com/cleanup"],
        annotation.as_str()
    );

    // The same command again reports the result of the first one, and nothing runs.
    let logs = Logs::from_now(&demo);
    casskop(
        &space.kubectl,
        &[&asked[..], &["--wait", "--timeout", "10m"]].concat(),
    )
    .ok();
    demo.is_looked_at();
    logs.nothing_was_cleaned();

    let status = casskop(&space.kubectl, &["status", "demo"]).ok();
    assert!(
        status.contains("3 nodes ready") || status.contains("3 of 3"),
        "{status}"
    );
    assert!(status.contains(&id), "{status}");
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_flush_by_plugin_and_by_annotation_writes_the_tables_to_disk() {
    let (space, demo) = shared_ring();
    let keyspace = keyspace(&space.kubectl, &demo);
    let (asked, by_annotation) = (fresh_id("flush"), fresh_id("flush"));
    let logs = Logs::from_now(&demo);
    let arguments = [
        "flush",
        "demo",
        "--keyspace",
        keyspace,
        "--table",
        "t",
        "--id",
        &asked,
    ];
    casskop(
        &space.kubectl,
        &[&arguments[..], &["--wait", "--timeout", "10m"]].concat(),
    )
    .ok();
    let table = format!("{keyspace}.t");
    for pod in demo.pod_names() {
        assert_eq!(
            cassandra::flushes(&logs.of(&pod)),
            [table.as_str()],
            "{pod}"
        );
    }
    cassandra::fill(&space.kubectl, "demo-dc1-rack1-0", &[keyspace.into()]);
    let logs = Logs::from_now(&demo);
    demo.request("flush", &format!("{by_annotation} --keyspace {keyspace}"));
    demo.succeeds("flush", &by_annotation);
    for pod in demo.pod_names() {
        assert!(cassandra::flushes(&logs.of(&pod)).contains(&table), "{pod}");
    }
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn targets_are_the_nodes_that_are_named_and_no_others() {
    let (space, demo) = shared_ring();
    let keyspace = keyspace(&space.kubectl, &demo);
    for (flags, targets) in [
        ("--rack rack2", vec!["demo-dc1-rack2-0"]),
        (
            "--rack dc1.rack3 --rack rack1",
            vec!["demo-dc1-rack1-0", "demo-dc1-rack3-0"],
        ),
        ("--pod demo-dc1-rack3-0", vec!["demo-dc1-rack3-0"]),
        ("--dc dc1 --rack rack1", vec!["demo-dc1-rack1-0"]),
    ] {
        let logs = Logs::from_now(&demo);
        let id = fresh_id("target");
        demo.request("cleanup", &format!("{id} --keyspace {keyspace} {flags}"));
        demo.succeeds("cleanup", &id);
        for (pod, cleaned) in logs.cleaned() {
            let expected: &[&str] = if targets.contains(&pod.as_str()) {
                &[keyspace]
            } else {
                &[]
            };
            assert_eq!(cleaned, expected, "{flags}: {pod}");
        }
    }
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn tables_and_jobs_reach_cassandra() {
    let (space, demo) = shared_ring();
    let keyspace = keyspace(&space.kubectl, &demo);
    let more = format!("CREATE TABLE IF NOT EXISTS {keyspace}.u (id int PRIMARY KEY)");
    cassandra::write(&space.kubectl, "demo-dc1-rack1-0", &[&more]);
    let logs = Logs::from_now(&demo);
    let id = fresh_id("tables");
    demo.request(
        "cleanup",
        &format!("{id} --keyspace {keyspace} --table u --jobs 2 --rack rack1"),
    );
    let done = demo.succeeds("cleanup", &id);
    assert_eq!(
        done["arguments"].as_str().map(words),
        Some(words(&format!(
            "--keyspace {keyspace} --table u --jobs 2 --rack rack1"
        )))
    );
    let found = cassandra::cleanups(&logs.of("demo-dc1-rack1-0"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].keyspace.as_str(), found[0].tables.as_str()),
        (keyspace, "u")
    );
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_dry_run_plans_and_calls_no_node() {
    let (space, demo) = shared_ring();
    let keyspace = keyspace(&space.kubectl, &demo);
    let logs = Logs::from_now(&demo);
    let id = fresh_id("dry");
    demo.request(
        "cleanup",
        &format!("{id} --dry-run --rack rack1 --rack rack2"),
    );
    let planned = demo.ends("cleanup", &id);
    assert_eq!(planned["phase"], "Planned", "{planned:#}");
    assert!(texts(&planned["plan"]["steps"]).contains(&keyspace.to_owned()));
    let waves = planned["plan"]["waves"].as_array().expect("waves");
    let waves: Vec<Vec<String>> = waves.iter().map(texts).collect();
    assert_eq!(waves, [["demo-dc1-rack1-0"], ["demo-dc1-rack2-0"]]);
    let by_plugin = casskop(&space.kubectl, &["cleanup", "demo", "--dry-run"]).ok();
    assert!(by_plugin.contains("demo-dc1-rack3-0"), "{by_plugin}");
    let by_client = casskop(
        &space.kubectl,
        &["cleanup", "demo", "--dry-run=client", "-o", "yaml"],
    )
    .ok();
    assert!(
        by_client.contains("operations.db.orange.com/cleanup:"),
        "{by_client}"
    );
    demo.is_looked_at();
    logs.nothing_was_cleaned();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_request_can_be_withdrawn_paused_and_cancelled_before_it_begins() {
    let (space, demo) = shared_ring();
    let keyspace = keyspace(&space.kubectl, &demo);
    let logs = Logs::from_now(&demo);

    // All actions are paused: the request waits. A removed request is withdrawn.
    demo.request("reconcile", "paused");
    let id = fresh_id("withdrawn");
    demo.request("cleanup", &format!("{id} --keyspace {keyspace}"));
    let waiting = demo.reaches("cleanup", &id, &["Pending"]);
    assert!(
        waiting["message"]
            .as_str()
            .is_some_and(|text| text.contains("paused")),
        "{waiting:#}"
    );
    demo.annotate("cleanup", None).ok();
    demo.reaches("cleanup", &id, &["Withdrawn"]);

    // A request is replaced by another one before it starts.
    let (replaced, newer) = (fresh_id("replaced"), fresh_id("newer"));
    demo.request("cleanup", &format!("{replaced} --keyspace {keyspace}"));
    demo.reaches("cleanup", &replaced, &["Pending"]);
    demo.request(
        "cleanup",
        &format!("{newer} --keyspace {keyspace} --rack rack1"),
    );
    demo.reaches("cleanup", &replaced, &["Withdrawn"]);
    demo.annotate("reconcile", None).ok();
    demo.succeeds("cleanup", &newer);

    // This request is paused; a pause of a different request does not affect it.
    let id = fresh_id("paused");
    demo.request("cleanup.pause", &id);
    demo.request(
        "cleanup",
        &format!("{id} --keyspace {keyspace} --rack rack2"),
    );
    let waiting = demo.reaches("cleanup", &id, &["Pending"]);
    assert!(
        waiting["message"]
            .as_str()
            .is_some_and(|text| text.contains("paused")),
        "{waiting:#}"
    );
    demo.is_looked_at();
    demo.request("cleanup.pause", "another");
    demo.succeeds("cleanup", &id);

    let id = fresh_id("cancelled");
    demo.request("cleanup.cancel", &id);
    demo.request("cleanup", &format!("{id} --keyspace {keyspace}"));
    demo.reaches("cleanup", &id, &["Cancelled"]);
    for control in ["cleanup.cancel", "cleanup.pause"] {
        demo.annotate(control, None).ok();
    }

    let cleaned = logs.cleaned();
    assert_eq!(cleaned["demo-dc1-rack1-0"], [keyspace]);
    assert_eq!(cleaned["demo-dc1-rack2-0"], [keyspace]);
    assert_eq!(cleaned["demo-dc1-rack3-0"], [""; 0]);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn what_failed_is_told_and_tried_again_when_asked() {
    let (space, demo) = shared_ring();
    let keyspace = keyspace(&space.kubectl, &demo);
    let (table, id) = (fresh_id("late").replace('-', "_"), fresh_id("failed"));
    demo.request(
        "cleanup",
        &format!("{id} --keyspace {keyspace} --table {table}"),
    );
    let failed = demo.ends("cleanup", &id);
    assert_eq!(failed["phase"], "Failed", "{failed:#}");
    assert!(failed.to_string().contains(&table), "{failed:#}");
    demo.announces("OperationFailed", &[&id, &table]);
    assert!(find_operation(&demo.get(), "cleanup", &id).is_some());
    // The ring itself is healthy.
    demo.becomes("Available", "True");

    let create = format!("CREATE TABLE {keyspace}.{table} (id int PRIMARY KEY)");
    cassandra::write(&space.kubectl, "demo-dc1-rack1-0", &[&create]);
    let logs = Logs::from_now(&demo);
    demo.request("cleanup.retry", &id);
    demo.reaches("cleanup", &id, &["Succeeded"]);
    for (pod, cleaned) in logs.cleaned() {
        assert_eq!(cleaned, [keyspace], "{pod}");
    }
    demo.annotate("cleanup.retry", None).ok();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn requests_of_two_kinds_at_once_run_one_after_the_other() {
    let (space, demo) = shared_ring();
    keyspace(&space.kubectl, &demo);
    let (cleanup, flush) = (fresh_id("both"), fresh_id("both"));
    let annotations = serde_json::json!({ "metadata": { "annotations": {
        "operations.db.orange.com/cleanup": cleanup,
        "operations.db.orange.com/flush": flush,
    } } });
    demo.kubectl
        .patch("cassandracluster", "demo", &annotations)
        .ok();
    let flushed = demo.succeeds("flush", &flush);
    let cleaned = demo.succeeds("cleanup", &cleanup);
    assert!(
        texts(&cleaned["finishedAt"]) <= texts(&flushed["startedAt"]),
        "{cleaned:#}\n{flushed:#}"
    );
}

/// The text, or the texts of a list.
fn texts(value: &serde_json::Value) -> Vec<String> {
    let list = value
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![value.clone()]);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    list.iter().map(text).collect()
}

fn words(text: &str) -> std::collections::BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
