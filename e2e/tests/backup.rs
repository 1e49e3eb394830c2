//! Backups of a real ring to a real S3 server and to a volume. What a store has is read by `casskop-backup` and from the objects,
//! not only from the status.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{collections::BTreeMap, fs, path::Path, sync::Once, thread, time::Duration};

use casskop_e2e::{
    Client, Cluster, Space,
    backups::{
        as_started, does_not_exist, in_status, is_whole, jobs_of, no_job_is_left,
        no_snapshot_is_left, noise, shared_volume,
    },
    cassandra, cluster, fresh_id, machine,
    operator::{self, Shell},
    s3::{S3, secret},
    wait::{POLL, until, until_every},
};
use serde_json::{Value, json};

/// A node of the ring.
const POD: &str = "demo-dc1-rack1-0";
const KEYSPACE: &str = "shop";
/// Secret with the keys that the server accepts.
const KEYS: &str = "store-keys";
/// Rows that no compression makes small, so that a slow upload takes its time.
const ROWS: u64 = 64;
const ROW_BYTES: usize = 16 << 10;
/// Such an upload, by its rate: ten seconds or more for a node.
const SLOWLY: &str = "--rate 128Ki";
/// Namespaces of the tests that run in one process. The two may run at the same time.
const BACKUPS: &str = "e2e-backup";
const REFUSALS: &str = "e2e-backup-refusals";
/// A time in which the store is away.
const AWAY: Duration = Duration::from_secs(4);

/// The ring of the tests in a namespace, with rows that were written at QUORUM.
fn ring_in(namespace: &str) -> (Space, Cluster) {
    static WRITTEN: Once = Once::new();
    let space = Space::open(namespace);
    let demo = space.cluster("demo");
    demo.apply(&cluster::ring(
        "demo",
        &[("dc1", &["rack1", "rack2", "rack3"])],
    ));
    demo.settles();
    space.kubectl.apply(&secret(KEYS, None));
    WRITTEN.call_once(|| write(&space));
    (space, demo)
}

fn write(space: &Space) {
    cassandra::fill(&space.kubectl, POD, &[KEYSPACE.to_owned()]);
    let rows: Vec<String> = (100..100 + ROWS)
        .map(|id| {
            let text = noise(id, ROW_BYTES);
            format!("INSERT INTO {KEYSPACE}.t (id, text) VALUES ({id}, '{text}')")
        })
        .collect();
    // A process takes some 2 MB of arguments.
    for some in rows.chunks(16) {
        let some: Vec<&str> = some.iter().map(String::as_str).collect();
        until("the rows to be written at QUORUM", || {
            let output = cassandra::cql(&space.kubectl, POD, "QUORUM", &some);
            match output.code {
                0 => Ok(()),
                _ => Err(output.stderr),
            }
        });
    }
}

/// Declares the one store of the ring.
fn declare(demo: &Cluster, mut place: Value, keys: Option<&str>) {
    place["name"] = json!("main");
    if let Some(keys) = keys {
        place["secret"] = json!({ "name": keys });
    }
    demo.change(&json!({ "backup": { "stores": [place] } }));
    demo.settles();
}

/// Requests a backup and waits until it has succeeded.
fn back_up(demo: &Cluster, id: &str, arguments: &str) -> Value {
    demo.request("backup", &format!("{id} --to main {arguments}"));
    demo.succeeds("backup", id)
}

