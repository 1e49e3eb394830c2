//! Logins and statements against a stand-in, and answers that no node gives.

use std::{net::TcpListener, thread};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{server::Server, *};
use crate::{
    leadership::Leadership,
    node_api::management_api::node::{Authority, RING},
};

fn login(username: &str, password: &str) -> Login {
    Login {
        username: username.into(),
        password: password.into(),
    }
}

fn default() -> Login {
    login("cassandra", "cassandra")
}

fn soon() -> Instant {
    Instant::now() + SESSION
}

fn open(server: &Server, login: &Login) -> Result<Session, CqlError> {
    Session::open(Gate::open(), &server.address(), login, soon())
}

#[test]
fn a_role_logs_in_and_carries_out_statements() {
    let server = Server::new();
    let mut session = open(&server, &default()).expect("a login");
    let create = Statement::create_role("admin", "it's", true);
    assert_eq!(session.run(&create).expect("done").count(), 0);
    assert!(server.lets_in(&login("admin", "it's")));
    let role = session.run(&Statement::role("cassandra")).expect("a row");
    assert_eq!((role.flag(0), role.flag(1)), (Some(true), Some(true)));
    let dc = session.run(&Statement::data_center()).expect("a row");
    assert_eq!(dc.text(0).as_deref(), Some("dc1"));
    let replication = session.run(&Statement::replication()).expect("a row");
    let class = replication.map(0).expect("a map").remove("class");
    assert!(class.is_some_and(|class| class.ends_with("SimpleStrategy")));
    server.with(|state| state.roles.remove("cassandra"));
    let mut session = open(&server, &login("admin", "it's")).expect("a login");
    let role = session.run(&Statement::role("cassandra")).expect("no row");
    assert_eq!((role.count(), role.flag(0)), (0, None));
}

#[test]
fn no_error_has_a_password() {
    let server = Server::new();
    let secret = "s3cr3t-0f-the-login";
    let refused = open(&server, &login("admin", secret)).err();
    let mut session = open(&server, &default()).expect("a login");
    let words = format!("mismatched input: ... PASSWORD = '{secret}'");
    server.with(|state| state.error = Some((0x2000, words)));
    let of_secret = session
        .run(&Statement::change_password("admin", secret))
        .err();
    let of_plain = session.run(&Statement::data_center()).err();
    let told = [refused, of_secret].map(|error| {
        let error = error.expect("an error");
        assert!(!format!("{error:?} {error}").contains(secret));
        error.to_string()
    });
    assert_eq!(told[0], "the login as admin is refused");
    assert_eq!(told[1], "Cassandra answers with error 0x2000");
    let of_plain = of_plain.expect("an error").to_string();
    assert!(of_plain.contains("0x2000: mismatched input"), "{of_plain}");
    assert!(!format!("{:?}", login("admin", secret)).contains(secret));
}

#[test]
fn a_node_that_lets_in_everybody_is_told() {
    let server = Server::new();
    server.with(|state| state.is_open = true);
    assert_eq!(open(&server, &default()).err(), Some(CqlError::Open));
}

#[test]
fn a_process_that_does_not_lead_sends_nothing() {
    let server = Server::new();
    let gate = Gate::new(Leadership::candidate());
    let refused = Session::open(gate, &server.address(), &default(), soon()).err();
    assert_eq!(refused, Some(CqlError::NotLeading(NotLeading)));
}

