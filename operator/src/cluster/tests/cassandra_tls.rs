//! The Secrets of `spec.tls`: made by the operator, or named by the user.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use casskop_common::names;
use casskop_core::pod_config::{CertificateUse, certificates::KEYS};
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    cluster::tests::{CLUSTER, RACK, condition, edit, manifest, operator, pass},
    node_api::{
        Certificates,
        management_api::node::{Authority, RING},
    },
};

const SECRETS: &str = "/api/v1/namespaces/ns/secrets";

fn server(tls: &Value) -> ApiServer {
    let server = ApiServer::default();
    let mut cluster = manifest();
    cluster["spec"]["tls"] = tls.clone();
    server.with(|state| state.put(CLUSTER, cluster));
    server
}

async fn reconcile(server: &ApiServer) {
    let ctx = operator(server);
    for _ in 0..3 {
        pass(server, &ctx).await.unwrap();
    }
}

fn object(server: &ApiServer, path: &str) -> Value {
    server.with(|state| state.objects.get(path).cloned().unwrap_or_default())
}

fn put(server: &ApiServer, name: &str, [ca, certificate, key]: [&str; 3]) {
    let encoded = |text: &str| STANDARD.encode(text);
    let secret = json!({
        "metadata": { "name": name, "labels": { names::NODE_CREDENTIALS_LABEL: "true" } },
        "data": { "ca.crt": encoded(ca), "tls.crt": encoded(certificate), "tls.key": encoded(key) },
    });
    server.with(|state| state.put(&format!("{SECRETS}/{name}"), secret));
}

/// A certificate of an authority for the ring, with this change.
fn issue(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let mut params = CertificateParams::new(vec![RING.to_owned()]).unwrap();
    change(&mut params);
    authority.sign(&params, &KeyPair::generate().unwrap())
}

#[tokio::test]
async fn each_use_has_an_authority_and_a_certificate_of_its_own() {
    let server =
        server(&json!({ "internode": { "mode": "Required" }, "client": { "mode": "Optional" } }));
    reconcile(&server).await;
    let mut authorities = Vec::new();
    let pods = object(&server, RACK)["spec"]["template"].to_string();
    for usage in [CertificateUse::Internode, CertificateUse::Client] {
        let secret = object(&server, &format!("{SECRETS}/{}", usage.made_secret("demo")));
        let text = |key: &str| {
            let value = secret["data"][key].as_str().unwrap_or_default();
            String::from_utf8(STANDARD.decode(value).unwrap()).unwrap()
        };
        let content = KEYS.map(text);
        for name in usage.hosts("demo", "ns") {
            let name = name.replace('*', "demo-dc1-rack1-0");
            let [ca, certificate, key] = content.each_ref().map(String::as_bytes);
            let certificates = Certificates::new(ca, certificate, key, name).unwrap();
            assert_eq!(certificates.verify(), Ok(()));
        }
        authorities.push(content[0].clone());
        assert!(pods.contains(&usage.made_secret("demo")));
        assert!(!pods.contains(&usage.made_authority("demo")));
        let authority = usage.made_authority("demo");
        assert_ne!(
            object(&server, &format!("{SECRETS}/{authority}")),
            Value::Null
        );
    }
    assert_ne!(authorities[0], authorities[1]);
    let node_api = CertificateUse::NodeApi.made_secret("demo");
    assert_eq!(
        object(&server, &format!("{SECRETS}/{node_api}")),
        Value::Null
    );
}

#[tokio::test]
async fn clients_get_the_authorities_without_the_key() {
    const MAP: &str = "/api/v1/namespaces/ns/configmaps/demo-clientca";
    let told = |server: &ApiServer| object(server, MAP)["data"].clone();
    let made = server(&json!({ "client": { "mode": "Optional" } }));
    reconcile(&made).await;
    let secret = object(&made, &format!("{SECRETS}/demo-client-tls"));
    let ca = STANDARD.decode(secret["data"]["ca.crt"].as_str().unwrap());
    let ca = String::from_utf8(ca.unwrap()).unwrap();
    assert_eq!(told(&made), json!({ "ca.crt": ca }));
    edit(&made, CLUSTER, |cluster| cluster["spec"]["tls"] = json!({}));
    reconcile(&made).await;
    assert_eq!(object(&made, MAP), Value::Null);

    // A Secret of the user whose `ca.crt` has more than it should.
    let tls = json!({ "client": { "mode": "Required", "secretName": "own" } });
    let named = server(&tls);
    let authority = Authority::new();
    let (certificate, key) = authority.issue(RING);
    let careless = format!("{key}{}", authority.pem);
    put(&named, "own", [&careless, &certificate, &key]);
    // A ConfigMap of the user is left alone, and holds nothing else back.
    let foreign = json!({ "metadata": { "name": "demo-clientca" }, "data": { "a": "b" } });
    named.with(|state| state.put(MAP, foreign));
    let ctx = operator(&named);
    for _ in 0..3 {
        let _ = pass(&named, &ctx).await;
    }
    assert_eq!(told(&named), json!({ "a": "b" }));
    let degraded = condition(&named, "Degraded")["message"].to_string();
    assert!(
        degraded.contains("write ConfigMap demo-clientca"),
        "{degraded}"
    );
    assert_ne!(object(&named, RACK), Value::Null);
    named.with(|state| state.objects.remove(MAP));
    reconcile(&named).await;
    let found = told(&named).to_string();
    assert!(
        found.contains("BEGIN CERTIFICATE") && !found.contains("PRIVATE"),
        "{found}"
    );
}

