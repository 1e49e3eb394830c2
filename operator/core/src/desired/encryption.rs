//! Checks of the encryption of Cassandra's own connections, `spec.tls`.

use casskop_common::{
    api::{CassandraCluster, InternodeMode},
    conditions::Reason,
};

use crate::{
    desired::{
        DEFAULT_IMAGE, DesiredRack, refused,
        secrets::{named_secrets, node_secrets},
        started::Started,
    },
    image::ImageRef,
    pod_config::{CLIENT_SECTION, Encryption, INTERNODE_SECTION},
    refusal::Refusal,
};

/// The encryption that pods are started with now.
///
/// # Errors
/// The nodes cannot have it.
pub(super) fn decide(
    cluster: &CassandraCluster,
    racks: &[DesiredRack],
    started: &Started,
) -> Result<Encryption, Refusal> {
    let spec = &cluster.spec;
    let secrets = node_secrets(cluster, started);
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
    check_sections(cluster, racks, encryption)?;
    check_secret(cluster, started)?;
    if encryption.client.has_tls()
        && encryption.client_auth
        && named_secrets(cluster, started).client.is_none()
    {
        let message = "tls.client.requireClientAuth needs an authority that issues certificates for clients: name a Secret of it in tls.client.secretName";
        return Err(refused(Reason::InvalidConfig, message.into()));
    }
    Ok(encryption)
}

/// Cassandra 4.0 cannot read certificates in PEM, and a key store of Java would need a password in `cassandra.yaml`.
fn check_release(cluster: &CassandraCluster, encryption: Encryption) -> Result<(), Refusal> {
    let image = cluster.spec.cassandra_image.as_deref();
    let image = image.unwrap_or(DEFAULT_IMAGE);
    let has_tls = encryption.internode.has_tls() || encryption.client.has_tls();
    if has_tls && ImageRef::parse(image).release() == Some((4, 0)) {
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
) -> Result<(), Refusal> {
    let spec = &cluster.spec;
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
fn check_secret(cluster: &CassandraCluster, started: &Started) -> Result<(), Refusal> {
    let Some(wanted) = node_secrets(cluster, started).internode else {
        return Ok(());
    };
    let mut others = started.secrets.iter().filter(|mounted| **mounted != wanted);
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
