//! A node with the Management API, for tests: answers over mutual TLS on loopback as the recordings do.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use casskop_common::names;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde_json::Value;

use super::Session;
use crate::node_api::{Access, Certificates, ClusterAccess, Endpoint, gate::Gate};

/// The name that the certificates of the ring have.
pub(crate) const RING: &str = "demo.ns.svc";
/// The Secret with the certificates of the ring, which its pods mount.
pub(crate) const SECRET: &str = "demo-tls";
/// Sections of the recordings.
pub(crate) const CASSANDRA_5: &str = "Cassandra 5.0.9";
pub(crate) const BARE_MEMBER: &str =
    "Cassandra 5.0.9, with a member that is known by its address only";
pub(crate) const CASSANDRA_4_1: &str = "Cassandra 4.1.10";
/// The rest of a wrapped value.
const WRAPPER: &str = r#","variant":{"language":null,"mediaType":{"type":"application","subtype":"json","parameters":{},"wildcardType":false,"wildcardSubtype":false},"encoding":null,"languageString":null},"annotations":[],"language":null,"encoding":null,"mediaType":{"type":"application","subtype":"json","parameters":{},"wildcardType":false,"wildcardSubtype":false}}"#;

/// An authority that issues certificates.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// A certificate with this name, and its key.
    pub(crate) fn issue(&self, name: &str) -> (String, String) {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        self.sign(&params, &KeyPair::generate().expect("a key"))
    }

    /// A certificate for this key, and the key.
    pub(crate) fn sign(&self, params: &CertificateParams, key: &KeyPair) -> (String, String) {
        let certificate = params.signed_by(key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// The certificates of an operator, which expects nodes with this name.
    pub(crate) fn certificates(&self, name: &str) -> Certificates {
        let (certificate, key) = self.issue(RING);
        let (ca, certificate, key) = (self.pem.as_bytes(), certificate.as_bytes(), key.as_bytes());
        Certificates::new(ca, certificate, key, name.to_owned()).expect("certificates")
    }
}

/// A request: method, path, and the body as JSON.
type Asked = (String, String, Option<Value>);
/// An answer: status, type, body.
type Answered = (u16, String, String);

fn asked(line: &str) -> Asked {
    let (method, rest) = line.split_once(' ').expect("a method");
    let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
    let body = serde_json::from_str(body).ok();
    (method.to_owned(), path.to_owned(), body)
}

/// The recorded pairs of a section.
fn recorded(section: &str) -> Vec<(Asked, Answered)> {
    let all = include_str!("recorded.txt");
    let mut lines = all
        .lines()
        .skip_while(|line| *line != format!("== {section}"));
    assert!(lines.next().is_some(), "no section {section}");
    let lines: Vec<&str> = lines.take_while(|line| !line.starts_with("==")).collect();
    lines
        .chunks_exact(2)
        .map(|pair| {
            let (head, body) = pair[1].split_once(" | ").expect("an answer");
            let (status, kind) = head.trim().split_once(' ').expect("a status");
            let body = body
                .strip_suffix(",…")
                .map_or_else(|| body.to_owned(), |entity| format!("{entity}{WRAPPER}"));
            let status = status.parse().expect("a status");
            (asked(pair[0]), (status, kind.to_owned(), body))
        })
        .collect()
}

type Answers = BTreeMap<String, VecDeque<Answered>>;

fn key((method, path, body): &Asked) -> String {
    let body = body.as_ref().map(Value::to_string).unwrap_or_default();
    format!("{method} {path} {body}")
}

/// A node that answers each request as it was recorded: a request that was recorded several times gets one answer after
/// the other, and the last one again.
pub(crate) struct Node {
    answers: Arc<Mutex<Answers>>,
    log: Arc<Mutex<Vec<String>>>,
    tls: Arc<Mutex<Arc<ServerConfig>>>,
    endpoint: Endpoint,
}

impl Node {
    pub(crate) fn recorded(section: &str) -> Self {
        let authority = Authority::new();
        Self::with(section, &authority, RING, authority.certificates(RING))
    }

    /// A member that serves clients and works on nothing, at this address and the port of the agent.
    pub(crate) fn at(ip: &str) -> Self {
        let authority = Authority::new();
        let listener = TcpListener::bind((ip, names::MANAGEMENT_API_PORT)).expect("the port");
        let operator = authority.certificates(RING);
        let tls = server_config(&authority, RING);
        let node = Self::serving(listener, CASSANDRA_5, operator, tls);
        let node = node.with_status("NORMAL,1", "true");
        node.says("GET /api/v1/ops/tables/compactions", 200, "[]")
    }

    /// A node with a certificate of an authority in this name, and an operator with these certificates.
    pub(crate) fn with(
        section: &str,
        authority: &Authority,
        name: &str,
        operator: Certificates,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self::serving(listener, section, operator, server_config(authority, name))
    }

    /// A member with the content of a Secret (`ca.crt`, `tls.crt`, `tls.key`), and an operator with that of another one.
    pub(crate) fn sharing(node: &[String; 3], operator: &[String; 3]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let tls = server_config_of(node);
        let this = Self::serving(listener, BARE_MEMBER, usable(operator), tls);
        this.says("GET /api/v0/ops/keyspace", 200, "[]")
    }

    /// Uses the content of another Secret for new connections.
    pub(crate) fn renew(&self, content: &[String; 3]) {
        *self.tls.lock().expect("no panic") = server_config_of(content);
    }

    fn serving(
        listener: TcpListener,
        section: &str,
        operator: Certificates,
        tls: Arc<ServerConfig>,
    ) -> Self {
        let mut answers = Answers::new();
        for (request, answer) in recorded(section) {
            answers.entry(key(&request)).or_default().push_back(answer);
        }
        let address = listener.local_addr().expect("an address");
        let access = Access::ManagementApi(Arc::new(operator));
        let node = Self {
            answers: Arc::new(Mutex::new(answers)),
            log: Arc::default(),
            tls: Arc::new(Mutex::new(tls)),
            endpoint: Endpoint {
                port: address.port(),
                ..Endpoint::new(address.ip().to_string(), access)
            },
        };
        node.serve(listener);
        node
    }

    fn serve(&self, listener: TcpListener) {
        let (answers, log, tls) = (self.answers.clone(), self.log.clone(), self.tls.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tls = tls.lock().expect("no panic").clone();
                let (answers, log) = (answers.clone(), log.clone());
                thread::spawn(move || {
                    let connection = ServerConnection::new(tls).expect("a connection");
                    serve(StreamOwned::new(connection, stream), &answers, &log);
                });
            }
        });
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.endpoint.port
    }

    /// The secrets of a cluster of such nodes.
    pub(crate) fn access(&self) -> ClusterAccess {
        access(match &self.endpoint.access {
            Access::ManagementApi(certificates) => Ok(certificates.clone()),
            Access::Jolokia(_) | Access::JolokiaTls(..) => Err("it has a password".to_owned()),
        })
    }

    /// Answers a request in this way instead, again and again.
    pub(crate) fn says(self, request: &str, status: u16, body: &str) -> Self {
        self.says_in_turn(request, &[(status, body)])
    }

    /// Answers a request with one after the other.
    pub(crate) fn says_in_turn(self, request: &str, answers: &[(u16, &str)]) -> Self {
        self.now_says(request, answers);
        self
    }

    /// The same, from now on.
    pub(crate) fn now_says(&self, request: &str, answers: &[(u16, &str)]) {
        let answers = answers.iter().map(|(status, body)| {
            let kind = if body.is_empty() { "-" } else { "json" };
            (*status, kind.to_owned(), (*body).to_owned())
        });
        let mut all = self.answers.lock().expect("no panic");
        all.insert(key(&asked(request)), answers.collect());
    }

    /// The node alone in its view of the ring, in this state.
    pub(crate) fn with_status(self, status: &str, rpc_ready: &str) -> Self {
        let request = "GET /api/v0/metadata/endpoints";
        let entity = serde_json::json!([{
            "ENDPOINT_IP": "127.0.0.1", "IS_LOCAL": "true", "IS_ALIVE": "true", "HOST_ID": "a", "TOKENS": "1",
            "STATUS_WITH_PORT": status, "RPC_READY": rpc_ready,
        }]);
        let body = serde_json::json!({ "entity": entity }).to_string();
        self.says(request, 200, &body)
    }

    pub(crate) fn session(&self) -> Session<'_> {
        Session::open(Gate::open(), &self.endpoint).expect("an address")
    }

    /// The requests so far that were no plain reads.
    pub(crate) fn told(&self) -> Vec<String> {
        let log = self.log.lock().expect("no panic");
        let told = log.iter().filter(|line| !line.starts_with("GET "));
        told.cloned().collect()
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.log.lock().expect("no panic").clone()
    }
}

