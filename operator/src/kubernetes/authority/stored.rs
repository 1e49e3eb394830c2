//! The two Secrets of an authority that the operator makes.

use casskop_common::{
    api::{CassandraCluster, NodeTransport},
    names,
};
use casskop_core::{
    authority::{self, Certificate},
    observed::is_of_predecessor,
    pod_config::{CertificateUse, certificates::KEYS},
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, ResourceExt};

use crate::{
    kubernetes::{
        Kube,
        authority::{
            failed,
            issue::{Issued, KeyedAuthority, Written},
            write,
        },
        certificates, credentials,
    },
    node_api::Certificates,
};

/// Key of the authorities in the Secret of the authority, the newest last.
const AUTHORITIES: &str = "authorities";

/// The Secrets as they were read.
pub(super) struct Stored {
    /// Use of the certificates.
    usage: CertificateUse,
    /// With the private keys of the authorities.
    authority: Option<Secret>,
    /// With the certificate of the nodes.
    nodes: Option<Secret>,
    /// Name of a Secret that an earlier resource of the name owned, and that counts as none.
    left: Option<String>,
    /// Whether the certificate of the nodes is marked as that of a ring with TLS when it is written.
    is_marked: bool,
}

/// The content of the Secret of the nodes, as it was read.
pub(super) struct Present {
    /// The description of it.
    pub(super) certificate: Certificate,
    /// In the order of [`KEYS`].
    content: [String; 3],
}

impl Present {
    /// The certificate with its key.
    pub(super) fn own(&self) -> Issued {
        let [_, certificate, key] = self.content.clone();
        Issued {
            issuer: self.certificate.issuer.clone(),
            validity: self.certificate.validity,
            certificate,
            key,
        }
    }

    /// The authorities to trust (PEM).
    pub(super) fn authorities(&self) -> impl Iterator<Item = &str> {
        authority::blocks(&self.content[0])
    }
}

impl Stored {
    pub(super) async fn read(
        kube: &Kube,
        cluster: &CassandraCluster,
        usage: CertificateUse,
    ) -> Result<Self, kube::Error> {
        let namespace = cluster.namespace().unwrap_or_default();
        let api: Api<Secret> = Api::namespaced(kube.client.clone(), &namespace);
        let name = cluster.name_any();
        let (one, other) = (usage.made_authority(&name), usage.made_secret(&name));
        let (authority, nodes) = tokio::try_join!(api.get_opt(&one), api.get_opt(&other))?;
        let is_left = |secret: &Secret| is_of_predecessor(secret.owner_references(), cluster);
        let left = [&authority, &nodes]
            .into_iter()
            .flatten()
            .find(|secret| is_left(secret))
            .map(ResourceExt::name_any);
        Ok(Self {
            usage,
            left,
            is_marked: false,
            authority: authority.filter(|secret| !is_left(secret)),
            nodes: nodes.filter(|secret| !is_left(secret)),
        })
    }

    /// The reason why nothing is written now: Kubernetes is about to delete a Secret of a deleted resource of the name.
    pub(super) fn awaited(&self) -> Option<String> {
        let left = self.left.as_ref()?;
        Some(format!(
            "Secret {left} is of a deleted cluster of this name: it is made anew when Kubernetes has deleted it"
        ))
    }

    /// The reason why a Secret of the name is neither used nor changed: the operator has not made it.
    pub(super) fn refused(&self, cluster: &CassandraCluster) -> Option<String> {
        let is_meant = |secret: &&Secret| {
            let label = secret.labels().get(names::NODE_CREDENTIALS_LABEL);
            label.is_some_and(|label| label == "true")
        };
        let is_recorded =
            |secret: &Secret| secret.annotations().contains_key(names::NODE_CERTIFICATE);
        let has_keys = |secret: &Secret| value(secret, AUTHORITIES).is_some();
        let nodes = self.nodes.as_ref();
        let authority = self.authority.as_ref();
        let foreign = nodes
            .filter(|secret| !(is_meant(secret) && is_ours(secret, cluster, is_recorded)))
            .or_else(|| authority.filter(|secret| !is_ours(secret, cluster, has_keys)))?;
        Some(format!(
            "Secret {} was not made by the operator for this cluster, or has lost its labels, and is not changed: delete or rename it; other certificates are named in {}",
            foreign.name_any(),
            self.usage.field()
        ))
    }

    /// Use of the certificates.
    pub(super) fn usage(&self) -> CertificateUse {
        self.usage
    }

    /// Whether there is a Secret of the nodes, usable or not.
    pub(super) fn is_there(&self) -> bool {
        self.nodes.is_some()
    }

    /// The same Secrets, whose certificate is marked when it is written, or keeps the mark that it has.
    pub(super) fn marked(self, is_marked: bool) -> Self {
        Self { is_marked, ..self }
    }

    /// Whether the certificates have the mark.
    pub(super) fn is_marked(&self) -> bool {
        let (key, word) = mark();
        let nodes = self.nodes.as_ref();
        nodes.is_some_and(|nodes| nodes.annotations().get(&key) == Some(&word))
    }