/// Requests a backup and waits until its Job has written an object.
fn begin(demo: &Cluster, s3: &S3, id: &str, arguments: &str) {
    demo.request("backup", &format!("{id} --to main {arguments}"));
    until_every(POLL, "the first object of the backup", || {
        if !s3.objects(demo, "objects").is_empty() {
            return Ok(());
        }
        let operation = demo.operation("backup", id).unwrap_or_default();
        assert!(operation["finishedAt"].is_null(), "{operation:#}");
        Err(operation.to_string())
    });
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_backup_reaches_the_store_and_the_next_one_sends_what_is_new() {
    let (space, demo) = ring_in(BACKUPS);
    demo.change(&json!({ "backup": null }));
    demo.settles();
    let before = as_started(&demo);
    let s3 = S3::start("whole");
    let store = json!({ "s3": s3.store() });
    declare(&demo, store.clone(), Some(KEYS));
    assert_eq!(as_started(&demo), before, "the declaration of a store");

    let (first, second) = (fresh_id("first"), fresh_id("second"));
    let table = format!("{KEYSPACE}.t");
    let nodes = demo.pod_names();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    let client = Client::start(&space.kubectl, &nodes, &table);
    back_up(&demo, &first, "");
    let outcome = client.end();
    assert!(outcome.failed.is_empty(), "{outcome:#?}");
    let recorded = in_status(&demo, &first);
    let listed = is_whole(&demo, &store, &first);
    assert_eq!(recorded["store"], "main", "{recorded:#}");
    for number in ["nodes", "files", "bytes"] {
        assert_eq!(recorded[number], listed[number], "{recorded:#} {listed:#}");
    }
    assert_eq!(recorded["nodes"], 3, "{recorded:#}");
    for partial in ["keyspaces", "leftOut"] {
        assert!(recorded[partial].is_null(), "{recorded:#}");
    }
    // Three replicas of the rows.
    let least = 3 * ROWS * ROW_BYTES as u64 / 2;
    let bytes = recorded["bytes"].as_u64();
    assert!(bytes.is_some_and(|bytes| bytes > least), "{recorded:#}");
    no_job_is_left(&demo);
    no_snapshot_is_left(&demo);

    let objects = s3.objects(&demo, "objects");
    let write = format!("INSERT INTO {table} (id, text) VALUES (1, 'after {first}')");
    cassandra::write(&space.kubectl, POD, &[&write]);
    back_up(&demo, &second, "");
    let mut new: BTreeMap<String, u64> = s3.objects(&demo, "objects");
    new.retain(|name, _| !objects.contains_key(name));
    assert!(!new.is_empty(), "the write is in the second backup");
    assert!(
        new.len() < objects.len() / 3,
        "{new:?} of {}",
        objects.len()
    );
    let (sent, had): (u64, u64) = (new.values().sum(), objects.values().sum());
    assert!(sent < had / 10, "{sent} bytes after {had}: {new:?}");
    for id in [&first, &second] {
        is_whole(&demo, &store, id);
    }
    in_status(&demo, &second);
    no_job_is_left(&demo);
    no_snapshot_is_left(&demo);
    assert_eq!(as_started(&demo), before, "two backups");
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_backup_survives_its_operator_and_an_outage_of_the_store() {
    let (space, demo) = ring_in(BACKUPS);
    let before = as_started(&demo);
    let mut s3 = S3::start("outage");
    let store = json!({ "s3": s3.store() });
    declare(&demo, store.clone(), Some(KEYS));
    let mut operator = Shell::start(&space);
    let id = fresh_id("outage");
    let two = "--rack rack1 --rack rack2";
    begin(&demo, &s3, &id, &format!("{two} {SLOWLY}"));
    operator.kill();
    let job = the_job(&demo);
    let nodes = format!("nodes/{id}");
    assert!(s3.objects(&demo, &nodes).is_empty(), "it is at work");

    // First the server does not answer, then nothing listens. The Job needs no operator to wait for it.
    s3.hang(true);
    thread::sleep(AWAY);
    s3.stop();
    thread::sleep(AWAY);
    assert_eq!(the_job(&demo), job, "it goes on");
    operator.run();
    s3.run();
    demo.succeeds("backup", &id);
    is_whole(&demo, &store, &id);
    let recorded = in_status(&demo, &id);
    assert_eq!(recorded["nodes"], 2, "{recorded:#}");
    assert_eq!(recorded["leftOut"], json!(["demo-dc1-rack3-0"]));
    drop(operator);
    no_job_is_left(&demo);
    no_snapshot_is_left(&demo);
    assert_eq!(as_started(&demo), before);
}

fn uids(objects: &[Value]) -> Vec<Value> {
    let uids = objects.iter();
    uids.map(|object| object["metadata"]["uid"].clone())
        .collect()
}

/// Name and UID of the one Job of a backup.
fn the_job(demo: &Cluster) -> (Value, Value) {
    let jobs = demo.kubectl.list("jobs", &jobs_of(demo));
    let [job] = jobs.as_slice() else {
        panic!("one Job: {jobs:#?}")
    };
    let metadata = &job["metadata"];
    (metadata["name"].clone(), metadata["uid"].clone())
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_cancelled_backup_leaves_nothing_on_the_nodes_and_does_not_exist() {
    let (_space, demo) = ring_in(REFUSALS);
    let before = as_started(&demo);
    let s3 = S3::start("cancel");
    let store = json!({ "s3": s3.store() });
    declare(&demo, store.clone(), Some(KEYS));
    let id = fresh_id("cancel");
    begin(&demo, &s3, &id, &format!("--keyspace {KEYSPACE} {SLOWLY}"));
    demo.request("backup.cancel", &id);
    let ended = demo.ends("backup", &id);
    assert_eq!(ended["phase"], "Cancelled", "{ended:#}");
    no_job_is_left(&demo);
    no_snapshot_is_left(&demo);
    assert!(s3.objects(&demo, "backups").is_empty());
    does_not_exist(&demo, &store, &id);
    demo.annotate("backup.cancel", None).ok();
    assert_eq!(as_started(&demo), before);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn keys_that_the_store_refuses_are_told_nowhere_and_mended() {
    const WRONG: &str = "another-key-that-nobody-may-read";
    let (space, demo) = ring_in(REFUSALS);
    let s3 = S3::start("refused");
    let store = json!({ "s3": s3.store() });
    space.kubectl.apply(&secret("wrong-keys", Some(WRONG)));
    declare(&demo, store.clone(), Some("wrong-keys"));
    let id = fresh_id("refused");
    let part = format!("--keyspace {KEYSPACE} --pod {POD}");
    demo.request("backup", &format!("{id} --to main {part}"));
    let mut jobs = String::new();
    let failed = until_every(POLL, "the backup to fail", || {
        for job in demo.kubectl.list("jobs,pods", &jobs_of(&demo)) {
            jobs += &job.to_string();
        }
        let operation = demo.operation("backup", &id).unwrap_or_default();
        if operation["finishedAt"].is_null() {
            return Err(operation.to_string());
        }
        Ok(operation)
    });
    assert_eq!(failed["phase"], "Failed", "{failed:#}");
    let told = failed.to_string();
    for word in ["403", "check the keys"] {
        assert!(told.contains(word), "{word}: {failed:#}");
    }
    demo.announces("OperationFailed", &[&id]);
    no_job_is_left(&demo);
    assert!(s3.objects(&demo, "").is_empty());
    does_not_exist(&demo, &store, &id);
    assert!(jobs.contains("CASSKOP_BACKUP_JOB"), "the Job was seen");
    for (what, text) in [("Jobs", jobs), ("objects", space.everything())] {
        assert!(!text.contains(WRONG), "the key is in the {what}");
    }

    // With the right key, the same backup is made.
    space.kubectl.apply(&secret("wrong-keys", None));
    demo.request("backup.retry", &id);
    demo.reaches("backup", &id, &["Succeeded"]);
    demo.annotate("backup.retry", None).ok();
    is_whole(&demo, &store, &id);
    no_job_is_left(&demo);
    no_snapshot_is_left(&demo);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_store_that_nobody_declared_is_refused_and_a_volume_is_one() {
    let (space, demo) = ring_in(REFUSALS);
    let before = as_started(&demo);
    let (claim, folder) = shared_volume(&space.kubectl);
    declare(&demo, json!({ "volume": { "claimName": claim } }), None);
    let id = fresh_id("nowhere");
    demo.request("backup", &format!("{id} --to nowhere"));
    let refused = demo.ends("backup", &id);
    assert_eq!(refused["phase"], "Refused", "{refused:#}");
    assert_eq!(refused["reason"], "UnknownStore", "{refused:#}");
    let message = refused["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("nowhere") && message.contains("main"),
        "{message}"
    );

    let id = fresh_id("volume");
    back_up(&demo, &id, &format!("--keyspace {KEYSPACE}"));
    let store = json!({ "path": folder });
    let listed = is_whole(&demo, &store, &id);
    let recorded = in_status(&demo, &id);
    for known in [&listed, &recorded] {
        assert_eq!(known["nodes"], 3, "{known:#}");
        assert_eq!(known["keyspaces"], json!([KEYSPACE]), "{known:#}");
    }
    no_job_is_left(&demo);
    no_snapshot_is_left(&demo);
    assert_eq!(as_started(&demo), before);
    demo.change(&json!({ "backup": null }));
    space
        .kubectl
        .ok(&["delete", "persistentvolumeclaim", &claim]);
    space.kubectl.ok(&["delete", "persistentvolume", &claim]);
    fs::remove_dir_all(Path::new(&folder)).expect("the run folder of the testbed is writable");
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_backup_becomes_a_new_ring_with_its_rows() {
    let (space, demo) = ring_in(BACKUPS);
    let mut s3 = S3::start("restore");
    let store = json!({ "s3": s3.store() });
    declare(&demo, store, Some(KEYS));
    let id = fresh_id("restore");
    back_up(&demo, &id, "");
    let query = format!("SELECT id, text FROM {KEYSPACE}.t");
    let rows = |pod: &str| {
        let output = cassandra::cql(&space.kubectl, pod, "QUORUM", &[&query]);
        let mut rows: Vec<String> = output.ok().lines().map(str::to_owned).collect();
        rows.sort();
        rows
    };
    let before = rows(POD);
    let tokens = |pod: &str| {
        let words = [
            "exec",
            pod,
            "-c",
            "cassandra",
            "--",
            "nodetool",
            "info",
            "-T",
        ];
        let info = space.kubectl.ok(&words);
        let mut tokens: Vec<String> = info
            .lines()
            .filter(|line| line.starts_with("Token"))
            .map(str::to_owned)
            .collect();
        tokens.sort();
        tokens
    };

    let again = space.cluster("again");
    let mut manifest = cluster::ring("again", &[("dc1", &["rack1", "rack2", "rack3"])]);
    let mut place = json!({ "s3": s3.store() });
    place["name"] = json!("main");
    place["secret"] = json!({ "name": KEYS });
    let uid = demo.get()["metadata"]["uid"].clone();
    manifest["spec"]["deletePVC"] = json!(true);
    manifest["spec"]["backup"] = json!({ "stores": [place] });
    manifest["spec"]["restore"] =
        json!({ "store": "main", "cluster": { "name": "demo", "uid": uid }, "backup": id });
    // The store is away at first, and the operator is killed; its next one goes on with the same Jobs, of which one is killed.
    s3.stop();
    again.apply(&manifest);
    let jobs = || space.kubectl.list("jobs", &jobs_of(&again));
    until("a Job for each pod", || {
        let count = jobs().len();
        (count == 3).then_some(()).ok_or(format!("{count} Jobs"))
    });
    let before_the_kill = uids(&jobs());
    let operator = operator::ready_pod(&space.kubectl);
    let uid = operator["metadata"]["uid"].as_str().expect("a UID");
    machine::signal_operator(uid, "-KILL");
    thread::sleep(AWAY);
    let waiting = again.pods();
    assert!(!waiting.iter().any(operator::is_ready), "{waiting:#?}");
    let phase = &again.get()["status"]["restore"]["phase"];
    assert_eq!(*phase, "Fetching");
    assert_eq!(uids(&jobs()), before_the_kill);
    let selector = jobs_of(&again);
    let force = [
        "delete",
        "pods",
        "-l",
        &selector,
        "--grace-period=0",
        "--force",
    ];
    space.kubectl.ok(&force);
    s3.run();
    again.settles();
    let told = again.get()["status"]["restore"].clone();
    assert_eq!(told["phase"], "Restored", "{told:#}");
    assert_eq!((&told["nodes"], &told["done"]), (&json!(3), &json!(3)));
    assert_eq!(rows("again-dc1-rack1-0"), before);
    for (old, new) in demo.pod_names().iter().zip(again.pod_names()) {
        assert_eq!(tokens(old), tokens(&new), "{new}");
    }
    let hosts = |ring: &Cluster| -> Vec<String> {
        let ids = ring.host_ids().into_iter();
        ids.map(|(_, id)| id).collect()
    };
    let of_demo = hosts(&demo);
    assert!(hosts(&again).iter().all(|id| !of_demo.contains(id)));

    // The ring writes, and restarts nothing when the field goes.
    let started = as_started(&again);
    let write = format!("INSERT INTO {KEYSPACE}.t (id, text) VALUES (1, 'after the restore')");
    cassandra::write(&space.kubectl, "again-dc1-rack2-0", &[&write]);
    again.change(&json!({ "restore": null }));
    again.settles();
    assert_eq!(as_started(&again), started);
    // A node that was restored starts again with its tokens.
    let restarted = "again-dc1-rack3-0";
    space.kubectl.ok(&["delete", "pod", restarted]);
    again.becomes("Available", "False");
    again.settles();
    assert_eq!(tokens(restarted), tokens("demo-dc1-rack3-0"));
    again.delete();
}
