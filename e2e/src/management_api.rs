//! Rings by the Management API: their certificates, and requests to their nodes as any holder of a certificate makes them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use serde_json::{Value, json};

use crate::{
    command::{inside, run, setting},
    kubectl::Kubectl,
    space::scratch,
};

/// The image of the newest version of Cassandra with the stand-in for the Management API.
pub fn image() -> String {
    setting("MANAGEMENT_API_IMAGE")
}

/// Makes a ring of this manifest one whose nodes have the Management API, with the certificates of a Secret.
pub fn declare(spec: &mut Value, secret: &str) {
    declare_alone(spec);
    spec["nodeApi"]["tlsSecretName"] = json!(secret);
}

/// The same with the certificates that the operator makes.
pub fn declare_alone(spec: &mut Value) {
    spec["cassandraImage"] = json!(image());
    spec["nodeApi"] = json!({ "kind": "ManagementApi" });
}

/// An authority, as a user has one for each ring.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// OpenSSL takes a certificate whose issuer has the name of its subject for one that signed itself.
fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

/// An answer of a node: status, type (`json`, `plain` or `-`), body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status; 0 without an answer.
    pub status: u16,
    /// The type of the body.
    pub kind: String,
    /// The body.
    pub body: String,
}

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name = named("authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }
}

impl Authority {
    /// The certificate of the authority.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate with this name, and its key.
    pub fn issue(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.distinguished_name = named("member");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// The Secret of a ring, with a new certificate of this authority, as cert-manager writes it.
    pub fn secret(&self, kubectl: &Kubectl, secret: &str, ring: &str) {
        let name = format!("{ring}.{}.svc", kubectl.namespace);
        let (certificate, key) = self.issue(&name);
        self.secret_of(kubectl, secret, &certificate, &key);
    }

    /// A Secret with these files.
    pub fn secret_of(&self, kubectl: &Kubectl, secret: &str, certificate: &str, key: &str) {
        kubectl.apply(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": secret, "labels": { "db.orange.com/node-credentials": "true" } },
            "type": "kubernetes.io/tls",
            "stringData": { "ca.crt": self.pem, "tls.crt": certificate, "tls.key": key },
        }));
    }

    /// A client with a certificate of this authority.
    pub fn client(&self) -> Client {
        let (certificate, key) = self.issue("client");
        let file = |name: &str, text: &str| {
            let path = scratch(&format!("{}-{name}", crate::fresh_id("tls")));
            fs::write(&path, text).expect("the scratch folder is writable");
            path
        };
        Client {
            ca: file("ca.crt", &self.pem),
            certificate: file("tls.crt", &certificate),
            key: file("tls.key", &key),
        }
    }
}

/// Files of a client.
pub struct Client {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Client {
    /// The files with the authority, the certificate and the key.
    pub fn files(&self) -> [&Path; 3] {
        [&self.ca, &self.certificate, &self.key].map(PathBuf::as_path)
    }

    /// A `curl` that reaches a pod of this ring by the name in its certificates and trusts this authority, and the beginning of
    /// the URL.
    fn curl(&self, kubectl: &Kubectl, (ring, pod): (&str, &str), port: u16) -> (Command, String) {
        let found = kubectl.get("pod", pod).expect("the pod is there");
        let ip = found["status"]["podIP"].as_str().expect("an address");
        let name = format!("{ring}.{}.svc", kubectl.namespace);
        let mut curl = inside("curl");
        curl.args(["-sS", "-m", "60"])
            .args(["--resolve", &format!("{name}:{port}:{ip}")])
            .arg("--cacert")
            .arg(&self.ca);
        (curl, format!("https://{name}:{port}"))
    }

    fn certify(&self, curl: &mut Command) {
        curl.arg("--cert").arg(&self.certificate);
        curl.arg("--key").arg(&self.key);
    }

    /// The HTTP status of a read from the Jolokia agent of a pod of this ring, with or without the certificate and a login; 0
    /// without an answer.
    pub fn jolokia(
        &self,
        kubectl: &Kubectl,
        node: (&str, &str),
        has_certificate: bool,
        login: Option<&str>,
    ) -> u16 {
        let (mut curl, base) = self.curl(kubectl, node, 8778);
        if has_certificate {
            self.certify(&mut curl);
        }
        if let Some(login) = login {
            curl.args(["--user", login]);
        }
        let read = json!({
            "type": "read", "mbean": "org.apache.cassandra.db:type=StorageService", "attribute": "OperationMode",
        });
        curl.args(["-o", "/dev/null", "-w", "%{http_code}"])
            .args(["--data-binary", &read.to_string()])
            .arg(format!("{base}/jolokia/"));
        run(curl, "").stdout.trim().parse().unwrap_or(0)
    }

    /// Asks the node of a pod of this ring. A body that is not JSON is sent as text.
    pub fn ask(&self, kubectl: &Kubectl, node: (&str, &str), request: &str) -> Answer {
        let (method, rest) = request.split_once(' ').expect("a method and a path");
        let (path, body) = rest
            .split_once(' ')
            .map_or((rest, None), |(path, body)| (path, Some(body)));
        let (mut curl, base) = self.curl(kubectl, node, 8080);
        self.certify(&mut curl);
        curl.args(["-X", method])
            .args(["-w", "\n%{http_code} %{content_type}"]);
        if let Some(body) = body {
            let (kind, body) = match body.strip_prefix(" text/plain ") {
                Some(text) => ("text/plain", text),
                None => ("application/json", body),
            };
            curl.args([
                "-H",
                &format!("Content-Type: {kind}"),
                "--data-binary",
                body,
            ]);
        }
        curl.arg(format!("{base}{path}"));
        let output = run(curl, "");
        let (body, last) = output.stdout.rsplit_once('\n').unwrap_or_default();
        let (status, kind) = last.split_once(' ').unwrap_or((last, ""));
        let kind = match kind {
            "application/json" => "json",
            "text/plain;charset=UTF-8" => "plain",
            "" => "-",
            other => other,
        };
        Answer {
            status: status.parse().unwrap_or(0),
            kind: kind.to_owned(),
            body: body.to_owned(),
        }
    }
}
