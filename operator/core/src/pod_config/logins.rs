//! Logins of clients in `cassandra.yaml`, and the Secret with the superuser in a pod.

use casskop_common::{api::LoginStep, names::DEFAULT_ROLE};
use serde_json::{Value, json};

use super::{
    CLIENT_SECTION, is_ipv6, jolokia_secret,
    seeds::{OwnData, Seeds},
};

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

/// Why a node may not start in the step of its pod.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSetUp {
    /// The ring would have the superuser that everybody knows, and clients could connect.
    #[error(
        "this pod would form a new ring that clients can connect to before its superuser is set up: its volume has no data of a member. Bring the volume back, or delete the CassandraCluster and its volumes, and create it again"
    )]
    Forms,
    /// The data may be of a ring without logins, whose superuser everybody knows.
    #[error(
        "the volume has data, and no mark of a ring that requires logins (.casskop-logins): everybody could log in as cassandra. Data of a ring without logins: remove spec.authentication. Data of a ring with logins: rebuild this node from the others: kubectl casskop replace CLUSTER --pod POD"
    )]
    Unmarked,
    /// The ring requires logins, and the pod would let in every client.
    #[error(
        "the volume is of a ring that requires logins (.casskop-logins), and this pod would let in every client: set spec.authentication again, or delete its volume if it has no data of a member"
    )]
    Opens,
}

/// State of the volume of a node before Cassandra starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The data of the node.
    pub data: OwnData,
    /// Whether it has nothing of a node.
    pub is_empty: bool,
    /// Whether it has the mark of a ring that requires logins.
    pub is_marked: bool,
    /// Of a node that begins with the files of a backup: whether the nodes of the backup required logins.
    pub from_backup: Option<bool>,
}

/// Whether a node of this name may start in a step: clients never connect to a ring whose logins are not set up. Returns whether
/// its volume gets the mark now, because the node joins a ring that has it, or its files are those of one.
///
/// # Errors
/// The node may not start.
pub fn check(step: LoginStep, own: &str, seeds: &Seeds, volume: Volume) -> Result<bool, NotSetUp> {
    let is_member = volume.data == OwnData::Member;
    // A node that joins streams the roles, unless it is a seed.
    let streams = seeds.list.iter().all(|seed| seed != own);
    match (step, volume.from_backup) {
        (_, None) => {}
        (LoginStep::Required, Some(true)) => return Ok(!volume.is_marked),
        (LoginStep::Disabled, Some(true)) => return Err(NotSetUp::Opens),
        (LoginStep::Disabled, Some(false)) if !volume.is_marked => return Ok(false),
        (_, Some(_)) => return Err(NotSetUp::Unmarked),
    }
    match (step, volume.is_marked) {
        (LoginStep::Disabled, true) => Err(NotSetUp::Opens),
        (LoginStep::Required, _) if !is_member && !streams => Err(NotSetUp::Forms),
        (LoginStep::Required, false) if !volume.is_empty => Err(NotSetUp::Unmarked),
        (LoginStep::Required, is_marked) => Ok(!is_marked),
        // The mark of a member is written after that of its logins.
        (LoginStep::SetUp, false) if is_member => Err(NotSetUp::Unmarked),
        (LoginStep::SetUp | LoginStep::Disabled, _) => Ok(false),
    }
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

    const OWN: &str = "demo-dc1-rack1-0.demo.ns";

    /// Every volume, for a node that forms a ring or joins one.
    fn starts(step: LoginStep) -> String {
        let seeds = |own: bool| Seeds {
            list: vec![if own { OWN } else { "other" }.into()],
            wait_for: Vec::new(),
            all: false,
            forms: None,
        };
        let mut told = Vec::new();
        for data in [OwnData::None, OwnData::Tables, OwnData::Member] {
            for is_empty in [true, false] {
                if is_empty && data != OwnData::None {
                    continue;
                }
                for is_marked in [false, true] {
                    let volume = Volume {
                        data,
                        is_empty,
                        is_marked,
                        from_backup: None,
                    };
                    let [joins, forms] =
                        [false, true].map(|own| check(step, OWN, &seeds(own), volume));
                    told.push(format!("{volume:?}: joins {joins:?}, forms {forms:?}"));
                }
            }
        }
        told.join("\n")
    }

    #[test]
    fn data_without_the_mark_of_logins_is_not_served_as_if_it_had_them() {
        let told = LoginStep::ALL.map(|step| format!("{step:?}\n{}", starts(step)));
        insta::assert_snapshot!(told.join("\n\n"));
    }

    /// All nodes of a restored ring start together: one that is a seed, too.
    #[test]
    fn the_files_of_a_backup_are_as_closed_as_their_ring() {
        use LoginStep::{Disabled, Required, SetUp};
        let seeds = Seeds {
            list: vec![OWN.into()],
            wait_for: Vec::new(),
            all: false,
            forms: None,
        };
        for data in [OwnData::None, OwnData::Tables, OwnData::Member] {
            let check = |step, from_backup, is_marked| {
                let volume = Volume {
                    data,
                    is_empty: false,
                    is_marked,
                    from_backup: Some(from_backup),
                };
                check(step, OWN, &seeds, volume)
            };
            assert_eq!(check(Required, true, false), Ok(true));
            assert_eq!(check(Required, true, true), Ok(false));
            assert_eq!(check(Disabled, false, false), Ok(false));
            for is_marked in [false, true] {
                assert_eq!(check(Disabled, true, is_marked), Err(NotSetUp::Opens));
                assert!(check(Required, false, is_marked).is_err());
                assert!(check(SetUp, true, is_marked).is_err());
                assert!(check(SetUp, false, is_marked).is_err());
            }
            assert!(check(Disabled, false, true).is_err());
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
