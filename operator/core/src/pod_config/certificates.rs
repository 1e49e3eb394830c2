//! The certificates of mutual TLS in a pod.

use casskop_common::api::NodeTransport;

/// Keys of the Secret, and names of the files: authority, certificate, private key.
pub const KEYS: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];
/// File with the name that the certificate of the ring has.
pub const NAME: &str = "name";
/// Key of the Secret, and name of the file, with the authorities to trust.
pub const AUTHORITY: &str = KEYS[0];
/// File with the private key and the certificate, as Cassandra reads them.
pub const KEYSTORE: &str = "keystore.pem";

/// Where the certificates of a use are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the volume of the Secret.
    pub volume: &'static str,
    /// Folder of the Secret in a pod: in the init container, and in the Cassandra container, which takes a renewal from there.
    pub secret: &'static str,
    /// Name of the folder in the configuration with the files that the agent reads.
    pub folder: &'static str,
}

impl Place {
    /// The place of the certificates between the nodes.
    pub const INTERNODE: Self = Self {
        volume: "internode-tls",
        secret: "/casskop-internode-tls",
        folder: "internode-tls",
    };
    /// The place of the certificates for clients.
    pub const CLIENT: Self = Self {
        volume: "client-tls",
        secret: "/casskop-client-tls",
        folder: "client-tls",
    };

    /// The place of the certificates of a transport; nothing for one without TLS.
    pub fn of(transport: NodeTransport) -> Option<Self> {
        match transport {
            NodeTransport::Jolokia => None,
            NodeTransport::JolokiaTls => Some(Self {
                volume: "node-tls",
                secret: "/casskop-node-tls",
                folder: "jolokia-tls",
            }),
            NodeTransport::ManagementApi => Some(Self {
                volume: "management-api",
                secret: "/casskop-management-api",
                folder: "management-api",
            }),
        }
    }

    /// Path of one of the files in the Cassandra container.
    pub fn file(self, name: &str) -> String {
        format!("{CONFIG}/{}/{name}", self.folder)
    }
}

/// Folder of the configuration in the containers.
pub(super) const CONFIG: &str = "/etc/cassandra";

/// Why a Secret is not meant for the nodes; nothing if it is. Only the label says so: Secrets with certificates are made
/// for many purposes, and look the same.
pub fn not_meant_because(label: Option<&str>) -> Option<&'static str> {
    match label {
        Some("true") => None,
        Some(_) => Some("its label db.orange.com/node-credentials is not true"),
        None => Some("it has no label db.orange.com/node-credentials"),
    }
}
