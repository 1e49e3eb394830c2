//! Checks of the encryption of Cassandra's own connections, `spec.tls`.

use casskop_common::{
    api::{CassandraCluster, InternodeMode},
    conditions::Reason,
    image::{self, ImageRef},
};

use crate::{
    desired::{DEFAULT_IMAGE, DesiredRack, refused, started::Started},
    pod_config::{CLIENT_SECTION, CertificateUse, Encryption, INTERNODE_SECTION, NodeSecrets},
    refusal::Refusal,
};

/// A port for TLS beside the native port, which then is a plain one.
const PLAIN_AND_TLS_PORT: &str = "native_transport_port_ssl";

/// The encryption that pods are started with now, with these Secrets, and those of them that the spec names.
///
/// # Errors
/// The nodes cannot have it.
pub(super) fn decide(
    cluster: &CassandraCluster,
    racks: &[DesiredRack],
    started: &Started,
    (secrets, named): (&NodeSecrets, &NodeSecrets),
) -> Result<Encryption, Refusal> {
    let spec = &cluster.spec;
    let internode = match &secrets.internode {
        Some(secret) => started.next(spec.internode_mode(), secret),
        None => InternodeMode::Disabled,
    };
    let client = spec.client_tls();
    let encryption = Encryption {
        internode,
        client: spec.client_mode(),
        client_auth: client.is_some_and(|tls| tls.require_client_auth == Some(true)),
    };
    check_release(cluster, encryption)?;
    check_sections(cluster, racks, encryption, started)?;
    check_secret(secrets, started)?;
    check_uses(secrets)?;
    check_linked(cluster, named, started)?;
    if encryption.client.has_tls() && encryption.client_auth && named.client.is_none() {
        let message = "tls.client.requireClientAuth needs an authority that issues certificates for clients: name a Secret of it in tls.client.secretName";
        return Err(refused(Reason::InvalidConfig, message.into()));
    }
    Ok(encryption)
}

/// Cassandra 4.0 cannot read certificates in PEM, and a key store of Java would need a password in `cassandra.yaml`.
fn check_release(cluster: &CassandraCluster, encryption: Encryption) -> Result<(), Refusal> {
    const WITHOUT_PEM: Option<image::Release> = Some((4, 0));
    let image = cluster.spec.cassandra_image.as_deref();
    let image = image.unwrap_or(DEFAULT_IMAGE);
    let has_tls = encryption.internode.has_tls() || encryption.client.has_tls();
    let nodes = cluster.status.iter();
    let mut nodes = nodes.flat_map(|status| status.cassandra_node_status.values());
    // A tag of the user's own names no release, and the nodes do.
    let is_without = match ImageRef::parse(image).release() {
        None => nodes.any(|node| image::release(&node.version) == WITHOUT_PEM),
        named => named == WITHOUT_PEM,
    };
    if has_tls && is_without {
        let message = format!(
            "tls: {image} cannot read certificates in PEM, as Cassandra 4.1 and later can: upgrade to 4.1 first, or remove tls and use config.cassandra-yaml with key stores of your own"
        );
        return Err(refused(Reason::NotSupported, message));
    }
    Ok(())
}