/// The certificates of a node with this name, for servers.
fn server_config(authority: &Authority, name: &str) -> ServerConfig {
    let (certificate, key) = authority.issue(name);
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

#[test]
fn an_encrypted_node_proves_that_it_is_of_the_ring() {
    let authority = Authority::new();
    let open = |server: &Server, authority: &Authority| {
        let address = Address {
            tls: Some(Arc::new(authority.certificates(RING))),
            ..server.address()
        };
        Session::open(Gate::open(), &address, &default(), soon())
    };
    let server = Server::encrypted(server_config(&authority, RING));
    let mut session = open(&server, &authority).expect("a login");
    session.run(&Statement::data_center()).expect("a row");
    for (server, authority) in [
        (&server, &Authority::new()),
        (
            &Server::encrypted(server_config(&authority, "other.ns.svc")),
            &authority,
        ),
        (&Server::new(), &authority),
    ] {
        let error = open(server, authority).err();
        assert!(
            matches!(
                error,
                Some(CqlError::Unreachable { .. } | CqlError::Timeout)
            ),
            "{error:?}"
        );
    }
}

/// The answer to the first request.
fn answered(answer: Vec<u8>) -> CqlError {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        Frame::read_request(&mut stream).unwrap();
        stream.write_all(&answer).unwrap();
    });
    let address = Address { socket, tls: None };
    let error = Session::open(Gate::open(), &address, &default(), soon()).err();
    server.join().unwrap();
    error.expect("no login")
}

#[test]
fn an_answer_that_no_node_gives_is_refused() {
    let malformed = |answer: &[u8]| match answered(answer.to_vec()) {
        CqlError::Malformed(why) => why,
        other => panic!("{other:?}"),
    };
    // A request for a page of HTTP, an older version, too much, another kind, and the answer to another request.
    assert!(malformed(b"HTTP/1.1 400 Bad Request").contains("version"));
    assert!(malformed(&[0x83, 0, 0, 0, 2, 0, 0, 0, 0]).contains("version"));
    assert!(malformed(&[0x84, 0, 0, 0, 2, 0xFF, 0, 0, 0]).contains("too long"));
    assert!(malformed(&[0x84, 0, 0, 0, 0x55, 0, 0, 0, 0]).contains("unknown"));
    assert!(malformed(&[0x84, 2, 0, 0, 2, 0, 0, 0, 0]).contains("not asked for"));
    assert!(malformed(&[0x84, 8, 0, 0, 2, 0, 0, 0, 1, 9]).contains("warnings"));
    assert!(malformed(&[0x84, 0, 0, 0, 8, 0, 0, 0, 0]).contains("no login"));
    let cut = answered(vec![0x84, 0]);
    assert!(matches!(cut, CqlError::Unreachable { .. }), "{cut:?}");
    // With a warning before the body.
    let warned = answered(vec![0x84, 8, 0, 0, 2, 0, 0, 0, 4, 0, 1, 0, 0]);
    assert_eq!(warned, CqlError::Open);
}

/// The result of a statement, with this body.
fn rows(body: &[&[u8]]) -> Result<Rows, CqlError> {
    let body = [&[0, 0, 0, 2, 0, 0, 0, 1], body.concat().as_slice()].concat();
    let opcode = Opcode::Result;
    Frame { opcode, body }.rows()
}

#[test]
fn no_result_takes_more_memory_than_it_has_bytes() {
    let (none, one, table) = ([0; 4], [0, 0, 0, 1], [0; 4]);
    let many = [0xFF; 4];
    let without_columns = rows(&[&none, &table, &many]);
    assert_eq!(
        without_columns.map(|rows| rows.count()),
        Err(CqlError::Malformed("its rows have no columns"))
    );
    let short = Err(CqlError::Malformed("it ends early"));
    let text = [0, 0, 0, 0x0D];
    assert_eq!(
        rows(&[&one, &table, &text, &many]).map(|rows| rows.count()),
        short
    );
    assert_eq!(
        rows(&[&many, &table, &text]).map(|rows| rows.count()),
        short
    );
    // A map of maps of maps, as deep as the answer is long.
    let maps = [0, 0x21].repeat(30_000);
    let deep = rows(&[&one, &table, &[0, 0], &maps]).map(|rows| rows.count());
    let other = CqlError::Malformed("a column has a type that was not asked for");
    assert_eq!(deep, Err(other));
}

/// All sessions of an exchange end at the same time.
#[test]
fn a_session_that_would_end_later_does_not_begin() {
    let server = Server::new();
    let over = Session::open(Gate::open(), &server.address(), &default(), Instant::now());
    assert_eq!(over.err(), Some(CqlError::Timeout));
}