/// Anything that a user puts in place of good certificates is told, and changes no pod.
#[tokio::test]
async fn certificates_that_prove_nothing_are_told_and_restart_nothing() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue(RING);
    let good = [authority.pem.as_str(), &certificate, &key];
    let server = server(&json!({ "internode": { "mode": "Required", "secretName": "ring" } }));
    put(&server, "ring", good);
    reconcile(&server).await;
    let rack = object(&server, RACK)["spec"].clone();
    let (foreign, foreign_key) = Authority::new().issue(RING);
    let (renamed, renamed_key) = authority.issue("other.ns.svc");
    let expired = issue(&authority, |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let early = issue(&authority, |params| {
        params.not_before = date_time_ymd(3000, 1, 1);
    });
    let half = &certificate[..certificate.len() / 2];
    let told = "tls.crt has no certificate that can be read";
    let time = "has expired or is not valid yet";
    for ([ca, certificate, key], why) in [
        (
            [good[0], &foreign, &foreign_key],
            "tls.crt was not issued by an authority in ca.crt",
        ),
        (
            [good[0], &renamed, &renamed_key],
            "tls.crt is not for the name demo.ns.svc",
        ),
        ([good[0], &expired.0, &expired.1], time),
        ([good[0], &early.0, &early.1], time),
        ([good[0], half, good[2]], told),
        ([good[0], "", good[2]], told),
        (["", good[1], good[2]], "ca.crt has no certificate"),
        ([good[0], good[1], ""], "tls.key has no private key"),
        (
            [good[0], good[1], &foreign_key],
            "tls.key is not the key of tls.crt",
        ),
    ] {
        put(&server, "ring", [ca, certificate, key]);
        reconcile(&server).await;
        let degraded = condition(&server, "Degraded")["message"].to_string();
        assert!(
            degraded.contains("Secret ring") && degraded.contains(why),
            "{degraded}"
        );
        assert!(!degraded.contains("BEGIN"));
        assert_eq!(object(&server, RACK)["spec"], rack, "{why}");
    }
    server.with(|state| state.objects.remove(&format!("{SECRETS}/ring")));
    reconcile(&server).await;
    let degraded = condition(&server, "Degraded")["message"].to_string();
    let missing = "Secret ring of spec.tls.internode.secretName does not exist";
    assert!(degraded.contains(missing), "{degraded}");
    assert_eq!(object(&server, RACK)["spec"], rack);
    put(&server, "ring", good);
    reconcile(&server).await;
    let degraded = condition(&server, "Degraded")["message"].to_string();
    assert!(!degraded.contains("Secret ring"), "{degraded}");
}

#[tokio::test]
async fn a_certificate_that_is_not_renewed_is_told_before_its_end() {
    let authority = Authority::new();
    let soon = Timestamp::now() + SignedDuration::from_hours(24 * 10);
    let (certificate, key) = issue(&authority, |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(1970, 1, 1) + since_1970(soon);
    });
    let server = server(&json!({ "client": { "mode": "Optional", "secretName": "clients" } }));
    put(&server, "clients", [&authority.pem, &certificate, &key]);
    let ctx = operator(&server);
    for _ in 0..3 {
        pass(&server, &ctx).await.unwrap();
    }
    let degraded = condition(&server, "Degraded")["message"].to_string();
    let told = format!(
        "Secret clients: its certificate expires at {}",
        seconds(soon)
    );
    assert!(degraded.contains(&told), "{degraded}");
    let metric = format!(
        "casskop_certificate_expiration_timestamp_seconds{{namespace=\"ns\",cluster=\"demo\",secret=\"clients\"}} {}",
        soon.as_second()
    );
    assert!(
        ctx.metrics.text().contains(&metric),
        "{}",
        ctx.metrics.text()
    );
    edit(&server, CLUSTER, |cluster| {
        cluster["spec"]["tls"] = json!({ "client": { "mode": "Disabled" } });
    });
    for _ in 0..3 {
        pass(&server, &ctx).await.unwrap();
    }
    assert!(!ctx.metrics.text().contains("secret=\"clients\""));
}

fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap()
}

fn since_1970(time: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(time.as_second()).unwrap())
}