    /// The authorities whose keys can be used, the newest last.
    pub(super) fn authorities(&self) -> Vec<KeyedAuthority> {
        let text = self
            .authority
            .as_ref()
            .and_then(|secret| value(secret, AUTHORITIES));
        let stored: Option<Vec<KeyedAuthority>> =
            text.and_then(|text| serde_json::from_slice(text).ok());
        let mut authorities = stored.unwrap_or_default();
        authorities.retain(|one| {
            let [certificate, key] = [&one.certificate, &one.key].map(String::as_bytes);
            // The name is of no matter here.
            Certificates::new(certificate, certificate, key, "authority".into()).is_ok()
        });
        authorities
    }

    /// The certificates of the nodes, whoever has written them.
    ///
    /// # Errors
    /// They cannot be used, for this reason.
    pub(super) fn certificates(&self, host: &str) -> Result<Certificates, String> {
        let nodes = self.nodes.as_ref().ok_or("it does not exist")?;
        certificates::certificates(nodes, host.to_owned())
    }

    /// The certificate that the operator has written for the nodes.
    ///
    /// # Errors
    /// It cannot be used, or another writer has changed it.
    pub(super) fn present(&self, host: &str) -> Result<Present, String> {
        self.certificates(host)?;
        let nodes = self.nodes.as_ref().ok_or("it does not exist")?;
        let text = |key| {
            let text = value(nodes, key).and_then(|value| std::str::from_utf8(value).ok());
            text.unwrap_or_default().to_owned()
        };
        let content = KEYS.map(text);
        let record = nodes.annotations().get(names::NODE_CERTIFICATE);
        let record = record.map(String::as_str).unwrap_or_default();
        let certificate = authority::read(record, &content[0], &content[1]);
        Ok(Present {
            certificate: certificate.map_err(|unreadable| unreadable.to_string())?,
            content,
        })
    }

    /// Writes the authorities.
    pub(super) async fn keep_authorities(
        &mut self,
        kube: &Kube,
        cluster: &CassandraCluster,
        authorities: &[KeyedAuthority],
    ) -> Result<(), kube::Error> {
        let text = serde_json::to_string(authorities).map_err(kube::Error::SerdeError)?;
        let before = self.authority.as_ref();
        let name = self.usage.made_authority(&cluster.name_any());
        let wanted = wanted(cluster, before, name, [(AUTHORITIES, text)]);
        self.authority = Some(write(kube, &wanted, before).await?);
        Ok(())
    }

    /// Writes the certificate of the nodes.
    pub(super) async fn keep_certificate(
        &mut self,
        kube: &Kube,
        cluster: &CassandraCluster,
        written: Written,
    ) -> Result<(), kube::Error> {
        let Written {
            certificate,
            ca,
            issued,
        } = written;
        let record = authority::record(&certificate, &ca, &issued.certificate);
        let [one, two, three] = KEYS;
        let data = [(one, ca), (two, issued.certificate), (three, issued.key)];
        let before = self.nodes.as_ref();
        let name = self.usage.made_secret(&cluster.name_any());
        let mut wanted = wanted(cluster, before, name, data);
        let label = (names::NODE_CREDENTIALS_LABEL.into(), "true".into());
        wanted.labels_mut().extend([label]);
        let record = (names::NODE_CERTIFICATE.into(), record);
        wanted.annotations_mut().extend([record]);
        if self.is_marked && cluster.spec.transport() == NodeTransport::JolokiaTls {
            wanted.annotations_mut().extend([mark()]);
        }
        if before.is_none() {
            wanted.type_ = Some("kubernetes.io/tls".into());
        }
        let host = super::host(cluster);
        certificates::certificates(&wanted, host).map_err(failed)?;
        self.nodes = Some(write(kube, &wanted, before).await?);
        Ok(())
    }
}

/// A Secret of the cluster with these data, in the version that was read.
fn wanted<const N: usize>(
    cluster: &CassandraCluster,
    before: Option<&Secret>,
    name: String,
    data: [(&str, String); N],
) -> Secret {
    let new = credentials::secret(cluster, name, data);
    let Some(before) = before else {
        return new;
    };
    let mut wanted = before.clone();
    wanted.data = new.data;
    wanted.metadata.owner_references = new.metadata.owner_references;
    wanted
        .labels_mut()
        .extend(new.metadata.labels.unwrap_or_default());
    wanted
}

/// The annotation of the certificates of a ring of Jolokia with TLS. It outlives an earlier version of the operator that leads for
/// a while.
fn mark() -> (String, String) {
    let word = NodeTransport::JolokiaTls.as_str();
    (names::NODE_API.to_owned(), word.to_owned())
}

/// Whether the operator has made a Secret for a cluster. After `kubectl delete --cascade=orphan` it has no
/// owner, and is known by what the operator alone writes.
fn is_ours(
    secret: &Secret,
    cluster: &CassandraCluster,
    has_mark: impl Fn(&Secret) -> bool,
) -> bool {
    let name = cluster.name_any();
    let labels = names::cluster_labels(&name);
    let is_labelled = labels
        .iter()
        .all(|(key, value)| secret.labels().get(key) == Some(value));
    let mut owners = secret.owner_references().iter();
    let owner = owners.find(|owner| owner.controller == Some(true));
    is_labelled
        && match owner {
            None => has_mark(secret),
            Some(owner) => cluster.metadata.uid.as_ref() == Some(&owner.uid),
        }
}

fn value<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    let ByteString(value) = secret.data.as_ref()?.get(key)?;
    Some(value)
}
