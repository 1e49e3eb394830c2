//! Encryption of Cassandra's own connections, as a pod is started with it.

use casskop_common::api::{ClientMode, InternodeMode};
use serde_json::{Value, json};

use super::certificates::{AUTHORITY, KEYSTORE, Place};

/// Section of `cassandra.yaml` with the encryption between nodes.
pub const INTERNODE_SECTION: &str = "server_encryption_options";
/// Section of `cassandra.yaml` with the encryption between clients and nodes.
pub const CLIENT_SECTION: &str = "client_encryption_options";
/// Cassandra's reader of certificates in PEM, of 4.1 and later.
const PEM_FACTORY: &str = "org.apache.cassandra.security.PEMBasedSslContextFactory";

/// Encryption of Cassandra's own connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encryption {
    /// Between the nodes.
    pub internode: InternodeMode,
    /// Between clients and nodes.
    pub client: ClientMode,
    /// Whether clients need certificates.
    pub client_auth: bool,
}

impl Encryption {
    /// Sets the sections of `cassandra.yaml`. They are replaced as a whole: those of the image have passwords, which keys in PEM
    /// do not have. Sections of connections that are not encrypted are left alone.
    pub fn apply(self, yaml: &mut Value) {
        if self.internode.has_tls() {
            yaml[INTERNODE_SECTION] = internode(self.internode);
        }
        if self.client.has_tls() {
            yaml[CLIENT_SECTION] = client(self.client, self.client_auth);
        }
    }
}

/// The mode decides about new connections that the node opens (`internode_encryption`), and whether it accepts plain ones
/// (`optional`). Addresses are not verified: nobody knows the address of a pod before it starts.
fn internode(mode: InternodeMode) -> Value {
    let mut section = section(Place::INTERNODE);
    let sent = if mode.sends_encrypted() {
        "all"
    } else {
        "none"
    };
    section["internode_encryption"] = json!(sent);
    section["optional"] = json!(mode != InternodeMode::Required);
    section["legacy_ssl_storage_port_enabled"] = json!(false);
    section["require_client_auth"] = json!(true);
    section["require_endpoint_verification"] = json!(false);
    section
}

fn client(mode: ClientMode, auth: bool) -> Value {
    let mut section = section(Place::CLIENT);
    section["enabled"] = json!(true);
    section["optional"] = json!(mode != ClientMode::Required);
    section["require_client_auth"] = json!(auth);
    section
}

fn section(place: Place) -> Value {
    json!({
        "ssl_context_factory": { "class_name": PEM_FACTORY },
        "keystore": place.file(KEYSTORE),
        "truststore": place.file(AUTHORITY),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_has_its_sections_and_no_encryption_leaves_the_file_alone() {
        let image = || json!({ INTERNODE_SECTION: { "keystore_password": "cassandra" }, CLIENT_SECTION: { "enabled": false } });
        let with = |encryption: Encryption| {
            let mut yaml = image();
            encryption.apply(&mut yaml);
            yaml
        };
        assert_eq!(with(Encryption::default()), image());
        let internode = InternodeMode::ALL.map(|internode| {
            let encryption = Encryption {
                internode,
                ..Encryption::default()
            };
            (internode.as_str(), with(encryption))
        });
        insta::assert_json_snapshot!(internode);
        let client = [
            (ClientMode::Optional, false),
            (ClientMode::Required, false),
            (ClientMode::Required, true),
        ];
        let client = client.map(|(client, client_auth)| {
            let encryption = Encryption {
                client,
                client_auth,
                ..Encryption::default()
            };
            (client.as_str(), with(encryption))
        });
        insta::assert_json_snapshot!(client);
    }
}
