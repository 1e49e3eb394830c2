//! Rings whose nodes have the Management API, over the stand-in of the testbed.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{collections::BTreeMap, fs};

use casskop_e2e::{
    Cluster, Kubectl, Space, cassandra,
    cluster::{self, find_operation},
    command::setting,
    fresh_id,
    management_api::{self, Answer, Authority},
    operator::{self, Shell},
    space::workspace,
    transports,
    wait::until,
};
use serde_json::{Map, Value, json};

/// The stand-in is compared with what the real server was recorded to say.
const RECORDED: &str = "operator/src/node_api/management_api/recorded.txt";
/// Requests that need more than the stand-in has; refer to `testbed/README.md`.
const NOT_COVERED: [&str; 13] = [
    "/v0/ops/keyspace/create",
    "/v0/ops/keyspace/alter",
    "/v0/ops/keyspace/cleanup",
    "/v0/ops/tables",
    "/v1/ops/tables?",
    "/v0/ops/node/move",
    "/v0/ops/node/repair",
    "/v1/ops/node/repair",
    "/v0/ops/node/decommission",
    "/v0/ops/node/assassinate",
    "/v0/ops/node/compaction",
    "/v0/ops/seeds",
    "/v0/probes/cluster",
];
/// Fields of a snapshot that the stand-in does not fill.
const NOT_FILLED: [&str; 3] = ["Creation time", "Size on disk", "True size"];

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn the_stand_in_speaks_the_recorded_contract() {
    let space = Space::open("e2e-contract");
    let authority = Authority::default();
    authority.secret(&space.kubectl, "one-tls", "one");
    let ring = one_node(&space, "one");
    // From here on only the recording is asked for.
    operator::scale(&space.kubectl, 0);
    let client = authority.client();
    let pod = ring.pod_names().remove(0);
    let ask = |request: &str| client.ask(&space.kubectl, ("one", &pod), request);
    let statements = [
        "CREATE KEYSPACE ks WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}",
        "CREATE TABLE ks.t (k text PRIMARY KEY, v text)",
        "INSERT INTO ks.t (k, v) VALUES ('one', 'row')",
    ];
    cassandra::write(&space.kubectl, &pod, &statements);

    // Ids of jobs, as recorded and as they are here.
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let mut compared = 0;
    let mut has_asked = true;
    for (request, wanted) in recorded("Cassandra 5.0.9") {
        if request.contains("/v0/lifecycle/stop") {
            break;
        }
        if request.contains("/v0/ops/keyspace/alter") {
            let alter = "ALTER KEYSPACE ks WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 2}";
            cassandra::cql(&space.kubectl, &pod, "ONE", &[alter]).ok();
        }
        let is_job = request.contains("executor/job?job_id=");
        if is_job && !has_asked {
            continue;
        }
        has_asked = NOT_COVERED.iter().all(|path| !request.contains(path));
        if !has_asked {
            continue;
        }
        let mut here = request.clone();
        for (before, now) in &ids {
            here = here.replace(before, now);
        }
        if is_job && here == request && request.matches('-').count() == 4 && wanted.status == 200 {
            continue;
        }
        let is_here = |answer: &Answer| differs(&wanted, answer).map_or(Ok(()), Err);
        if is_job {
            // Whether a job was seen while it waits is a matter of time.
            if wanted.body.contains("\"WAITING\"") {
                continue;
            }
            until(&here, || is_here(&ask(&here)));
        } else {
            let answer = ask(&here);
            is_here(&answer).unwrap_or_else(|why| panic!("{here}: {why}"));
            if wanted.status == 202 && wanted.body.matches('-').count() == 4 {
                ids.insert(wanted.body.clone(), answer.body);
            }
        }
        compared += 1;
    }
    assert!(compared > 70, "{compared} pairs");

    // A restart of Cassandra forgets the jobs, and while it is away nothing is answered but what is about its process.
    assert_eq!(ask("POST /api/v0/lifecycle/stop").status, 200);
    let closed = ask("GET /api/v0/metadata/endpoints");
    assert_eq!(closed.body, "Internal connection to Cassandra closed");
    assert_eq!((closed.status, closed.kind.as_str()), (500, "json"));
    assert_eq!(ask("GET /api/v0/probes/liveness").status, 200);
    assert_eq!(ask("POST /api/v0/lifecycle/start").status, 201);
    let started = ask("POST /api/v0/lifecycle/start").status;
    assert!([202, 204].contains(&started), "{started}");
    until("the node to answer again", || {
        let job = ask("GET /api/v0/ops/executor/job?job_id=repair-1");
        let is_lost = job.status == 404 && job.body == "{}";
        is_lost.then_some(()).ok_or_else(|| format!("{job:?}"))
    });
    operator::scale(&space.kubectl, 1);
    ring.settles();
    ring.delete();
}

