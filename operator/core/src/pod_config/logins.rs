//! Logins of clients in `cassandra.yaml`, and the Secret with the superuser in a pod.

use casskop_common::{api::LoginStep, names::DEFAULT_ROLE};
use serde_json::{Value, json};

use super::{CLIENT_SECTION, is_ipv6, jolokia_secret, seeds::Seeds};

/// Keys of `cassandra.yaml` that follow from `spec.authentication`.
pub const LOGIN_KEYS: [&str; 3] = ["authenticator", "authorizer", "role_manager"];
/// Keys of the Secret with the superuser, and names of the files.
pub const SUPERUSER_KEYS: [&str; 2] = ["username", "password"];
/// Name of the volume of the Secret with the superuser.
pub const SUPERUSER_VOLUME: &str = "superuser";
/// Folder of that Secret in the Cassandra container. Only a pod in the step `SetUp` has it.
pub const SUPERUSER: &str = "/casskop-superuser";

/// Why a value of a Secret with a superuser cannot be used. The value itself is never part of the message.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidSuperuser {
    /// The value is missing, or is not one line of text.
    #[error(transparent)]
    Key(#[from] jolokia_secret::InvalidKey),
    /// The name is that of the role that is shut out.
    #[error(
        "has the username cassandra, the role that Cassandra creates by itself and that is shut out: choose another username"
    )]
    Default,
    /// Names are compared exactly: others would be of another role.
    #[error(
        "has a username with characters other than letters, digits, '_', '-' and '.': choose another username"
    )]
    Name,
}

/// The name of the superuser in a Secret. A final line break is not part of it.
///
/// # Errors
/// The name cannot be used.
pub fn username(value: Option<&[u8]>) -> Result<String, InvalidSuperuser> {
    let name = jolokia_secret::username(value)?;
    if name == DEFAULT_ROLE {
        return Err(InvalidSuperuser::Default);
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if !name.chars().all(is_plain) {
        return Err(InvalidSuperuser::Name);
    }
    Ok(name)
}

/// A start in the step `Required` would form a ring whose default superuser everybody can use.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[error(
    "this pod would form a new ring that clients can connect to before its superuser is set up: its volume has no data of a member. Bring the volume back, or delete the CassandraCluster and its volumes, and create it again"
)]
pub struct NotSetUp;

/// Whether a node may start in a step: logins are set up before clients can connect to a ring.
///
/// # Errors
/// It would form a ring without.
pub fn check(step: LoginStep, seeds: &Seeds) -> Result<(), NotSetUp> {
    if step == LoginStep::Required && seeds.forms.is_some() {
        return Err(NotSetUp);
    }
    Ok(())
}

/// Settings of connections that others could use, and of a commit log that is written later, under the names of all releases.
const NOT_IN_SET_UP: [&str; 7] = [
    "rpc_interface",
    "rpc_interface_prefer_ipv6",
    "native_transport_port_ssl",
    "commitlog_sync_period",
    "commitlog_sync_period_in_ms",
    "commitlog_sync_group_window",
    "commitlog_sync_group_window_in_ms",
];

/// Sets the keys of `cassandra.yaml`. While logins are set up, the native transport listens on the loopback interface only,
/// and needs no encryption there; and a change of a role is on the disk before it is answered, so that a crash of the machine does
/// not bring the default role back.
pub fn apply(step: LoginStep, yaml: &mut Value, pod_ip: &str) {
    if !step.has_logins() {
        return;
    }
    let classes = [
        "PasswordAuthenticator",
        "CassandraAuthorizer",
        "CassandraRoleManager",
    ];
    for (key, class) in LOGIN_KEYS.into_iter().zip(classes) {
        yaml[key] = json!(class);
    }
    if step == LoginStep::SetUp
        && let Some(yaml) = yaml.as_object_mut()
    {
        for key in NOT_IN_SET_UP {
            yaml.remove(key);
        }
        yaml.insert("commitlog_sync".into(), json!("batch"));
        let loopback = if is_ipv6(pod_ip) { "::1" } else { "127.0.0.1" };
        yaml.insert("rpc_address".into(), json!(loopback));
        yaml.insert(CLIENT_SECTION.into(), json!({ "enabled": false }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod_config::tokens::Place;

    #[test]
    fn each_step_has_its_settings_and_none_leaves_the_file_alone() {
        let image = json!({
            "authenticator": { "class_name": "AllowAllAuthenticator" },
            "rpc_address": "0.0.0.0",
            "native_transport_port": 9999,
            "rpc_interface": "eth0",
            "commitlog_sync": "periodic",
            "commitlog_sync_period": "10000ms",
            "commitlog_sync_period_in_ms": 10000,
            CLIENT_SECTION: { "enabled": true, "optional": false },
        });
        let with = |step, ip: &str| {
            let mut yaml = image.clone();
            apply(step, &mut yaml, ip);
            yaml
        };
        assert_eq!(with(LoginStep::Disabled, "10.0.0.1"), image);
        insta::assert_json_snapshot!([
            with(LoginStep::SetUp, "10.0.0.1"),
            with(LoginStep::SetUp, "fd00::1"),
            with(LoginStep::Required, "10.0.0.1"),
        ]);
    }

    #[test]
    fn no_node_forms_a_ring_that_clients_can_connect_to() {
        let seeds = |forms: bool| Seeds {
            list: Vec::new(),
            wait_for: Vec::new(),
            all: false,
            forms: forms.then_some(Place {
                in_dc: 0,
                of_dc: 1,
                of_all: 0,
            }),
        };
        for step in LoginStep::ALL {
            assert_eq!(check(step, &seeds(false)), Ok(()));
            let is_refused = check(step, &seeds(true)).is_err();
            assert_eq!(is_refused, step == LoginStep::Required);
        }
    }

    #[test]
    fn a_superuser_has_a_plain_name_of_its_own() {
        let name = |value: &str| username(Some(value.as_bytes())).map_err(|why| why.to_string());
        assert_eq!(name("admin\n").as_deref(), Ok("admin"));
        assert_eq!(name("Data-Admin_1.x").as_deref(), Ok("Data-Admin_1.x"));
        for bad in ["", "cassandra", "a b", "a\"b", "a:b", "a\nb", "ä"] {
            let told = name(bad).expect_err(bad);
            assert!(
                bad.is_empty() || bad == "cassandra" || !told.contains(bad),
                "{told}"
            );
        }
    }
}
