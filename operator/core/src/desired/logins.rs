//! Checks of the logins of clients, `spec.authentication`.

use casskop_common::{
    api::{CassandraClusterSpec, LoginStep},
    conditions::Reason,
};

use crate::{
    desired::{DesiredRack, refused, started::Started},
    pod_config::{NodeSecrets, logins::LOGIN_KEYS},
    refusal::Refusal,
};

/// The step that pods are started in now.
///
/// # Errors
/// The nodes cannot have it.
pub(super) fn decide(
    spec: &CassandraClusterSpec,
    racks: &[DesiredRack],
    started: &Started,
    named: &NodeSecrets,
) -> Result<LoginStep, Refusal> {
    if spec.authentication.is_none() {
        return check_removal(started);
    }
    check_ring(started)?;
    check_racks(racks)?;
    check_first(racks, started)?;
    let joins = !spec.seeds.is_empty();
    if joins && named.superuser.is_none() {
        return Err(invalid(
            "authentication names no Secret: the nodes of spec.seeds have a superuser already. Create a Secret with its username and password, and name it in authentication.superuserSecret".into(),
        ));
    }
    let client = spec.client_tls();
    if client.is_some_and(|tls| tls.require_client_auth == Some(true)) {
        return Err(refused(
            Reason::NotSupported,
            "authentication: the operator keeps the superuser over the native protocol and has no certificate for clients: remove tls.client.requireClientAuth, or authentication".into(),
        ));
    }
    Ok(started.next_login_step(joins))
}

/// Nodes without logins would let in every client, and those of clients that send no password would be shut out.
fn check_removal(started: &Started) -> Result<LoginStep, Refusal> {
    if started.logins.iter().any(|step| step.has_logins()) {
        return Err(refused(
            Reason::NotSupported,
            "authentication cannot be removed: the nodes would let in every client. Set it again; to end the logins, create another ring and move the data".into(),
        ));
    }
    Ok(LoginStep::Disabled)
}

/// Cassandra has no authenticator that lets in clients with and without a password, and a role with a password is made
/// only by a node that demands one.
fn check_ring(started: &Started) -> Result<(), Refusal> {
    if started.logins.contains(&LoginStep::Disabled) {
        return Err(refused(
            Reason::NotSupported,
            "authentication cannot be set on a ring that runs: its clients would be shut out. Remove it; a ring has logins from its first node on".into(),
        ));
    }
    Ok(())
}

/// Two pods that set up logins would be two rings.
fn check_first(racks: &[DesiredRack], started: &Started) -> Result<(), Refusal> {
    let first = racks.iter().find(|rack| rack.replicas > 0);
    let mut setting_up = started.setting_up.iter();
    let other = setting_up.find(|rack| first.is_none_or(|first| first.id != **rack));
    match other {
        None => Ok(()),
        Some(rack) => Err(invalid(format!(
            "the first node of the ring is in {rack}, and sets up the logins: keep that rack the first one with nodes until all nodes are there"
        ))),
    }
}

fn check_racks(racks: &[DesiredRack]) -> Result<(), Refusal> {
    for rack in racks {
        if rack.capacity.is_none() {
            return Err(invalid(format!(
                "authentication needs volumes: without dataCapacity a node of {} that restarts has lost the passwords, and everybody knows the superuser of an empty ring",
                rack.id
            )));
        }
        let yaml = &rack.config["cassandra-yaml"];
        let mut owned = LOGIN_KEYS.into_iter();
        if let Some(key) = owned.find(|key| yaml.get(key).is_some()) {
            return Err(invalid(format!(
                "config of {}: cassandra-yaml.{key} is set by the operator because of authentication: remove one of them",
                rack.id
            )));
        }
    }
    Ok(())
}

fn invalid(message: String) -> Refusal {
    refused(Reason::InvalidConfig, message)
}
