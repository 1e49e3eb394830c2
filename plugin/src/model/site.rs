//! The kubeconfig with which the operator connects to a site. Pure. It contains a token and is never printed.

use std::net::IpAddr;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

/// Replaces a token in printed manifests.
pub const REDACTED: &str = "REDACTED";

/// The connection to a site.
pub struct Entry {
    /// Name of the site.
    pub site: String,
    /// Address of its API server.
    pub server: String,
    /// Certificate authorities of that, as PEM.
    pub authority: Option<Vec<u8>>,
    /// Whether the certificate of the server is not verified.
    pub insecure: bool,
    /// Name in the certificate of the server.
    pub tls_server_name: Option<String>,
    /// Namespace of the account there.
    pub namespace: String,
}

impl Entry {
    /// The kubeconfig with one context, of the site's name.
    pub fn kubeconfig(&self, token: &str) -> Value {
        let mut cluster = json!({ "server": self.server });
        if self.insecure {
            cluster["insecure-skip-tls-verify"] = true.into();
        } else if let Some(authority) = &self.authority {
            cluster["certificate-authority-data"] = json!(ByteString(authority.clone()));
        }
        if let Some(name) = &self.tls_server_name {
            cluster["tls-server-name"] = name.as_str().into();
        }
        let site = &self.site;
        let context = json!({ "cluster": site, "user": site, "namespace": self.namespace });
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": site, "cluster": cluster }],
            "users": [{ "name": site, "user": { "token": token } }],
            "contexts": [{ "name": site, "context": context }],
            "current-context": site,
        })
    }

    /// Whether the address is a loopback address, which a pod of another cluster cannot use.
    pub fn is_loopback(&self) -> bool {
        let after = self.server.split_once("://").map_or("", |(_, after)| after);
        let authority = after.split('/').next().unwrap_or_default();
        let host = match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next(),
            None => authority.split(':').next(),
        };
        let host = host.unwrap_or_default();
        host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }
}

/// The server and the token of a registered kubeconfig.
pub struct Registered {
    /// Address of the API server; empty if there is none.
    pub server: String,
    /// The token; empty if there is none.
    pub token: String,
}

/// Reads a registered kubeconfig. A kubeconfig in another form yields nothing.
pub fn registered(kubeconfig: &str) -> Registered {
    let read: Value = serde_saphyr::from_str(kubeconfig).unwrap_or_default();
    let text = |path: &str| {
        let text = read.pointer(path).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    Registered {
        server: text("/clusters/0/cluster/server"),
        token: text("/users/0/user/token"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(server: &str) -> Entry {
        Entry {
            site: "south".into(),
            server: server.into(),
            authority: Some(b"PEM".to_vec()),
            insecure: false,
            tls_server_name: Some("api.south".into()),
            namespace: "shop".into(),
        }
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        let text = entry("https://10.0.0.1:6443")
            .kubeconfig("t0ken")
            .to_string();
        let read = registered(&text);
        assert_eq!(
            (&*read.server, &*read.token),
            ("https://10.0.0.1:6443", "t0ken")
        );
        let config = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(config.current_context.as_deref(), Some("south"));
        let cluster = config.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.tls_server_name.as_deref(), Some("api.south"));
        assert_eq!(cluster.certificate_authority_data.as_deref(), Some("UEVN"));
        assert_eq!(registered("token: [").token, "");
    }

    #[test]
    fn addresses_that_lead_back() {
        for server in [
            "https://127.0.0.1:6443",
            "https://localhost",
            "https://[::1]:6443/path",
            "http://127.9.9.9/",
        ] {
            assert!(entry(server).is_loopback(), "{server}");
        }
        for server in [
            "https://10.0.0.1:6443",
            "https://[fd00::1]:6443",
            "https://api.south",
        ] {
            assert!(!entry(server).is_loopback(), "{server}");
        }
    }
}
