//! Rings whose nodes have the Jolokia agent over mutual TLS.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Space, cluster, fresh_id, half_sent, management_api::Authority, transports, wait::until,
};
use serde_json::json;

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_living_ring_changes_to_mutual_tls_and_back() {
    let to = json!({ "nodeApi": { "tls": "Enabled", "tlsSecretName": "secure-tls" } });
    transports::changes_and_back("secure", &to, "JolokiaTls");
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn jolokia_over_mutual_tls_demands_certificate_and_password_and_is_renewed_under_a_running_node() {
    let space = Space::open("e2e-secure-agent");
    let first = Authority::default();
    first.secret(&space.kubectl, "agent-tls", "agent");
    space.kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "mine" },
        "stringData": { "username": "op", "password": "right" },
    }));
    let ring = space.cluster("agent");
    let mut manifest = cluster::ring("agent", &[("dc1", &["rack1"])]);
    manifest["spec"]["nodeApi"] = json!({ "tls": "Enabled", "tlsSecretName": "agent-tls" });
    manifest["spec"]["imageJolokiaSecret"] = json!({ "name": "mine" });
    ring.apply(&manifest);
    ring.settles();
    let pod = ring.pod_names().remove(0);
    let asked = |authority: &Authority, has_certificate: bool, login: Option<&str>| {
        let client = authority.client();
        client.jolokia(&space.kubectl, ("agent", &pod), has_certificate, login)
    };
    let right = Some("op:right");
    assert_eq!(asked(&first, true, right), 200);
    assert_eq!(asked(&first, false, right), 403);
    assert_eq!(asked(&first, false, None), 403);
    assert_eq!(asked(&first, true, None), 401);
    assert_eq!(asked(&first, true, Some("op:wrong")), 401);

    // Handshakes of which only a part arrives, by a stranger without a certificate.
    half_sent::are_closed_and_bounded(&space.kubectl, &ring.pods()[0], half_sent::TLS);
    assert_eq!(asked(&first, true, right), 200);

    let uid = || ring.pods()[0]["metadata"]["uid"].clone();
    let before = uid();
    let second = Authority::default();
    second.secret(&space.kubectl, "agent-tls", "agent");
    until("the agent to trust the new authority only", || {
        let told = (asked(&second, true, right), asked(&first, true, right));
        (told == (200, 0))
            .then_some(())
            .ok_or_else(|| format!("{told:?}"))
    });
    ring.settles();
    let id = fresh_id("renewed");
    ring.request("flush", &id);
    ring.succeeds("flush", &id);
    assert_eq!(uid(), before, "nothing was restarted");
    ring.delete();
}
