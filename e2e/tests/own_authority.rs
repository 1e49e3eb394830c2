//! The authority that the operator makes for the nodes of a ring, and its renewals while the ring runs. What is recorded
//! of certificates is made older: they are due after weeks, and an authority after years.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use base64::{Engine, engine::general_purpose::STANDARD};
use casskop_e2e::{Cluster, Kubectl, Space, cluster, fresh_id, management_api, wait::until};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const POD: &str = "own-dc1-rack1-0";
const NODES: &str = "own-node-tls";
const AUTHORITY: &str = "own-node-authority";
const RECORD: &str = "db.orange.com/node-certificate";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn certificates_and_authorities_are_renewed_under_a_running_ring() {
    let space = Space::open("e2e-own");
    let ring = space.cluster("own");
    let mut manifest = cluster::ring("own", &[("dc1", &["rack1"])]);
    management_api::declare_alone(&mut manifest["spec"]);
    ring.apply(&manifest);
    ring.settles();
    let before = ring.pods()[0]["metadata"]["uid"].clone();
    let own = Own {
        kubectl: &space.kubectl,
        ring: &ring,
    };

    let (ca, certificate) = own.files();
    own.make_older("issuedAt", 24 * 200);
    own.becomes("another certificate", |now| *now.1 != certificate);
    assert_eq!(own.files().0, ca, "of the same authority");

    let certificate = own.files().1;
    own.make_authority_older();
    own.becomes("two authorities to be trusted", |now| {
        authorities(now.0) == 2
    });
    assert_eq!(
        own.files().1,
        certificate,
        "an hour passes before the next step"
    );
    own.make_older("writtenAt", 2);
    own.becomes("a certificate of the new authority", |now| {
        *now.1 != certificate
    });
    own.make_older("writtenAt", 2);
    own.becomes("the old authority to be trusted no more", |now| {
        authorities(now.0) == 1 && *now.0 != ca
    });
    assert_eq!(
        ring.pods()[0]["metadata"]["uid"],
        before,
        "nothing was restarted"
    );
    ring.delete();
}

fn authorities(ca: &str) -> usize {
    ca.matches(BEGIN).count()
}

/// A ring with certificates of the operator.
struct Own<'a> {
    kubectl: &'a Kubectl,
    ring: &'a Cluster,
}

impl Own<'_> {
    fn secret(&self, name: &str) -> Value {
        self.kubectl.get("secret", name).expect("a Secret")
    }

    /// `ca.crt` and `tls.crt` in the Secret of the nodes.
    fn files(&self) -> (String, String) {
        let secret = self.secret(NODES);
        let text = |key: &str| {
            let bytes = STANDARD.decode(secret["data"][key].as_str().expect("a file"));
            String::from_utf8(bytes.expect("base64")).expect("PEM")
        };
        (text("ca.crt"), text("tls.crt"))
    }

    /// Waits until the Secret is like this and the node has the files, and uses the node.
    fn becomes(&self, what: &str, holds: impl Fn((&str, &str)) -> bool) {
        until(what, || {
            let (ca, certificate) = self.files();
            if !holds((&ca, &certificate)) {
                return Err(ca + &certificate);
            }
            let read =
                "cat /etc/cassandra/management-api/ca.crt /etc/cassandra/management-api/tls.crt";
            let words = ["exec", POD, "-c", "cassandra", "--", "sh", "-c", read];
            let there = self.kubectl.run(&words).stdout;
            (there == ca + &certificate).then_some(()).ok_or(there)
        });
        let id = fresh_id("own");
        self.ring.request("flush", &id);
        self.ring.succeeds("flush", &id);
    }

    /// Moves a time in the record of the certificate to so many hours ago.
    fn make_older(&self, time: &str, hours: i64) {
        let secret = self.secret(NODES);
        let record = secret["metadata"]["annotations"][RECORD].as_str();
        let mut record: Value = serde_json::from_str(record.expect("a record")).expect("JSON");
        assert!(record[time].is_string(), "{record}");
        record[time] = json!(ago(hours));
        let patch = json!({ "metadata": { "annotations": { RECORD: record.to_string() } } });
        self.kubectl.patch("secret", NODES, &patch).ok();
    }

    /// Moves the issue of the authority to twenty-one years ago, so that two thirds of its life are over.
    fn make_authority_older(&self) {
        let stored = self.secret(AUTHORITY)["data"]["authorities"].clone();
        let stored = STANDARD.decode(stored.as_str().expect("authorities"));
        let mut all: Value = serde_json::from_slice(&stored.expect("base64")).expect("JSON");
        assert_eq!(all.as_array().map(Vec::len), Some(1));
        assert!(all[0]["issuedAt"].is_string());
        all[0]["issuedAt"] = json!(ago(21 * 366 * 24));
        let older = STANDARD.encode(all.to_string());
        let patch = json!({ "data": { "authorities": older } });
        let words = [
            "patch",
            "secret",
            AUTHORITY,
            "--type=merge",
            "--patch-file=/dev/stdin",
        ];
        self.kubectl.run_with(&words, &patch.to_string()).ok();
    }
}

fn ago(hours: i64) -> String {
    let past = Timestamp::now().checked_sub(SignedDuration::from_hours(hours));
    past.expect("a time").to_string()
}