/// A ring of one node, with the certificates of the Secret `<name>-tls`.
fn one_node(space: &Space, name: &str) -> Cluster {
    let ring = space.cluster(name);
    let mut manifest = cluster::ring(name, &[("dc1", &["rack1"])]);
    manifest["spec"]["metrics"] = json!({});
    management_api::declare(&mut manifest["spec"], &format!("{name}-tls"));
    ring.apply(&manifest);
    ring.settles();
    ring
}

/// The recorded pairs of a section, from the start of Cassandra on.
fn recorded(section: &str) -> Vec<(String, Answer)> {
    let text = fs::read_to_string(workspace().join(RECORDED)).expect("the recordings are there");
    let lines = text
        .lines()
        .skip_while(|line| *line != format!("== {section}"));
    let lines: Vec<&str> = lines
        .skip(1)
        .take_while(|line| !line.starts_with("=="))
        .collect();
    let pairs = lines.chunks_exact(2).map(|pair| {
        let (head, body) = pair[1].split_once(" | ").expect("an answer");
        let (status, kind) = head.trim().split_once(' ').expect("a status");
        let answer = Answer {
            status: status.parse().expect("a status"),
            kind: kind.to_owned(),
            body: body.replace(",…", "}"),
        };
        (pair[0].to_owned(), answer)
    });
    let mut pairs = pairs.skip_while(|(request, _)| !request.contains("/v0/lifecycle/start"));
    assert!(pairs.next().is_some(), "no section {section}");
    pairs.collect()
}

/// How an answer differs from the recorded one, apart from ids, times, numbers and addresses.
fn differs(wanted: &Answer, found: &Answer) -> Option<String> {
    let told = || Some(format!("{found:?} instead of {wanted:?}"));
    if (wanted.status, &wanted.kind) != (found.status, &found.kind) {
        return told();
    }
    let json = |answer: &Answer| serde_json::from_str::<Value>(&answer.body).ok();
    match (json(wanted), json(found)) {
        (Some(wanted), Some(found)) if wanted.is_object() || wanted.is_array() => {
            let why = differs_in_form(&wanted, &found)?;
            Some(format!("{why}: {found} instead of {wanted}"))
        }
        (None, None) | (Some(_), Some(_)) if plain(&wanted.body) == plain(&found.body) => None,
        _ => told(),
    }
}

/// The fields that are there, and the words that decide something.
fn differs_in_form(wanted: &Value, found: &Value) -> Option<String> {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) if !has_data_as_keys(wanted) => {
            let mut names = wanted.keys().chain(found.keys());
            names.find_map(|name| match (wanted.get(name), found.get(name)) {
                (Some(_), None) if NOT_FILLED.contains(&name.as_str()) => None,
                // The rest of a wrapped value is recorded once.
                (None, Some(_)) if wanted.contains_key("entity") => None,
                (Some(Value::String(one)), Some(Value::String(other)))
                    if ["type", "status", "error", "class"].contains(&name.as_str()) =>
                {
                    (plain(one) != plain(other))
                        .then(|| format!("{name}: {other} instead of {one}"))
                }
                (Some(one), Some(other)) => differs_in_form(one, other),
                _ => Some(format!("field {name}")),
            })
        }
        (Value::Array(wanted), Value::Array(found)) => {
            let (one, other) = (wanted.first()?, found.first()?);
            differs_in_form(one, other)
        }
        (wanted, found) => {
            let kind = |value: &Value| match value {
                Value::Null => "null",
                Value::Bool(_) => "a truth value",
                Value::Number(_) => "a number",
                Value::String(_) => "a text",
                Value::Array(_) => "a list",
                Value::Object(_) => "an object",
            };
            let (one, other) = (kind(wanted), kind(found));
            (one != other).then(|| format!("{other} instead of {one}"))
        }
    }
}

