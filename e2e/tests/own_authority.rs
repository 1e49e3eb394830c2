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

const RECORD: &str = "db.orange.com/node-certificate";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn certificates_and_authorities_are_renewed_under_a_running_ring() {
    is_renewed("own", "management-api", management_api::declare_alone);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn certificates_and_authorities_are_renewed_under_a_running_ring_of_jolokia() {
    is_renewed("agent", "jolokia-tls", |spec| {
        spec["nodeApi"] = json!({ "tls": "Enabled" });
    });
}

/// Renews all that the operator makes for a ring of this name, whose nodes have their files in a folder of the configuration.
fn is_renewed(name: &str, folder: &'static str, declare: fn(&mut Value)) {
    let space = Space::open(&format!("e2e-{name}-authority"));
    let ring = space.cluster(name);
    let mut manifest = cluster::ring(name, &[("dc1", &["rack1"])]);
    declare(&mut manifest["spec"]);
    ring.apply(&manifest);
    ring.settles();
    let before = ring.pods()[0]["metadata"]["uid"].clone();
    let own = Own {
        kubectl: &space.kubectl,
        ring: &ring,
        folder,
    };

    let first = own.shared();
    own.make_older("issuedAt", 24 * 200);
    let second = own.becomes("another certificate", |now| {
        now.certificate != first.certificate
    });
    assert_eq!((&second.ca, &second.issuer), (&first.ca, &first.issuer));

    own.make_authority_older();
    let both = own.becomes("two authorities to be trusted", |now| {
        authorities(&now.ca) == 2
    });
    assert_eq!(
        both.issuer, first.issuer,
        "an hour passes before the next step"
    );
    own.make_older("writtenAt", 2);
    let new = own.becomes("a certificate of the new authority", |now| {
        now.issuer != first.issuer
    });
    assert_eq!(authorities(&new.ca), 2, "another hour");
    own.make_older("writtenAt", 2);
    let last = own.becomes("the old authority to be trusted no more", |now| {
        authorities(&now.ca) == 1
    });
    assert_eq!(last.issuer, new.issuer);
    assert_ne!(last.ca, first.ca);
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

/// The content of the Secret that the operator and the nodes share.
struct Shared {
    ca: String,
    certificate: String,
    issuer: String,
}

/// A ring with certificates of the operator.
struct Own<'a> {
    kubectl: &'a Kubectl,
    ring: &'a Cluster,
    folder: &'static str,
}

impl Own<'_> {
    /// Name of the Secret with the certificate.
    fn nodes(&self) -> String {
        format!("{}-node-tls", self.ring.name)
    }

    /// Name of the Secret with the authority.
    fn authority(&self) -> String {
        format!("{}-node-authority", self.ring.name)
    }

    fn secret(&self, name: &str) -> Value {
        self.kubectl.get("secret", name).expect("a Secret")
    }

    /// The record of the certificate, which is beside it.
    fn record(&self) -> Value {
        let secret = self.secret(&self.nodes());
        let record = secret["metadata"]["annotations"][RECORD].as_str();
        serde_json::from_str(record.expect("a record")).expect("JSON")
    }

    fn shared(&self) -> Shared {
        let secret = self.secret(&self.nodes());
        let text = |key: &str| {
            let bytes = STANDARD.decode(secret["data"][key].as_str().expect("a file"));
            String::from_utf8(bytes.expect("base64")).expect("PEM")
        };
        Shared {
            ca: text("ca.crt"),
            certificate: text("tls.crt"),
            issuer: self.record()["issuer"].as_str().expect("an id").to_owned(),
        }
    }

    /// Waits until the Secret is like this and the node has the files, and uses the node.
    fn becomes(&self, what: &str, holds: impl Fn(&Shared) -> bool) -> Shared {
        let found = until(what, || {
            let now = self.shared();
            if !holds(&now) {
                return Err(now.ca + &now.certificate);
            }
            let folder = format!("/etc/cassandra/{}", self.folder);
            let read = format!("cat {folder}/ca.crt {folder}/tls.crt");
            let pod = format!("{}-dc1-rack1-0", self.ring.name);
            let words = ["exec", &pod, "-c", "cassandra", "--", "sh", "-c", &read];
            let there = self.kubectl.run(&words).stdout;
            let has_it = there == format!("{}{}", now.ca, now.certificate);
            has_it.then_some(now).ok_or(there)
        });
        let id = fresh_id("own");
        self.ring.request("flush", &id);
        self.ring.succeeds("flush", &id);
        found
    }

    /// Moves a time in the record of the certificate to so many hours ago.
    fn make_older(&self, time: &str, hours: i64) {
        let mut record = self.record();
        assert!(record[time].is_string(), "{record}");
        record[time] = json!(ago(hours));
        let patch = json!({ "metadata": { "annotations": { RECORD: record.to_string() } } });
        self.kubectl.patch("secret", &self.nodes(), &patch).ok();
    }

    /// Moves the issue of the authority to twenty-one years ago, so that two thirds of its life are over.
    fn make_authority_older(&self) {
        let stored = self.secret(&self.authority())["data"]["authorities"].clone();
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
            &self.authority(),
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