/// The secrets of a cluster whose nodes have the content of a Secret.
pub(crate) fn access_by(content: &[String; 3]) -> ClusterAccess {
    access(Ok(Arc::new(usable(content))))
}

fn access(certificates: Result<Arc<Certificates>, String>) -> ClusterAccess {
    ClusterAccess {
        certificates: [(SECRET.to_owned(), certificates)].into(),
        ..ClusterAccess::default()
    }
}

fn usable(content: &[String; 3]) -> Certificates {
    let [ca, certificate, key] = content.each_ref().map(String::as_bytes);
    Certificates::new(ca, certificate, key, RING.to_owned()).expect("certificates")
}

fn server_config(authority: &Authority, name: &str) -> Arc<ServerConfig> {
    let (certificate, key) = authority.issue(name);
    server_config_of(&[authority.pem.clone(), certificate, key])
}

/// The configuration of a server with these authorities, certificate and key.
fn server_config_of([ca, certificate, key]: &[String; 3]) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(root.expect("PEM")).expect("an authority");
    }
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let chain = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(clients.build().expect("a verifier"))
        .with_single_cert(vec![chain], key)
        .expect("a certificate");
    Arc::new(config)
}

/// Answers the requests of a connection until the client closes it.
fn serve(
    mut stream: StreamOwned<ServerConnection, TcpStream>,
    answers: &Mutex<Answers>,
    log: &Mutex<Vec<String>>,
) {
    while let Some(line) = request(&mut stream) {
        let request = asked(&line);
        log.lock()
            .expect("no panic")
            .push(key(&request).trim_end().to_owned());
        let answer = next(&mut answers.lock().expect("no panic"), &key(&request));
        let (status, kind, body) = answer.unwrap_or((404, "-".into(), String::new()));
        let head = match kind.as_str() {
            "-" => "Content-Length: 0\r\n".to_owned(),
            "json" => "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n".into(),
            _ => "Content-Type: text/plain;charset=UTF-8\r\nTransfer-Encoding: chunked\r\n".into(),
        };
        let body = match kind.as_str() {
            "-" => String::new(),
            _ if body.is_empty() => "0\r\n\r\n".to_owned(),
            _ => format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
        };
        let answer = match status {
            204 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            _ => format!("HTTP/1.1 {status} Status\r\n{head}\r\n{body}"),
        };
        if stream.write_all(answer.as_bytes()).is_err() || stream.flush().is_err() {
            return;
        }
    }
}

fn next(answers: &mut Answers, request: &str) -> Option<Answered> {
    let queue = answers.get_mut(request)?;
    if queue.len() > 1 {
        queue.pop_front()
    } else {
        queue.front().cloned()
    }
}

/// A request as a line of the recordings; nothing at the end of the connection.
fn request(stream: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let line = line.to_lowercase();
                line.strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            if body.len() >= length.unwrap_or(0) {
                let line = head.lines().next()?.strip_suffix(" HTTP/1.1")?;
                return Some(format!("{line} {body}").trim_end().to_owned());
            }
        }
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
}