/// Schema versions are keys.
fn has_data_as_keys(object: &Map<String, Value>) -> bool {
    object.values().all(Value::is_array) && !object.contains_key("token_range_to_endpoints")
}

/// A text without its ids, numbers and addresses.
fn plain(text: &str) -> String {
    let is_id = |word: &str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        digits > 0
            && word
                .chars()
                .all(|c| c.is_ascii_hexdigit() || c == '-' || c == '.')
    };
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'));
    let words = words.filter(|word| !word.is_empty());
    let words: Vec<&str> = words
        .map(|word| if is_id(word) { "#" } else { word })
        .collect();
    words.join(" ")
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_living_ring_changes_the_way_to_its_nodes_and_back() {
    let mut to = json!({});
    management_api::declare(&mut to, "ways-tls");
    to["nodeApi"]["tls"] = Value::Null;
    transports::changes_and_back("ways", &to, "ManagementApi");
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn what_a_job_does_not_say_is_found_out() {
    let space = Space::open("e2e-jobs");
    let authority = Authority::default();
    authority.secret(&space.kubectl, "jobs-tls", "jobs");
    let ring = one_node(&space, "jobs");
    let node = Node {
        pod: ring.pod_names().remove(0),
        kubectl: space.kubectl.clone(),
    };
    let metrics = cassandra::scrape(&space.kubectl, &node.pod).expect("metrics");
    assert!(metrics.contains("cassandra_endpoints_up 1.0"), "{metrics}");
    node.fill();
    let client = authority.client();
    let ask = |request: &str| client.ask(&space.kubectl, ("jobs", &node.pod), request);

    // A cleanup beside a major compaction is COMPLETED, and has done nothing: it is not called before the end of that.
    node.run("nodetool compact big >/dev/null 2>&1 &");
    until("the major compaction", || {
        let tasks = ask("GET /api/v1/ops/tables/compactions").body;
        let is_there = tasks.contains("\"Major compaction\"");
        is_there.then_some(()).ok_or(tasks)
    });
    let id = fresh_id("busy");
    ring.request("cleanup", &format!("{id} --keyspace big"));
    ring.succeeds("cleanup", &id);
    let cleanups = cassandra::cleanups(&node.log());
    let done = cleanups.iter().filter(|cleanup| cleanup.is_done()).count();
    assert_eq!((cleanups.len(), done), (1, 1), "{cleanups:?}");

    // A job is continued by the operator that comes after the one that began it.
    let mut operator = Shell::start(&space);
    let id = fresh_id("continued");
    ring.request("compact", &format!("{id} --keyspace big"));
    has_a_job(&ring, &id);
    operator.dies();
    ring.succeeds("compact", &id);
    assert_eq!(node.jobs("COMPACTION"), 1);

    // A job that Cassandra forgot is done again: the server starts Cassandra anew within half a minute.
    let id = fresh_id("forgotten");
    ring.request("compact", &format!("{id} --keyspace big"));
    has_a_job(&ring, &id);
    node.run("kill -9 $(cat /tmp/cassandra.pid)");
    ring.succeeds("compact", &id);
    assert_eq!(node.jobs("COMPACTION"), 3);
    drop(operator);
    ring.settles();
    ring.delete();
}

/// A node with so much data that a compaction of it takes half a minute.
struct Node {
    kubectl: Kubectl,
    pod: String,
}

impl Node {
    fn run(&self, script: &str) -> String {
        let container = ["exec", &self.pod, "-c", "cassandra", "--"];
        let words = [&container[..], &["bash", "-c", script]].concat();
        self.kubectl.ok(&words)
    }

    fn fill(&self) {
        let statements = [
            "CREATE KEYSPACE big WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}",
            "CREATE TABLE big.t (id int PRIMARY KEY, text text) WITH compression = {'enabled': false}",
        ];
        cassandra::write(&self.kubectl, &self.pod, &statements);
        let text = "0123456789abcdef".repeat(6000);
        for group in 0..20 {
            let rows = (0..15).map(|row| {
                let id = group * 15 + row;
                format!("INSERT INTO big.t (id, text) VALUES ({id}, '{text}')")
            });
            let rows: Vec<String> = rows.collect();
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            cassandra::write(&self.kubectl, &self.pod, &rows);
        }
        self.run("nodetool flush big && nodetool setcompactionthroughput 1");
    }

    /// The log of Cassandra, which the server writes into a file.
    fn log(&self) -> String {
        self.run("cat /var/log/cassandra/stdout.log")
    }

    /// Number of the jobs of a type that the node was asked for.
    fn jobs(&self, kind: &str) -> usize {
        let log = cassandra::log(&self.kubectl, &self.pod);
        log.lines()
            .filter(|line| line.ends_with(&format!("job {kind} is submitted")))
            .count()
    }
}

/// Waits until the status has the job of the step at work.
fn has_a_job(ring: &Cluster, id: &str) {
    ring.shows("the job", |cluster| {
        let operation = find_operation(cluster, "compact", id)?;
        let job = operation["nodes"][0]["job"]["id"].as_str();
        job.map(|_| ())
    });
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn certificates_are_renewed_under_running_nodes_and_wrong_ones_are_told() {
    let space = Space::open("e2e-certs");
    let first = Authority::default();
    let write = |authority: &Authority, (certificate, key): (&str, &str)| {
        authority.secret_of(&space.kubectl, "certs-tls", certificate, key);
    };
    let name = format!("certs.{}.svc", space.kubectl.namespace);
    let (certificate, key) = first.issue(&name);
    write(&first, (&certificate, &key));
    let ring = one_node(&space, "certs");
    let pod = ring.pod_names().remove(0);
    let uid = || ring.pods()[0]["metadata"]["uid"].clone();
    let before = uid();
    let flushes = || {
        let id = fresh_id("certs");
        ring.request("flush", &id);
        ring.succeeds("flush", &id);
    };
    let reaches = |authority: &Authority| {
        let client = authority.client();
        let liveness = "GET /api/v0/probes/liveness";
        client.ask(&space.kubectl, ("certs", &pod), liveness).status == 200
    };

    // The key of another certificate: nothing is restarted, and nothing less secure is tried.
    let (_, other) = first.issue(&name);
    write(&first, (&certificate, &other));
    ring.tells(
        "Degraded",
        "True",
        &["Secret certs-tls", "is not the key of tls.crt"],
    );
    assert!(reaches(&first), "the node has what it had");
    // The name of another ring.
    let (stranger, of_stranger) = first.issue("other.shop.svc");
    write(&first, (&stranger, &of_stranger));
    ring.tells("Degraded", "True", &[&name]);

    // A renewal, and then another authority, reach the node while it runs.
    let (certificate, key) = first.issue(&name);
    write(&first, (&certificate, &key));
    flushes();
    let second = Authority::default();
    let (certificate, key) = second.issue(&name);
    write(&second, (&certificate, &key));
    until("the node to trust the new authority only", || {
        let told = (reaches(&second), reaches(&first));
        (told == (true, false))
            .then_some(())
            .ok_or_else(|| format!("{told:?}"))
    });
    ring.settles();
    flushes();
    assert_eq!(uid(), before, "nothing was restarted");
    ring.delete();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn images_without_a_fitting_agent_are_told() {
    let space = Space::open("e2e-images");
    Authority::default().secret(&space.kubectl, "old-tls", "old");
    let ring = space.cluster("old");
    let mut manifest = cluster::ring("old", &[("dc1", &["rack1"])]);
    management_api::declare(&mut manifest["spec"], "old-tls");
    manifest["spec"]["envVars"] = json!([{ "name": "STAND_IN_AGENT_FITS", "value": "no" }]);
    ring.apply(&manifest);
    ring.tells("Degraded", "True", &["0.1.125"]);
    ring.change(&json!({ "envVars": [] }));
    ring.settles();

    // An image without the server starts Cassandra by its own entry point.
    ring.change(&json!({ "cassandraImage": setting("CASSANDRA_IMAGE") }));
    ring.tells("Degraded", "True", &["nothing listens on port 8080"]);
    ring.change(&json!({ "cassandraImage": management_api::image() }));
    ring.settles();
    ring.delete();
}
