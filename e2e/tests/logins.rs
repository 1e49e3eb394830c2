//! Logins of clients: from the first moment that a client can connect, nobody logs in with the password that everybody knows.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

#[path = "logins/roles.rs"]
mod roles;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use casskop_e2e::{
    Cluster, Kubectl, Output, Space,
    cassandra::{self, Login, put_login, try_login},
    cluster::{self, find_condition},
    command, operator,
    wait::until,
};
use serde_json::{Value, json};

const DEFAULT: Login = Login {
    user: "cassandra",
    password: "cassandra",
};
/// A password that is in no other place of the testbed, for each role.
const FIRST: Login = Login {
    user: "admin",
    password: "first-9f1c27d0a5e84b63",
};
const SECOND: Login = Login {
    user: "admin",
    password: "second-70b4e1d69c2f4a85",
};
const ORDERS: Login = Login {
    user: "orders",
    password: "orders-e35a8d17c6f04b92",
};
const WHO: &str = "SELECT cluster_name FROM system.local";

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_new_ring_requires_logins_from_the_first_moment() {
    let space = Space::open("e2e-logins");
    let kubectl = &space.kubectl;
    let ring = space.cluster("logins");
    put(kubectl, FIRST);
    let mut manifest = cluster::ring("logins", &[("dc1", &["rack1", "rack2", "rack3"])]);
    manifest["spec"]["authentication"] = json!({ "superuserSecret": "admins" });

    let formed = AtomicBool::new(false);
    let watched = thread::scope(|scope| {
        let watch = scope.spawn(|| watch(&ring, &formed));
        ring.apply(&manifest);
        ring.settles();
        formed.store(true, Ordering::Relaxed);
        watch.join().expect("nobody was let in")
    });
    assert!(
        watched.refusals > 0,
        "the port was open to others at some time"
    );
    assert!(
        watched.set_ups > 0,
        "the pod was seen while it set up the logins"
    );
    for pod in ring.pods() {
        let step = &pod["metadata"]["annotations"]["db.orange.com/logins"];
        assert_eq!(step, "Required");
    }

    let pods = ring.pod_names();
    let on_each = |login: Login, statements: &[&str]| {
        let outputs = pods
            .iter()
            .map(|pod| try_login(kubectl, pod, login, statements));
        outputs.collect::<Vec<Output>>()
    };
    for output in on_each(FIRST, &[WHO]) {
        assert!(output.ok().contains("cluster_name=logins"));
    }
    for output in on_each(DEFAULT, &[WHO]) {
        output.fails();
    }
    for pod in &pods {
        cassandra::cql(kubectl, pod, "ONE", &[WHO]).fails();
    }

    roles::replicas(&ring, &pods[0]);
    roles::survive_a_node(&ring, &pods);
    grants(kubectl, &pods[0]);
    roles::users(&ring, &pods[0]);
    changes(&ring, &pods);
    assert_hidden(kubectl, &pods);
    volumes_stay_closed(&ring, &manifest, &pods);
    ring.delete();
}

/// On volumes of a ring with logins no node starts that would let in everybody, and the ring goes on with its roles.
fn volumes_stay_closed(ring: &Cluster, manifest: &Value, pods: &[String]) {
    ring.delete();
    let mut open = manifest.clone();
    open["spec"]["authentication"] = Value::Null;
    ring.apply(&open);
    ring.tells(
        "Degraded",
        "True",
        &["is of a ring that requires logins", ".casskop-logins"],
    );
    ring.apply(manifest);
    ring.tells("SpecAccepted", "False", &["delete the CassandraCluster"]);
    ring.delete();
    ring.apply(manifest);
    ring.settles();
    for pod in pods {
        let read = try_login(&ring.kubectl, pod, ORDERS, &["SELECT * FROM orders.t"]);
        read.ok();
        try_login(&ring.kubectl, pod, SECOND, &[WHO]).ok();
        try_login(&ring.kubectl, pod, DEFAULT, &[WHO]).fails();
    }
}

/// Observations while the ring formed.
#[derive(Default)]
struct Watched {
    /// How often Cassandra refused the default superuser.
    refusals: usize,
    /// How often the pod that sets up the logins, with its Cassandra running, showed no password.
    set_ups: usize,
}

/// Tries the default superuser at the address of each pod until the ring is formed, and looks for passwords where the pod sets up
/// the logins.
fn watch(ring: &Cluster, formed: &AtomicBool) -> Watched {
    let mut watched = Watched::default();
    while !formed.load(Ordering::Relaxed) {
        for pod in ring.pods() {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let step = &pod["metadata"]["annotations"]["db.orange.com/logins"];
            let running = &pod["status"]["containerStatuses"][0]["state"]["running"];
            if step == "SetUp" && running.is_object() {
                let mut places = scan_pod(&ring.kubectl, name);
                places.push(("processes", processes(&ring.kubectl)));
                // A pod that ends meanwhile shows nothing.
                let are_seen = places.iter().all(|(_, text)| !text.is_empty());
                assert_shown_nowhere(places);
                watched.set_ups += usize::from(are_seen);
            }
            let Some(output) = cassandra::login(&ring.kubectl, name, DEFAULT, &[WHO]) else {
                continue;
            };
            assert_ne!(output.code, 0, "{name} lets in everybody: {output}");
            watched.refusals += usize::from(is_refusal(&output));
        }
    }
    watched
}

