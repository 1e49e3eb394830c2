//! Mutual TLS, on loopback.

use std::{
    io::Read,
    net::TcpListener,
    sync::{Arc, mpsc},
    thread,
};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::{
    node::{Authority, BARE_MEMBER, Node, RING, SECRET},
    *,
};
use crate::{
    leadership::Leadership,
    node_api::{
        Access, Certificates, Endpoint, NodeApi, Nodes, certificates::Unusable, gate::Gate,
    },
};
use casskop_core::node::Call;

fn untrusted(node: &Node) -> String {
    match read(&node.session()) {
        Err(NodeError::Untrusted(why)) => why,
        other => panic!("it is not trusted: {other:?}"),
    }
}

#[test]
fn a_ring_and_its_operator_trust_each_other() {
    let node = Node::recorded(BARE_MEMBER).says("GET /api/v0/ops/keyspace", 200, "[]");
    let reading = read(&node.session()).expect("a reading");
    assert!(reading.is_serving());
}

#[test]
fn a_node_of_another_authority_is_not_trusted() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let node = Node::with(BARE_MEMBER, &theirs, RING, ours.certificates(RING));
    let why = untrusted(&node);
    assert!(why.starts_with("invalid peer certificate"), "{why}");
    assert!(node.asked().is_empty());
}

/// The authority may have issued it for something else.
#[test]
fn a_certificate_with_another_name_is_no_node_of_the_ring() {
    let authority = Authority::new();
    let operator = authority.certificates(RING);
    let node = Node::with(BARE_MEMBER, &authority, "other.ns.svc", operator);
    let why = untrusted(&node);
    assert!(why.contains("not valid for name"), "{why}");
    assert!(node.asked().is_empty());
}

/// The refusal comes after the handshake of TLS 1.3, with the first read. It is no sign that the node is down.
#[test]
fn a_node_does_not_trust_an_operator_of_another_authority() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    // The operator knows the authority of the node, and has a certificate of another one.
    let (certificate, key) = ours.issue(RING);
    let operator = Certificates::new(
        theirs.pem.as_bytes(),
        certificate.as_bytes(),
        key.as_bytes(),
        RING.to_owned(),
    );
    let node = Node::with(BARE_MEMBER, &theirs, RING, operator.expect("certificates"));
    let error = read(&node.session()).expect_err("the node refuses the operator");
    assert!(matches!(error, NodeError::Untrusted(_)), "{error:?}");
    assert!(!error.is_silence() && !error.is_transient(), "{error:?}");
}

/// The probe in a pod has the certificate of its node, and both expire together.
#[test]
fn an_expired_certificate_is_not_trusted() {
    let authority = Authority::new();
    let mut params = CertificateParams::new(vec![RING.to_owned()]).expect("a name");
    params.not_after = date_time_ymd(2020, 1, 1);
    let (certificate, key) = authority.sign(&params, &KeyPair::generate().expect("a key"));
    let content = [authority.pem.clone(), certificate, key];
    let node = Node::sharing(&content, &content);
    let why = untrusted(&node);
    assert!(why.contains("expired"), "{why}");
    assert!(node.asked().is_empty());
}

#[test]
fn nothing_is_sent_in_plain_text() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, received) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut first = [0; 1];
            let read = stream.and_then(|mut stream| stream.read(&mut first));
            let _ = sender.send((read.ok(), first[0]));
        }
    });
    let certificates = Authority::new().certificates(RING);
    let endpoint = Endpoint {
        port,
        ..Endpoint::new("127.0.0.1", Access::ManagementApi(Arc::new(certificates)))
    };
    let session = Session::open(Gate::open(), &endpoint).expect("an address");
    read_briefly(&session).expect_err("nobody answers");
    // 22: a handshake record of TLS.
    assert_eq!(received.recv().expect("a connection"), (Some(1), 22));
}

#[test]
fn unusable_certificates_are_refused_by_name_and_never_printed() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue(RING);
    let (_, other_key) = authority.issue(RING);
    let new = |ca: &str, certificate: &str, key: &str| {
        let (ca, certificate, key) = (ca.as_bytes(), certificate.as_bytes(), key.as_bytes());
        Certificates::new(ca, certificate, key, RING.to_owned())
    };
    let ca = authority.pem.as_str();
    let cut = |pem: &str| pem.replace("-----END", "AA\n-----END");
    for (made, why) in [
        (new("", &certificate, &key), Unusable::Authority),
        (new(&cut(ca), &certificate, &key), Unusable::Authority),
        (new(ca, &key, &key), Unusable::Certificate),
        (new(ca, &certificate, &certificate), Unusable::Key),
        (new(ca, &certificate, &other_key), Unusable::Mismatch),
    ] {
        assert_eq!(made.expect_err("it is unusable"), why);
    }
    let usable = new(ca, &certificate, &key).expect("usable");
    assert_eq!(format!("{usable:?}"), "Certificates(demo.ns.svc)");
    let name = Certificates::new(
        ca.as_bytes(),
        certificate.as_bytes(),
        key.as_bytes(),
        "not a name".into(),
    );
    assert_eq!(name.expect_err("it is no name"), Unusable::Name);
}

#[tokio::test]
async fn a_process_that_does_not_lead_connects_to_no_node() {
    let node = Node::recorded(BARE_MEMBER);
    let access = node.access().certificates[SECRET]
        .clone()
        .expect("certificates");
    let endpoint = Endpoint {
        port: node.port(),
        ..Endpoint::new("127.0.0.1", Access::ManagementApi(access))
    };
    let nodes = Nodes::new(Leadership::candidate());
    let error = nodes.call(endpoint, Call::Drain).await;
    let error = error.expect_err("it was not elected");
    assert!(error.to_string().contains("not the leader"), "{error}");
    assert!(node.asked().is_empty(), "{:?}", node.asked());
}
