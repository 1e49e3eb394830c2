//! Encryption of Cassandra's own connections on rings that run.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{collections::BTreeSet, fs};

use casskop_e2e::{
    Client, Cluster, Kubectl, Output, Space,
    cassandra::{self, TlsClient},
    cluster, fresh_id,
    management_api::{self, Authority},
    space::scratch,
    wait::until,
};
use serde_json::{Value, json};

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_living_ring_encrypts_between_its_nodes() {
    let space = Space::open("e2e-internode");
    let ring = space.cluster("inter");
    ring.apply(&cluster::ring(
        "inter",
        &[("dc1", &["rack1", "rack2", "rack3"])],
    ));
    ring.settles();
    let pods = ring.pod_names();
    cassandra::fill(&space.kubectl, &pods[0], &["inter".to_owned()]);
    let hosts = ring.host_ids();
    let nodes: Vec<&str> = pods.iter().map(String::as_str).collect();

    // Without the Secret nothing is restarted.
    let required = json!({ "internode": { "mode": "Required", "secretName": "inter-ring" } });
    ring.change(&json!({ "tls": required }));
    let missing = "Secret inter-ring of spec.tls.internode.secretName does not exist";
    ring.tells("Degraded", "True", &[missing]);
    assert_eq!(modes(&ring), ["Disabled"; 3]);
    let authority = Authority::default();
    let (foreign, key) = Authority::default().issue("inter.e2e-internode.svc");
    authority.secret_of(&space.kubectl, "inter-ring", &foreign, &key);
    ring.tells(
        "Degraded",
        "True",
        &["tls.crt was not issued by an authority in ca.crt"],
    );
    assert_eq!(modes(&ring), ["Disabled"; 3]);

    let client = Client::start(&space.kubectl, &nodes, "inter.t");
    authority.secret(&space.kubectl, "inter-ring", "inter");
    takes_steps(&ring, &["Disabled", "Optional", "Preferred", "Required"]);
    assert_untroubled(client);
    assert_eq!(ring.host_ids(), hosts, "the same nodes");
    assert_encrypted(&ring);

    // A Secret that is deleted or broken stops nothing that serves.
    let uids = uids(&ring);
    authority.secret_of(&space.kubectl, "inter-ring", &foreign, &key);
    ring.tells(
        "Degraded",
        "True",
        &["tls.crt was not issued by an authority in ca.crt"],
    );
    space.kubectl.ok(&["delete", "secret", "inter-ring"]);
    ring.tells("Degraded", "True", &[missing]);
    ring.becomes("Available", "True");
    authority.secret(&space.kubectl, "inter-ring", "inter");
    ring.settles();
    assert_eq!(uids, self::uids(&ring));
    let id = fresh_id("beside");
    ring.request("flush", &format!("{id} --keyspace inter"));
    ring.succeeds("flush", &id);
    ring.delete();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_ring_that_began_encrypted_turns_back_to_plain() {
    let space = Space::open("e2e-plain");
    let ring = space.cluster("plain");
    let racks = [("dc1", ["rack1", "rack2", "rack3"].as_slice())];
    let mut began = cluster::ring("plain", &racks);
    began["spec"]["tls"] = json!({ "internode": { "mode": "Required" } });
    ring.apply(&began);
    ring.settles();
    assert_eq!(modes(&ring), ["Required"; 3]);
    assert_encrypted(&ring);
    let pods = ring.pod_names();
    cassandra::fill(&space.kubectl, &pods[0], &["plain".to_owned()]);
    let hosts = ring.host_ids();
    let nodes: Vec<&str> = pods.iter().map(String::as_str).collect();

    let client = Client::start(&space.kubectl, &nodes, "plain.t");
    ring.change(&json!({ "tls": null }));
    takes_steps(&ring, &["Required", "Preferred", "Optional", "Disabled"]);
    assert_untroubled(client);
    assert_eq!(ring.host_ids(), hosts, "the same nodes");
    ring.delete();
}

/// Waits until the ring has taken each of the steps: every one replaces all pods. Nodes of neighbouring steps only are there at
/// the same time.
fn takes_steps(ring: &Cluster, steps: &[&str]) {
    let position = |mode: &String| steps.iter().position(|step| step == mode);
    for (step, mode) in steps.iter().enumerate().skip(1) {
        until(&format!("every node to be {mode}"), || {
            let found = modes(ring);
            let positions: Option<BTreeSet<usize>> = found.iter().map(position).collect();
            let positions = positions.unwrap_or_else(|| panic!("{found:?}"));
            let (low, high) = (positions.first(), positions.last());
            let spread = high.zip(low).map_or(0, |(high, low)| high - low);
            assert!(spread <= 1, "{found:?}");
            let is_there = found.len() == 3 && low.is_some_and(|low| *low >= step);
            is_there.then_some(()).ok_or_else(|| format!("{found:?}"))
        });
    }
    ring.settles();
}

fn assert_encrypted(ring: &Cluster) {
    for pod in ring.pod_names() {
        let log = cassandra::log(&ring.kubectl, &pod);
        let established = log.lines().filter(|line| line.contains("encryption = "));
        let opened: Vec<&str> = established.collect();
        assert!(!opened.is_empty(), "{pod} logs its connections");
        let plain = opened.iter().find(|line| line.contains("unencrypted"));
        assert_eq!(plain, None, "{pod} has encrypted connections only");
    }
}

fn assert_untroubled(client: Client) {
    let outcome = client.end();
    assert!(outcome.requests > 20, "{outcome:?}");
    assert_eq!(outcome.failed, Vec::<String>::new(), "{outcome:?}");
}

/// The mode of each pod of the ring.
fn modes(ring: &Cluster) -> Vec<String> {
    let pods = ring.pods();
    let mode = |pod: &Value| {
        let word = pod["metadata"]["annotations"]["db.orange.com/internode-tls"].as_str();
        word.unwrap_or("Disabled").to_owned()
    };
    pods.iter().map(mode).collect()
}

fn uids(ring: &Cluster) -> Vec<Value> {
    let pods = ring.pods();
    let uids = pods.iter().map(|pod| pod["metadata"]["uid"].clone());
    uids.collect()
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn clients_change_one_after_the_other_and_then_all_have_to_encrypt() {
    let space = Space::open("e2e-clients");
    let ring = space.cluster("clients");
    ring.apply(&cluster::ring("clients", &[("dc1", &["rack1"])]));
    ring.settles();
    let asks = |mode: &str| {
        ring.change(&json!({ "tls": { "client": { "mode": mode } } }));
        ring.settles();
    };
    let pod = ring.pod_names().remove(0);
    let plain = || cassandra::cql(&space.kubectl, &pod, "ONE", &[QUERY]);
    assert_eq!(plain().code, 0);

    asks("Optional");
    assert_eq!(plain().code, 0, "{}", plain());
    let encrypted = || encrypted(&space.kubectl, &pod);
    assert_eq!(encrypted().code, 0, "{}", encrypted());

    asks("Required");
    assert_eq!(encrypted().code, 0, "{}", encrypted());
    assert_ne!(plain().code, 0, "{}", plain());

    asks("Disabled");
    assert_eq!(plain().code, 0, "{}", plain());
    until("the authorities for clients to go", || {
        let map = space.kubectl.get("configmap", "clients-clientca");
        map.is_none().then_some(()).ok_or(format!("{map:?}"))
    });
    ring.delete();
}

const QUERY: &str = "SELECT cluster_name FROM system.local";

/// A query of a client that verifies the authority and the name of the node.
fn encrypted(kubectl: &Kubectl, pod: &str) -> Output {
    // The Secret has the private key of the nodes, too, which no client may read.
    let map = kubectl.get("configmap", "clients-clientca");
    let map = map.expect("the operator has made it");
    let ca = map["data"]["ca.crt"].as_str().unwrap_or_default();
    let file = scratch("clients-ca.crt");
    fs::write(&file, ca).expect("a file");
    let tls = TlsClient {
        authorities: &file,
        name: "clients.e2e-clients.svc",
        own: None,
    };
    cassandra::encrypted_cql(kubectl, pod, tls, &[QUERY])
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn clients_have_to_show_a_certificate() {
    let space = Space::open("e2e-shown");
    let ring = space.cluster("shown");
    let authority = Authority::default();
    authority.secret(&space.kubectl, "shown-clients", "shown");
    let client =
        json!({ "mode": "Required", "requireClientAuth": true, "secretName": "shown-clients" });
    let mut spec = cluster::ring("shown", &[("dc1", &["rack1"])]);
    spec["spec"]["tls"] = json!({ "client": client });
    ring.apply(&spec);
    ring.settles();
    let pod = ring.pod_names().remove(0);
    let known = authority.client();
    let stranger = Authority::default().client();
    let [authorities, ..] = known.files();
    let ask = |own: Option<&management_api::Client>| {
        let own = own.map(|own| {
            let [_, certificate, key] = own.files();
            (certificate, key)
        });
        let name = "shown.e2e-shown.svc";
        let tls = TlsClient {
            authorities,
            name,
            own,
        };
        cassandra::encrypted_cql(&space.kubectl, &pod, tls, &[QUERY])
    };
    let served = ask(Some(&known));
    assert_eq!(served.code, 0, "{served}");
    for refused in [ask(None), ask(Some(&stranger))] {
        assert_ne!(refused.code, 0, "{refused}");
    }
    // The agent of the operator has no certificate for clients, and the node is served all the same.
    let id = fresh_id("shown");
    ring.request("flush", &format!("{id} --keyspace system_auth"));
    ring.succeeds("flush", &id);
    ring.delete();
}