/// Whether Cassandra itself has answered.
fn is_refusal(output: &Output) -> bool {
    let words = ["is not permitted to log in", "are incorrect"];
    words.iter().any(|word| output.stderr.contains(word))
}

/// The Secret with the superuser.
fn put(kubectl: &Kubectl, login: Login) {
    put_login(kubectl, "admins", login);
}

/// An application may do what it was granted, and nothing else.
fn grants(kubectl: &Kubectl, pod: &str) {
    let create = format!(
        "CREATE ROLE orders WITH PASSWORD = '{}' AND LOGIN = true",
        ORDERS.password
    );
    let statements = [
        "CREATE KEYSPACE orders WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}",
        "CREATE TABLE orders.t (id int PRIMARY KEY)",
        &create,
        "GRANT SELECT ON KEYSPACE orders TO orders",
    ];
    try_login(kubectl, pod, FIRST, &statements).ok();
    until("the grant to be seen", || {
        let output = try_login(kubectl, pod, ORDERS, &["SELECT * FROM orders.t"]);
        if output.code == 0 {
            Ok(())
        } else {
            Err(output.to_string())
        }
    });
    let told = try_login(
        kubectl,
        pod,
        ORDERS,
        &["INSERT INTO orders.t (id) VALUES (1)"],
    )
    .fails();
    assert!(told.contains("no MODIFY permission"), "{told}");
    try_login(kubectl, pod, ORDERS, &["SELECT * FROM system_auth.roles"]).fails();
}

/// The password follows its Secret, and no pod restarts.
fn changes(ring: &Cluster, pods: &[String]) {
    let kubectl = &ring.kubectl;
    let uids = || {
        let pods = ring.pods();
        pods.iter()
            .map(|pod| pod["metadata"]["uid"].clone())
            .collect::<Vec<Value>>()
    };
    let before = uids();
    put(kubectl, SECOND);
    for pod in pods {
        until("the new password to be the only one", || {
            let (new, old) = (
                try_login(kubectl, pod, SECOND, &[WHO]),
                try_login(kubectl, pod, FIRST, &[WHO]),
            );
            let shown = ring.get();
            let degraded = find_condition(&shown, "Degraded").expect("it is told");
            assert_eq!(degraded["status"], "False", "{degraded:#}");
            if new.code == 0 && is_refusal(&old) {
                Ok(())
            } else {
                Err(format!("{new} {old}"))
            }
        });
    }
    ring.settles();
    assert_eq!(uids(), before);
}

/// A place that is searched for passwords, and its text.
type Place = (&'static str, String);

/// No password is in an argument, an environment, a log, an event, a status, another object, or a file of a pod.
fn assert_hidden(kubectl: &Kubectl, pods: &[String]) {
    let mut places = vec![
        ("processes", processes(kubectl)),
        ("objects", kubectl.ok(&["get", OBJECTS, "-o", "yaml"])),
    ];
    for pod in pods {
        places.extend(scan_pod(kubectl, pod));
    }
    for pod in operator::pods(kubectl) {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        places.push(("the log of the operator", kubectl.ok(&["logs", name])));
    }
    for (place, text) in &places {
        assert!(!text.is_empty(), "{place}");
    }
    assert_shown_nowhere(places);
}

/// Logs and files of a pod; nothing of one that ends.
fn scan_pod(kubectl: &Kubectl, pod: &str) -> Vec<Place> {
    let files = "cat /etc/cassandra/* /var/log/cassandra/* /tmp/* 2>/dev/null; env";
    let exec = ["exec", pod, "-c", "cassandra", "--", "sh", "-c", files];
    let logs = ["logs", pod, "--all-containers"];
    vec![
        ("the logs of a pod", kubectl.run(&logs).stdout),
        ("the files of a pod", kubectl.run(&exec).stdout),
    ]
}

fn assert_shown_nowhere(places: Vec<Place>) {
    for (place, text) in places {
        for login in [
            FIRST,
            SECOND,
            ORDERS,
            roles::OTHERS[0],
            roles::SHOP,
            roles::SHOP_NEXT,
        ] {
            assert!(!text.contains(login.password), "{place}: {}", login.user);
        }
    }
}

const OBJECTS: &str = "cassandraclusters,statefulsets,pods,configmaps,services,events,controllerrevisions,persistentvolumeclaims,poddisruptionbudgets";

/// Arguments and environments of all processes of the testbed.
fn processes(kubectl: &Kubectl) -> String {
    let mut shell = kubectl.site.inside("sh");
    shell.args([
        "-c",
        "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null",
    ]);
    command::run(shell, "").stdout
}
