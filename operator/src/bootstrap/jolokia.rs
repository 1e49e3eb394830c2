//! The Jolokia agent: its jar, its password and its policy.

use std::{fs, path::Path};

use casskop_common::api::NodeTransport;
use casskop_core::pod_config::{
    certificates::{KEYS, Place},
    jolokia_secret::{self, InvalidKey},
};

use crate::{
    bootstrap::{
        Args, Error,
        certificates::{self, Form, Peers},
        files,
        pkcs8::Algorithm,
    },
    node_api::{Credentials, jolokia},
};

/// Installs agent, properties and policy into the configuration folder, and the certificates of the ring of this name, if the
/// pod was started with them. Returns the algorithm of their private key: the agent reads it once.
pub(super) fn install(args: &Args, name: String) -> Result<Option<Algorithm>, Error> {
    let directory = &args.directory;
    let jar = directory.join("jolokia-agent.jar");
    fs::copy(&args.agent, &jar).map_err(files::failed("install the Jolokia agent as", &jar))?;
    let username = secret(&args.jolokia, "username", jolokia_secret::username)?;
    let password = secret(&args.jolokia, "password", jolokia_secret::password)?;
    files::write(&directory.join("jolokia-policy.xml"), &jolokia::policy())?;
    let mut properties = properties(&username, &password);
    let mut started_with = None;
    if let Some((secret, place)) = args
        .jolokia_tls
        .as_ref()
        .zip(Place::of(NodeTransport::JolokiaTls))
    {
        let folder = directory.join(place.folder);
        let algorithm =
            certificates::install(&folder, secret, name, (Form::Separate, Peers::Each), &[])?;
        let algorithm = algorithm.ok_or_else(|| Error::Invalid {
            path: secret.display().to_string(),
            message: "tls.key has an algorithm that the Jolokia agent does not read: use RSA or an elliptic curve".into(),
        })?;
        properties.push_str(&tls_properties(place, algorithm));
        started_with = Some(algorithm);
    }
    files::write_secret(&directory.join("jolokia.properties"), &properties)?;
    Ok(started_with)
}

/// How often the agent looks for renewed certificates, in milliseconds: the help of Jolokia 2.6.0 says seconds, its code says
/// milliseconds. After a change the agent waits as long again, and restarts its HTTP server.
const RELOAD_EVERY: u32 = 5000;

/// `authMatch=all`: the default lets in a password alone, or a certificate alone. `clientPrincipal` is left out, because a
/// renewed certificate of a user may have another subject, and the agent reads its properties once.
fn tls_properties(place: Place, algorithm: Algorithm) -> String {
    let [ca, certificate, key] = KEYS.map(|name| place.file(name));
    format!(
        "protocol=https\ncaCert={ca}\nserverCert={certificate}\nserverKey={key}\nserverKeyAlgorithm={}\n\
         useSslClientAuthentication=true\nauthMatch=all\nuseCertificateReload={RELOAD_EVERY}\n",
        algorithm.as_str()
    )
}

/// `executor=cached`: the default, a single thread, blocks every read behind a running decommission. `disabledServices`:
/// without it a request with a `target` makes the node open an RMI connection to any host (JSR-160 proxy).
fn properties(username: &str, password: &str) -> String {
    format!(
        "host=0.0.0.0\nport=8778\nagentContext=/jolokia\nexecutor=cached\ndiscoveryEnabled=false\n\
         disabledServices=org.jolokia.service.jsr160.Jsr160RequestHandler\n\
         policyLocation=file:/etc/cassandra/jolokia-policy.xml\nuser={}\npassword={}\n",
        escape(username),
        escape(password)
    )
}

fn secret(
    directory: &Path,
    key: &str,
    read: fn(Option<&[u8]>) -> Result<String, InvalidKey>,
) -> Result<String, Error> {
    let path = directory.join(key);
    let text = files::read(&path)?;
    read(Some(text.as_bytes())).map_err(|invalid| Error::Invalid {
        path: path.display().to_string(),
        message: format!("the Jolokia Secret {invalid}"),
    })
}

/// Java properties escape backslashes and characters outside of Latin-1.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for unit in text.encode_utf16() {
        match char::from_u32(u32::from(unit)) {
            Some('\\') => escaped.push_str("\\\\"),
            // A leading blank would be read as the space before the value.
            Some(c) if c.is_ascii_graphic() => escaped.push(c),
            _ => escaped.extend(format!("\\u{unit:04x}").chars()),
        }
    }
    escaped
}

/// Reads name and password back, for the probes of the kubelet.
pub(super) fn credentials(directory: &Path) -> Result<Credentials, String> {
    let path = directory.join("jolokia.properties");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let field = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(unescape)
            .ok_or_else(|| format!("{} has no {name}", path.display()))
    };
    Ok(Credentials {
        username: field("user")?,
        password: field("password")?,
        older: Vec::new(),
    })
}

fn unescape(text: &str) -> String {
    let mut units = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
        } else if rest.clone().next() == Some('u') {
            let hex: String = rest.by_ref().skip(1).take(4).collect();
            units.push(u16::from_str_radix(&hex, 16).unwrap_or(u16::from(b'?')));
        } else {
            units.extend(rest.next().map(|c| c as u16));
        }
    }
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_password_survives_the_properties_file(password in "\\PC{1,40}") {
            prop_assert_eq!(unescape(&escape(&password)), password.clone());
            prop_assert_eq!(properties("u", &password).lines().count(), 9);
        }
    }

    /// The settings of Jolokia 2.6.0: without `authMatch` a password alone is enough, and without `serverKeyAlgorithm` the agent
    /// does not start with a key of an elliptic curve.
    #[test]
    fn over_tls_the_agent_demands_the_password_and_a_certificate() {
        let place = Place::of(NodeTransport::JolokiaTls).unwrap();
        insta::assert_snapshot!(tls_properties(place, Algorithm::EllipticCurve), @r"
        protocol=https
        caCert=/etc/cassandra/jolokia-tls/ca.crt
        serverCert=/etc/cassandra/jolokia-tls/tls.crt
        serverKey=/etc/cassandra/jolokia-tls/tls.key
        serverKeyAlgorithm=EC
        useSslClientAuthentication=true
        authMatch=all
        useCertificateReload=5000
        ");
    }

    /// Jolokia takes 0.0.0.0 for the wildcard address, which Java binds as `::` in a pod that uses the IPv6 stack: the probes
    /// reach it by the loopback of IPv4, and the operator by the address of the pod, of either family.
    #[test]
    fn the_agent_listens_on_all_addresses_of_the_pod() {
        let properties = properties("u", "p");
        assert!(properties.lines().any(|line| line == "host=0.0.0.0"));
    }

    #[test]
    fn the_agent_is_no_proxy() {
        let disabled = "disabledServices=org.jolokia.service.jsr160.Jsr160RequestHandler";
        let properties = properties("u", "p");
        assert!(properties.lines().any(|line| line == disabled));
    }
}
