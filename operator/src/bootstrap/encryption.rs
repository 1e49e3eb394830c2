//! The certificates of Cassandra's own connections: between the nodes, and between clients and nodes.

use std::path::{Path, PathBuf};

use casskop_common::api::{ClientMode, InternodeMode};
use casskop_core::pod_config::{Encryption, certificates::Place};

use crate::bootstrap::{
    Error,
    certificates::{self, Form, Peers, Renewal},
};

/// Encryption that the template of the pod asks for.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Args {
    /// Connections that the node opens to other nodes, and accepts from them
    #[arg(long, default_value = "Disabled", value_parser = internode)]
    pub internode_tls: InternodeMode,
    /// Folder of the Secret with the certificates between the nodes
    #[arg(long, default_value = Place::INTERNODE.secret)]
    pub internode_secret: PathBuf,
    /// Connections that the node accepts from clients
    #[arg(long, default_value = "Disabled", value_parser = client)]
    pub client_tls: ClientMode,
    /// Folder of the Secret with the certificates for clients
    #[arg(long, default_value = Place::CLIENT.secret)]
    pub client_secret: PathBuf,
    /// Clients need certificates
    #[arg(long)]
    pub require_client_auth: bool,
}

impl Args {
    /// The encryption.
    pub fn encryption(&self) -> Encryption {
        Encryption {
            internode: self.internode_tls,
            client: self.client_tls,
            client_auth: self.require_client_auth,
        }
    }

    /// The places of the certificates that the pod has, with the folders of their Secrets.
    fn used(&self) -> impl Iterator<Item = (Place, &PathBuf)> {
        let internode = (Place::INTERNODE, &self.internode_secret);
        let client = (Place::CLIENT, &self.client_secret);
        let internode = self.internode_tls.has_tls().then_some(internode);
        let client = self.client_tls.has_tls().then_some(client);
        internode.into_iter().chain(client)
    }
}

fn internode(word: &str) -> Result<InternodeMode, String> {
    let known = InternodeMode::ALL.map(InternodeMode::as_str).join(", ");
    InternodeMode::parse(word).ok_or_else(|| format!("it is one of {known}"))
}

fn client(word: &str) -> Result<ClientMode, String> {
    let known = ClientMode::ALL.map(ClientMode::as_str).join(", ");
    ClientMode::parse(word).ok_or_else(|| format!("it is one of {known}"))
}

fn peers(place: Place) -> Peers {
    if place == Place::CLIENT {
        Peers::Clients
    } else {
        Peers::Each
    }
}

/// File on the volume of a node with the authorities that it trusts. A node that starts anew while the other ones still show the
/// certificate of an earlier authority trusts that one, too.
const TRUSTED: &str = ".casskop-internode-authorities";

/// Installs the certificates for the ring of this name. `data` is the folder of the volume.
pub(super) fn install(directory: &Path, args: &Args, name: &str, data: &Path) -> Result<(), Error> {
    for (place, secret) in args.used() {
        let folder = directory.join(place.folder);
        let form = (Form::Keystore, peers(place));
        certificates::install(&folder, secret, name.to_owned(), form, &[])?;
        if peers(place) == Peers::Each {
            certificates::trust_more(&folder, name, &data.join(TRUSTED))?;
        }
    }
    Ok(())
}

/// Takes over certificates that were renewed while Cassandra runs: it looks for changed files every ten minutes.
pub(super) fn renew(directory: &Path, data: &Path) {
    for place in [Place::INTERNODE, Place::CLIENT] {
        let folder = directory.join(place.folder);
        if folder.exists() {
            // The operator reads the same Secret, and reports it in the status.
            let secret = Path::new(place.secret);
            match peers(place) {
                Peers::Each => {
                    let _ = certificates::renew_in_steps(&folder, secret);
                    let _ = certificates::remember_trusted(&folder, &data.join(TRUSTED));
                }
                // The authorities of clients are theirs to change.
                Peers::Clients => {
                    let form = (Form::Keystore, Peers::Clients);
                    let _ = certificates::renew(&folder, secret, form, Renewal::Any);
                }
            }
        }
    }
}
