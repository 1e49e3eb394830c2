//! Changes of the transport between the operator and the nodes of a living ring.

use serde_json::{Value, json};

use crate::{
    Client, Cluster, Space, cassandra, cluster, command::setting, fresh_id,
    management_api::Authority, wait::until,
};

/// A ring of this name with Jolokia in plain HTTP changes to another transport, whose Secret is `<name>-tls`, and back, under
/// a client at QUORUM.
pub fn changes_and_back(name: &str, to: &Value, transport: &str) {
    let space = Space::open(&format!("e2e-{name}"));
    let ring = space.cluster(name);
    let mut manifest = cluster::ring(name, &[("dc1", &["rack1", "rack2", "rack3"])]);
    cluster::without_tls(&mut manifest);
    ring.apply(&manifest);
    ring.settles();
    let pods = ring.pod_names();
    cassandra::fill(&space.kubectl, &pods[0], &[name.to_owned()]);
    let hosts = ring.host_ids();
    let nodes: Vec<&str> = pods.iter().map(String::as_str).collect();

    // Without the Secret nothing is restarted, and the nodes are reached as before.
    ring.change(to);
    let missing = format!("Secret {name}-tls of spec.nodeApi.tlsSecretName does not exist");
    ring.tells("Degraded", "True", &[&missing]);
    let id = fresh_id("before");
    ring.request("flush", &format!("{id} --keyspace {name}"));
    ring.succeeds("flush", &id);
    assert_eq!(of_pods(&ring), ["Jolokia"; 3]);
    Authority::default().secret(&space.kubectl, &format!("{name}-tls"), name);

    let back = json!({
        "cassandraImage": setting("CASSANDRA_IMAGE"),
        "nodeApi": { "kind": "Jolokia", "tls": "Disabled", "tlsSecretName": null },
    });
    for (spec, transport) in [(to, transport), (&back, "Jolokia")] {
        let client = Client::start(&space.kubectl, &nodes, &format!("{name}.t"));
        ring.change(spec);
        until("the first pod of the other transport", || {
            let transports = of_pods(&ring);
            let has = transports.iter().any(|found| found == transport);
            has.then_some(()).ok_or_else(|| format!("{transports:?}"))
        });
        // A request in the meantime waits, and is then carried out by the other way.
        let id = fresh_id("ways");
        ring.request("flush", &format!("{id} --keyspace {name}"));
        ring.settles();
        assert_eq!(of_pods(&ring), [transport; 3]);
        ring.succeeds("flush", &id);
        let outcome = client.end();
        assert!(outcome.requests > 20, "{outcome:?}");
        assert_eq!(outcome.failed, Vec::<String>::new(), "{outcome:?}");
        assert_eq!(ring.host_ids(), hosts, "the same nodes");
    }
    ring.delete();
}

/// The way that each pod of the ring was started with.
fn of_pods(ring: &Cluster) -> Vec<String> {
    let pods = ring.pods();
    let transport = |pod: &Value| {
        let word = pod["metadata"]["annotations"]["db.orange.com/node-api"].as_str();
        word.unwrap_or("Jolokia").to_owned()
    };
    pods.iter().map(transport).collect()
}
