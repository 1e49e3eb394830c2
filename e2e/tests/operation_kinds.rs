//! Every kind of operation has its documented effect on the nodes, with every version of Cassandra that has an image.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Cluster, Space, cassandra,
    cluster::{self, image},
    management_api,
    operator::Shell,
    plugin::casskop,
    wait::until,
};
use serde_json::{Value, json};

const KEYSPACE: &str = "kinds";

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn with_cassandra_5_0() {
    on("5.0", "v50", |_| {});
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn by_the_management_api() {
    on("5.0", "api", management_api::declare_alone);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn with_cassandra_4_1_the_end_of_a_data_center_and_the_upgrade() {
    on("4.1", "v41", |_| {});
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn with_cassandra_4_0() {
    on("4.0", "v40", |_| {});
}

fn on(version: &str, name: &str, adapt: impl Fn(&mut Value)) {
    let space = Space::open("e2e-kinds");
    let ring = space.cluster(name);
    let mut manifest = cluster::ring(name, &[("dc1", &["rack1", "rack2"])]);
    manifest["spec"]["cassandraImage"] = json!(image(version));
    adapt(&mut manifest["spec"]);
    ring.apply(&manifest);
    ring.settles();
    let pods = ring.pod_names();
    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS kinds WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 2}",
        "CREATE TABLE IF NOT EXISTS kinds.t (id int PRIMARY KEY, text text)",
        "INSERT INTO kinds.t (id, text) VALUES (1, 'one')",
    ];
    cassandra::write(&space.kubectl, &pods[0], &statements);
    let says = ring.get()["status"]["cassandraNodeStatus"][&pods[0]]["version"].clone();
    assert!(
        says.as_str().is_some_and(|says| says.starts_with(version)),
        "{says}"
    );
    every_kind(&space, &ring, &pods);
    if version == "4.1" {
        a_data_center_goes(&space, &ring, &pods);
        upgraded(&space, &ring, &pods);
    }
    ring.delete();
}

fn every_kind(space: &Space, ring: &Cluster, pods: &[String]) {
    let run = |args: &[&str]| {
        let mut command = vec![args[0], ring.name.as_str()];
        command.extend(&args[1..]);
        command.extend(["--wait", "--timeout", "5m"]);
        casskop(&space.kubectl, &command)
    };
    let all = |what: &str, holds: &dyn Fn(&str) -> bool| {
        for pod in pods {
            assert!(holds(pod), "{what} on {pod}");
        }
    };
    let all_have_files = |count: usize| {
        for pod in pods {
            let found = files(space, pod);
            assert_eq!(found.len(), count, "data files on {pod}: {found:?}");
        }
    };
    run(&["flush", "--keyspace", KEYSPACE]).ok();
    let insert = "INSERT INTO kinds.t (id, text) VALUES (2, 'two')";
    cassandra::write(&space.kubectl, &pods[0], &[insert]);
    run(&["flush", "--keyspace", KEYSPACE]).ok();
    all_have_files(2);
    run(&["compact", "--keyspace", KEYSPACE]).ok();
    all_have_files(1);

    for args in [
        &[
            "upgradesstables",
            "--include-all",
            "--keyspace",
            KEYSPACE,
            "--jobs",
            "1",
        ][..],
        &[
            "garbagecollect",
            "--keyspace",
            KEYSPACE,
            "--granularity",
            "cell",
        ],
        &["scrub", "--keyspace", KEYSPACE],
    ] {
        let before: Vec<_> = pods.iter().map(|pod| files(space, pod)).collect();
        run(args).ok();
        for (pod, before) in pods.iter().zip(before) {
            assert_ne!(files(space, pod), before, "{} rewrites on {pod}", args[0]);
        }
    }
    all("scrub leaves a snapshot", &|pod| {
        has(space, pod, "*/snapshots/pre-scrub-*")
    });
    run(&["upgradesstables"]).ok();
    run(&["repair", "--keyspace", KEYSPACE, "--full"]).ok();
    repaired(space, ring);
    run(&[
        "repair",
        "--keyspace",
        KEYSPACE,
        "--table",
        "t",
        "--parallelism",
        "sequential",
    ])
    .ok();
    relocated(ring, &run);
    run(&["cleanup", "--keyspace", KEYSPACE, "--jobs", "1"]).ok();

    run(&["snapshot", "--name", "kept", "--keyspace", KEYSPACE]).ok();
    all("the snapshot", &|pod| has(space, pod, "*/snapshots/kept"));
    let taken = run(&["snapshot", "--name", "kept", "--keyspace", KEYSPACE]).fails();
    assert!(taken.contains("has a snapshot kept already"), "{taken}");
    restored(space, ring, &pods[0], &run);
    run(&["clearsnapshot", "--name", "kept"]).ok();
    all("no snapshot", &|pod| !has(space, pod, "*/snapshots/kept"));

    run(&["drain", "--pod", &pods[1]]).ok();
    ring.shows("the drained node", |cluster| {
        (cluster["status"]["cassandraNodeStatus"][&pods[1]]["state"] == "DRAINED").then_some(())
    });
    run(&["restart", "--pod", &pods[1]]).ok();
    ring.settles();
}

/// The Management API has no call for it.
fn relocated(ring: &Cluster, run: &dyn Fn(&[&str]) -> casskop_e2e::Output) {
    let relocate = run(&["relocate", "--keyspace", KEYSPACE]);
    if ring.get()["spec"]["nodeApi"]["kind"] == "ManagementApi" {
        let told = relocate.fails();
        assert!(told.contains("nodetool relocatesstables"), "{told}");
    } else {
        relocate.ok();
    }
}

/// Cassandra's own record of the repairs: one for each node, of its primary ranges, and both without an error.
fn repaired(space: &Space, ring: &Cluster) {
    let pods = ring.pod_names();
    let row =
        "SELECT keyspace_name, exception_message FROM system_distributed.parent_repair_history";
    let output = cassandra::cql(&space.kubectl, &pods[0], "ONE", &[row]).ok();
    let repairs = output.matches("keyspace_name=kinds").count();
    assert!(repairs >= pods.len(), "{output}");
}

/// Logins are replicated in the data center that is removed, and Cassandra 4.1 does not allow to remove that
/// replication while the data center has nodes. Therefore they do not block a decommission, unlike other keyspaces,
/// and their replication is removed at the end.
fn a_data_center_goes(space: &Space, ring: &Cluster, pods: &[String]) {
    let alter = |keyspace: &str, replicas: &str| {
        format!(
            "ALTER KEYSPACE {keyspace} WITH replication = \
             {{'class': 'NetworkTopologyStrategy', {replicas}}}"
        )
    };
    let node = format!("{}-dc2-rack1-0", ring.name);
    data_centers(ring, Some(1));
    ring.shows("the node of the second data center", |cluster| {
        (cluster["status"]["cassandraNodeStatus"][&node]["state"] == "NORMAL").then_some(())
    });
    ring.settles();
    let both = "'dc1': 2, 'dc2': 1";
    let login = "INSERT INTO system_auth.roles (role, can_login) VALUES ('orders', true)";
    let to_both = [alter(KEYSPACE, both), alter("system_auth", both)];
    let statements = [&to_both[0], &to_both[1], login];
    cassandra::write(&space.kubectl, &pods[0], &statements);
    let rebuild = [
        "rebuild",
        &ring.name,
        "--dc",
        "dc2",
        "--from-dc",
        "dc1",
        "--wait",
        "--timeout",
        "5m",
    ];
    casskop(&space.kubectl, &rebuild).ok();
    assert!(knows_the_login(space, &node, "LOCAL_ONE"));

    data_centers(ring, Some(0));
    let waits = ring.tells(
        "Progressing",
        "True",
        &["replicas-remain", "keyspace kinds", "dc2", "ALTER KEYSPACE"],
    );
    assert!(!waits.to_string().contains("system_auth"), "{waits:#}");
    let only_first = "'dc1': 2";
    let refused = cassandra::cql(
        &space.kubectl,
        &pods[0],
        "ALL",
        &[&alter("system_auth", only_first)],
    );
    assert!(refused.fails().contains("dc2"), "it has a node");
    assert_eq!(ring.pod_names().len(), 3, "none has left");
    cassandra::write(&space.kubectl, &pods[0], &[&alter(KEYSPACE, only_first)]);
    ring.shows("the node of dc2 to be gone", |cluster| {
        let nodes = cluster["status"]["cassandraNodeStatus"].as_object()?;
        (!nodes.contains_key(&node)).then_some(())
    });
    ring.settles();
    data_centers(ring, None);
    until("the rack of the data center to be gone", || {
        let set = format!("{}-dc2-rack1", ring.name);
        match space.kubectl.get("statefulset", &set) {
            None => Ok(()),
            Some(_) => Err("it is there".to_owned()),
        }
    });
    ring.settles();
    assert_eq!(ring.pod_names(), pods);
    assert!(knows_the_login(space, &pods[0], "QUORUM"));
    // Cassandra changes logins at this consistency level, which counts a data center without nodes too.
    let change = || cassandra::cql(&space.kubectl, &pods[0], "EACH_QUORUM", &[login]);
    change().fails();
    cassandra::write(
        &space.kubectl,
        &pods[0],
        &[&alter("system_auth", only_first)],
    );
    change().ok();
    ring.settles();
    assert!(knows_the_login(space, &pods[0], "ALL"));
}

/// Sets the number of nodes of the second data center, or removes it.
fn data_centers(ring: &Cluster, second: Option<i32>) {
    let first = json!({ "name": "dc1", "rack": [{ "name": "rack1" }, { "name": "rack2" }] });
    let second = second.map(
        |nodes| json!({ "name": "dc2", "nodesPerRacks": nodes, "rack": [{ "name": "rack1" }] }),
    );
    let all: Vec<Value> = [first].into_iter().chain(second).collect();
    ring.change(&json!({ "topology": { "dc": all } }));
}

fn knows_the_login(space: &Space, pod: &str, consistency: &str) -> bool {
    let row = "SELECT role FROM system_auth.roles WHERE role = 'orders'";
    let output = cassandra::cql(&space.kubectl, pod, consistency, &[row]);
    output.ok().trim() == "role=orders"
}

/// An upgrade to the newest version; data and nodes stay. The operator is killed while the first node is the canary,
/// and again while the second one is upgraded.
fn upgraded(space: &Space, ring: &Cluster, pods: &[String]) {
    let hosts = ring.host_ids();
    let mut operator = Shell::start(space);
    ring.change(&json!({ "cassandraImage": image("5.0") }));
    for renewed in 1..=pods.len() {
        until(&format!("{renewed} pods with the new image"), || {
            let pods = ring.pods();
            let has = |pod: &Value| pod["spec"]["containers"][0]["image"] == image("5.0").as_str();
            let count = pods.iter().filter(|pod| has(pod)).count();
            if count >= renewed {
                Ok(())
            } else {
                Err(format!("{count} pods"))
            }
        });
        operator.dies();
    }
    ring.shows("every node with 5.0", |cluster| {
        let nodes = cluster["status"]["cassandraNodeStatus"].as_object()?;
        let newest = |node: &Value| {
            node["version"]
                .as_str()
                .is_some_and(|has| has.starts_with("5.0"))
        };
        nodes.values().all(newest).then_some(())
    });
    ring.settles();
    drop(operator);
    assert_eq!(ring.host_ids(), hosts);
    let row = "SELECT text FROM kinds.t WHERE id = 2";
    let output = cassandra::cql(&space.kubectl, &pods[0], "QUORUM", &[row]).ok();
    assert_eq!(output.trim(), "text=two");
    let upgrade = ["upgradesstables", &ring.name, "--wait", "--timeout", "5m"];
    casskop(&space.kubectl, &upgrade).ok();

    ring.change(&json!({ "cassandraImage": image("4.1") }));
    ring.tells(
        "SpecAccepted",
        "False",
        &["does not read the files", "spec.waive"],
    );
    ring.change(&json!({ "cassandraImage": image("5.0") }));
    ring.settles();
}

/// Deleted rows are restored from the files of a snapshot.
fn restored(
    space: &Space,
    ring: &Cluster,
    pod: &str,
    run: &dyn Fn(&[&str]) -> casskop_e2e::Output,
) {
    cassandra::write(&space.kubectl, pod, &["TRUNCATE kinds.t"]);
    let put = format!("cd {}/t-* && cp snapshots/kept/*-* .", folder());
    space
        .kubectl
        .ok(&["exec", pod, "-c", "cassandra", "--", "sh", "-c", &put]);
    run(&[
        "refresh",
        "--keyspace",
        KEYSPACE,
        "--table",
        "t",
        "--pod",
        pod,
    ])
    .ok();
    until("the rows to be back", || {
        let row = "SELECT text FROM kinds.t WHERE id = 2";
        let output = cassandra::cql(&space.kubectl, pod, "ONE", &[row]);
        if output.stdout.contains("text=two") {
            Ok(())
        } else {
            Err(format!("{}: {}", ring.name, output.stderr))
        }
    });
}

fn folder() -> String {
    format!("/var/lib/cassandra/data/{KEYSPACE}")
}

/// Data files of the keyspace on a node. A list that was not read to its end does not count as one.
fn files(space: &Space, pod: &str) -> Vec<String> {
    let find = format!("ls {}/t-*/ && echo all", folder());
    let listed = until("the list of the data files", || {
        let output = space
            .kubectl
            .run(&["exec", pod, "-c", "cassandra", "--", "sh", "-c", &find]);
        match output.stdout.trim_end().strip_suffix("all") {
            Some(listed) => Ok(listed.to_owned()),
            None => Err(output.stderr),
        }
    });
    let is_data = |file: &&str| file.ends_with("-Data.db");
    listed.lines().filter(is_data).map(str::to_owned).collect()
}

fn has(space: &Space, pod: &str, path: &str) -> bool {
    let list = format!("ls -d {}/{path}", folder());
    space
        .kubectl
        .run(&["exec", pod, "-c", "cassandra", "--", "sh", "-c", &list])
        .code
        == 0
}