/// The operator writes a section of `cassandra.yaml`, or the user does.
fn check_sections(
    cluster: &CassandraCluster,
    racks: &[DesiredRack],
    encryption: Encryption,
    started: &Started,
) -> Result<(), Refusal> {
    let spec = &cluster.spec;
    if encryption.internode.has_tls() && started.encrypts_by_config {
        let message = format!(
            "tls.internode: the nodes encrypt by config.cassandra-yaml.{INTERNODE_SECTION}, and do not understand nodes with other certificates: set internode_encryption to none and optional to true there, and set tls.internode instead of the section when all nodes are Ready"
        );
        return Err(refused(Reason::InvalidConfig, message));
    }
    let owned = [
        (
            INTERNODE_SECTION,
            "tls.internode",
            spec.internode_tls().is_some() || encryption.internode.has_tls(),
        ),
        (CLIENT_SECTION, "tls.client", spec.client_tls().is_some()),
    ];
    for rack in racks {
        let yaml = &rack.config["cassandra-yaml"];
        if spec.client_mode().has_tls() && yaml.get(PLAIN_AND_TLS_PORT).is_some() {
            return Err(refused(
                Reason::InvalidConfig,
                format!(
                    "config of {}: with cassandra-yaml.{PLAIN_AND_TLS_PORT} the native port serves plain connections whatever tls.client says: remove one of them",
                    rack.id
                ),
            ));
        }
        let mut owned = owned.iter().filter(|(_, _, is_owned)| *is_owned);
        if let Some((section, field, _)) = owned.find(|(section, ..)| yaml.get(section).is_some()) {
            return Err(refused(
                Reason::InvalidConfig,
                format!(
                    "config of {}: cassandra-yaml.{section} is set by the operator because of {field}: remove one of them",
                    rack.id
                ),
            ));
        }
    }
    Ok(())
}

/// Nodes with certificates of different authorities do not trust each other: while a node may encrypt, all keep their Secret.
fn check_secret(secrets: &NodeSecrets, started: &Started) -> Result<(), Refusal> {
    let Some(wanted) = &secrets.internode else {
        return Ok(());
    };
    let mut others = started.secrets.iter().filter(|mounted| *mounted != wanted);
    match others.next().filter(|_| started.sends_encrypted()) {
        None => Ok(()),
        Some(mounted) => Err(refused(
            Reason::InvalidConfig,
            format!(
                "tls.internode.secretName: the nodes encrypt with Secret {mounted}, and nodes with {wanted} may not trust them: write the new certificates into {mounted}, or set mode to Optional before the Secret is changed, which ends the encryption meanwhile"
            ),
        )),
    }
}

/// A Secret is judged by its use, and a holder of it may act in all of its uses.
fn check_uses(secrets: &NodeSecrets) -> Result<(), Refusal> {
    let named = |usage: CertificateUse| Some((usage, secrets.of(usage)?));
    let all: Vec<(CertificateUse, &String)> =
        CertificateUse::ALL.into_iter().filter_map(named).collect();
    for (index, (usage, name)) in all.iter().enumerate() {
        let mut others = all[..index].iter();
        if let Some((other, _)) = others.find(|(_, other)| other == name) {
            return Err(refused(
                Reason::InvalidConfig,
                format!(
                    "Secret {name} is named in {} and in {}: use a Secret for each, so that a certificate for one opens no other",
                    other.field(),
                    usage.field()
                ),
            ));
        }
    }
    Ok(())
}

/// The nodes of other clusters of the ring have to trust these nodes, and to have taken each step before these take the next
/// one. A `MultiCasskop` sees to both.
fn check_linked(
    cluster: &CassandraCluster,
    named: &NodeSecrets,
    started: &Started,
) -> Result<(), Refusal> {
    let target = cluster.spec.internode_mode();
    if cluster.spec.seeds.is_empty() {
        return Ok(());
    }
    if target.has_tls() && named.internode.is_none() {
        let message = "tls.internode names no Secret: the nodes of the other clusters of spec.seeds do not trust the authority that the operator makes. Create a Secret of one authority in every cluster, and name it in tls.internode.secretName";
        return Err(refused(Reason::InvalidConfig, message.into()));
    }
    let is_far = |mode: &&InternodeMode| mode.towards(target) != target;
    if let Some(mode) = started.modes.iter().find(is_far) {
        return Err(refused(
            Reason::InvalidConfig,
            format!(
                "tls.internode.mode: from {} to {} are several steps, and the nodes of the other clusters of spec.seeds have to take each with these: set {} in all clusters first, and the next one when all nodes are Ready",
                mode.as_str(),
                target.as_str(),
                mode.towards(target).as_str()
            ),
        ));
    }
    Ok(())
}
