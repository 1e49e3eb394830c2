//! Pods of both transports, and of several Secrets, in one ring: each is reached by what it was started with.

use base64::{Engine, engine::general_purpose::STANDARD};
use casskop_common::{api::NodeTransport, names};
use casskop_core::{
    node::NodeError,
    observed::NodePod,
    pod_config::{PASSWORD_VOLUME, certificates::Place},
};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    cluster::{
        observe,
        tests::{CLUSTER, RACK, condition, edit, manifest, operator, pass},
    },
    kubernetes::lists::Freshness,
    node_api::{
        Access, ClusterAccess,
        management_api::node::{Authority, RING},
    },
};

const SECRETS: &str = "/api/v1/namespaces/ns/secrets";
const PODS: &str = "/api/v1/namespaces/ns/pods";

fn encoded(data: &[(&str, &str)]) -> Value {
    let data = data.iter();
    data.map(|(key, text)| ((*key).to_owned(), json!(STANDARD.encode(text))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn put_secret(server: &ApiServer, name: &str, is_meant: bool, data: &[(&str, &str)]) {
    let labels = if is_meant {
        json!({ names::NODE_CREDENTIALS_LABEL: "true" })
    } else {
        json!({})
    };
    let secret = json!({ "metadata": { "name": name, "labels": labels }, "data": encoded(data) });
    server.with(|state| state.put(&format!("{SECRETS}/{name}"), secret));
}

/// A Secret with a password, which is meant for the nodes.
fn put_password(server: &ApiServer, name: &str, password: &str) {
    let data = [("username", "op"), ("password", password)];
    put_secret(server, name, true, &data);
}

/// A Secret with certificates of an authority of its own.
fn put_certificates(server: &ApiServer, name: &str, is_meant: bool) {
    let authority = Authority::new();
    let (certificate, key) = authority.issue(RING);
    let data = [
        ("ca.crt", authority.pem.as_str()),
        ("tls.crt", &certificate),
        ("tls.key", &key),
    ];
    put_secret(server, name, is_meant, &data);
}

/// The passwords that the operator has accepted, the newest first.
fn put_accepted(server: &ApiServer, passwords: &[&str]) {
    let keys = passwords.iter();
    let keys = keys.map(|password| json!({ "username": "op", "password": password }));
    let accepted = Value::Array(keys.collect()).to_string();
    let name = names::accepted_secret("demo");
    put_secret(
        server,
        &name,
        false,
        &[("accepted", &accepted), ("revision", "r1")],
    );
}

/// A pod that was started with a Secret.
fn put_pod(server: &ApiServer, name: &str, kind: NodeTransport, secret: &str) {
    let annotations = match kind {
        NodeTransport::Jolokia => json!({}),
        other => json!({ names::NODE_API: other.as_str() }),
    };
    // Over TLS, Jolokia has a password as well: that of the operator.
    let certificates = Place::of(kind).map(|place| (place.volume, secret));
    let password = match kind {
        NodeTransport::Jolokia => Some((PASSWORD_VOLUME, secret)),
        NodeTransport::JolokiaTls => Some((PASSWORD_VOLUME, "demo-jolokia")),
        NodeTransport::ManagementApi => None,
    };
    let volumes = password.into_iter().chain(certificates);
    let volumes =
        volumes.map(|(name, secret)| json!({ "name": name, "secret": { "secretName": secret } }));
    let volumes: Vec<Value> = volumes.collect();
    let pod = json!({
        "metadata": {
            "name": name, "annotations": annotations,
            "labels": names::rack_labels("demo", &names::RackId::new("dc1", "rack1")),
        },
        "spec": { "containers": [], "volumes": volumes },
        "status": { "podIP": "127.0.16.1" },
    });
    server.with(|state| state.put(&format!("{PODS}/{name}"), pod));
}

/// The cluster with one of the kinds.
fn turn(cluster: &mut Value, kind: NodeTransport, secret: &str) {
    let spec = &mut cluster["spec"];
    match kind {
        NodeTransport::Jolokia => {
            spec["nodeApi"] = json!({ "tls": "Disabled" });
            spec["cassandraImage"] = json!("cassandra:5.0.9");
            spec["imageJolokiaSecret"] = json!({ "name": secret });
        }
        NodeTransport::JolokiaTls => {
            spec["nodeApi"] = json!({ "tls": "Enabled", "tlsSecretName": secret });
            spec["cassandraImage"] = json!("cassandra:5.0.9");
        }
        NodeTransport::ManagementApi => {
            spec["nodeApi"] = json!({ "kind": kind.as_str(), "tlsSecretName": secret });
            spec["cassandraImage"] = json!("k8ssandra/cass-management-api:5.0.9-ubi");
        }
    }
}

fn server(kind: NodeTransport, secret: &str) -> ApiServer {
    let server = ApiServer::default();
    let mut cluster = manifest();
    turn(&mut cluster, kind, secret);
    server.with(|state| state.put(CLUSTER, cluster));
    server
}

/// The secrets that the operator finds.
async fn access(server: &ApiServer) -> ClusterAccess {
    let ctx = operator(server);
    let cluster = ctx.effects.store.read("ns", "demo").await.unwrap().unwrap();
    let found = Box::pin(observe::find(&ctx.effects.kube, cluster, Freshness::Now)).await;
    found.unwrap().keys.access
}

fn reach(server: &ApiServer, access: &ClusterAccess, pod: &str) -> Result<Access, NodeError> {
    let endpoint = access.endpoint("127.0.16.1", &observed(server, pod));
    endpoint.map(|endpoint| endpoint.access)
}

/// A pod as the operator observes it.
fn observed(server: &ApiServer, pod: &str) -> NodePod {
    let pod = server.with(|state| state.objects[&format!("{PODS}/{pod}")].clone());
    NodePod::of(&serde_json::from_value(pod).expect("a pod"))
}

/// The passwords that a node is tried with.
fn passwords(access: &Access) -> Vec<String> {
    let Access::Jolokia(credentials) = access else {
        unreachable!("{access:?}");
    };
    let older = credentials.older.iter().map(|old| old.password.clone());
    std::iter::once(credentials.password.clone())
        .chain(older)
        .collect()
}

#[tokio::test]
async fn each_pod_is_reached_by_what_it_was_started_with() {
    use NodeTransport::{Jolokia, ManagementApi};
    let server = server(ManagementApi, "new-tls");
    put_certificates(&server, "new-tls", true);
    put_certificates(&server, "old-tls", true);
    put_certificates(&server, "unlabelled", false);
    put_accepted(&server, &["second", "first"]);
    // Changed since, and not accepted: a pod that was created anew in between has it.
    put_password(&server, "mine", "third");
    let pods = [
        ("jolokia", Jolokia, "mine"),
        ("new", ManagementApi, "new-tls"),
        ("old", ManagementApi, "old-tls"),
        ("foreign", ManagementApi, "unlabelled"),
        ("lost", ManagementApi, "lost-tls"),
    ];
    for (pod, kind, secret) in pods {
        put_pod(&server, pod, kind, secret);
    }
    let access = access(&server).await;
    let reach = |pod: &str| reach(&server, &access, pod);
    let jolokia = reach("jolokia").unwrap();
    assert_eq!(passwords(&jolokia), ["second", "first", "third"]);
    let certificates = |pod: &str| match reach(pod).unwrap() {
        Access::ManagementApi(certificates) => certificates,
        other => unreachable!("{other:?}"),
    };
    assert!(certificates("new") != certificates("old"));
    // Both sides still prove to be of one authority.
    for gone in ["foreign", "lost"] {
        assert!(certificates(gone) == certificates("new"), "{gone}");
    }
}

#[tokio::test]
async fn a_password_that_another_application_uses_is_not_tried_on_old_pods() {
    let server = server(NodeTransport::ManagementApi, "new-tls");
    put_certificates(&server, "new-tls", true);
    put_accepted(&server, &["first"]);
    put_secret(
        &server,
        "app",
        false,
        &[("username", "op"), ("password", "s3cr3t"), ("uri", "x")],
    );
    put_pod(&server, "old", NodeTransport::Jolokia, "app");
    let access = access(&server).await;
    let jolokia = reach(&server, &access, "old").unwrap();
    assert_eq!(passwords(&jolokia), ["first"]);
}

#[tokio::test]
async fn pods_with_certificates_are_reached_after_the_spec_names_none() {
    let server = server(NodeTransport::Jolokia, "mine");
    put_password(&server, "mine", "p");
    put_certificates(&server, "old-tls", true);
    put_pod(&server, "old", NodeTransport::ManagementApi, "old-tls");
    put_pod(&server, "new", NodeTransport::Jolokia, "mine");
    put_certificates(&server, "unlabelled", false);
    put_pod(
        &server,
        "foreign",
        NodeTransport::ManagementApi,
        "unlabelled",
    );
    put_pod(&server, "lost", NodeTransport::ManagementApi, "lost-tls");
    let access = access(&server).await;
    assert!(matches!(
        reach(&server, &access, "old"),
        Ok(Access::ManagementApi(_))
    ));
    let jolokia = reach(&server, &access, "new").unwrap();
    assert_eq!(passwords(&jolokia), ["p"]);
    // Nothing takes the place of a secret that is not used.
    let told = ["foreign", "lost"].map(|pod| reach(&server, &access, pod).unwrap_err().to_string());
    insta::assert_snapshot!(told.join("\n"), @r"
    the operator cannot ask the node: Secret unlabelled of nodeApi.tlsSecretName may not be meant for the nodes, for it has no label db.orange.com/node-credentials: name another Secret; if it is meant for them: kubectl label secret unlabelled --namespace ns --overwrite db.orange.com/node-credentials=true
    the operator cannot ask the node: Secret lost-tls does not exist: create it again; the nodes take over its certificates within minutes
    ");
}

/// A ring that turns to TLS, and back: each pod by the secrets that it has, and none by those of the other transport.
#[tokio::test]
async fn pods_with_and_without_tls_are_reached_by_what_they_have() {
    use NodeTransport::{Jolokia, JolokiaTls};
    for (spec, of_spec) in [(JolokiaTls, "tls"), (Jolokia, "demo-jolokia")] {
        let server = server(spec, of_spec);
        put_password(&server, "demo-jolokia", "p");
        put_certificates(&server, "tls", true);
        put_pod(&server, "plain", Jolokia, "demo-jolokia");
        put_pod(&server, "secure", JolokiaTls, "tls");
        put_pod(&server, "lost", JolokiaTls, "lost-tls");
        let access = access(&server).await;
        let plain = reach(&server, &access, "plain").unwrap();
        assert_eq!(passwords(&plain), ["p"]);
        let secure = reach(&server, &access, "secure").unwrap();
        let Access::JolokiaTls(password, _) = &secure else {
            unreachable!("{secure:?}");
        };
        assert_eq!(password.password, "p");
        // With certificates of the spec, both sides still prove to be of one authority; plain HTTP takes no one's place.
        match reach(&server, &access, "lost") {
            Ok(Access::JolokiaTls(..)) => assert_eq!(spec, JolokiaTls),
            Err(error) => {
                assert_eq!(spec, Jolokia);
                assert!(error.to_string().contains("Secret lost-tls"), "{error}");
            }
            other => unreachable!("{other:?}"),
        }
    }
}

/// An operator that resumes work on a pod which is about to be made, after the spec was set back.
#[tokio::test]
async fn the_secret_of_a_template_is_known_before_its_pods_are_there() {
    let server = server(NodeTransport::Jolokia, "mine");
    put_certificates(&server, "tls", true);
    put_pod(&server, "later", NodeTransport::ManagementApi, "tls");
    let later = server.with(|state| {
        let pod = state.objects.remove(&format!("{PODS}/later")).unwrap();
        let template = json!({ "metadata": pod["metadata"], "spec": pod["spec"] });
        let set = json!({
            "metadata": { "name": "demo-dc1-rack1", "labels": pod["metadata"]["labels"] },
            "spec": { "template": template, "selector": {}, "serviceName": "demo" },
        });
        state.put(RACK, set);
        pod
    });
    let access = access(&server).await;
    server.with(|state| state.put(&format!("{PODS}/later"), later));
    assert!(matches!(
        reach(&server, &access, "later"),
        Ok(Access::ManagementApi(_))
    ));
}

#[tokio::test]
async fn a_ring_of_one_kind_reads_no_further_secret() {
    use NodeTransport::{Jolokia, JolokiaTls, ManagementApi};
    let expected = [
        (Jolokia, "mine", 2),
        (JolokiaTls, "tls", 3),
        (ManagementApi, "tls", 1),
    ];
    for (kind, secret, expected) in expected {
        let server = server(kind, secret);
        put_pod(&server, "pod", kind, secret);
        access(&server).await;
        let asked = server.asked();
        let secrets = asked.iter().filter(|asked| asked.contains("/secrets/"));
        assert_eq!(secrets.count(), expected, "{asked:?}");
    }
}

/// A Secret that is not meant for the nodes is refused; the pods of the old kind are reached as before.
#[tokio::test]
async fn a_refused_secret_of_the_new_kind_loses_no_pod_of_the_old_one() {
    let server = server(NodeTransport::Jolokia, "mine");
    put_password(&server, "mine", "p");
    put_certificates(&server, "tls", false);
    let ctx = operator(&server);
    for _ in 0..4 {
        pass(&server, &ctx).await.unwrap();
    }
    let rack = server.with(|state| state.objects[RACK].clone());
    put_pod(&server, "old", NodeTransport::Jolokia, "mine");
    edit(&server, CLUSTER, |cluster| {
        turn(cluster, NodeTransport::ManagementApi, "tls");
    });
    for _ in 0..3 {
        pass(&server, &ctx).await.unwrap();
    }
    let accepted = condition(&server, "SpecAccepted");
    assert_eq!(accepted["reason"], "SecretNotAllowed");
    assert_eq!(server.with(|state| state.objects[RACK].clone()), rack);
    let access = access(&server).await;
    let jolokia = reach(&server, &access, "old").unwrap();
    assert_eq!(passwords(&jolokia), ["p"]);
}

/// Both change at once: the kind, and the password that comes with it. The revision of the password is known before the first
/// pod is created for the kind.
#[tokio::test]
async fn a_password_that_is_new_with_the_kind_rolls_nothing_twice() {
    let server = server(NodeTransport::Jolokia, "one");
    put_password(&server, "one", "1");
    put_password(&server, "two", "2");
    put_certificates(&server, "tls", true);
    let ctx = operator(&server);
    let turns = [
        (NodeTransport::Jolokia, "one"),
        (NodeTransport::ManagementApi, "tls"),
        (NodeTransport::Jolokia, "two"),
    ];
    let digest = |server: &ApiServer| {
        server.with(|state| {
            let rack = state.objects.get(RACK);
            rack.map(|rack| rack["metadata"]["annotations"][names::INPUTS_DIGEST].clone())
        })
    };
    for (kind, secret) in turns {
        let mut digests = vec![digest(&server)];
        edit(&server, CLUSTER, |cluster| turn(cluster, kind, secret));
        for _ in 0..6 {
            pass(&server, &ctx).await.unwrap();
            let now = digest(&server);
            if digests.last() != Some(&now) {
                digests.push(now);
            }
        }
        assert_eq!(digests.len(), 2, "{secret}: {digests:?}");
    }
}
