//! Checks of the logins of clients, `spec.authentication`.

mod users;

use casskop_common::{
    api::{CassandraClusterSpec, LoginStep, NodeTransport},
    conditions::Reason,
    names,
};
use k8s_openapi::api::core::v1::EnvVar;
use serde_json::Value;

use crate::{
    desired::{DesiredRack, refused, started::Started},
    pod_config::{
        cassandra_yaml::{DATA, is_below, native_port},
        logins::LOGIN_KEYS,
    },
    refusal::Refusal,
};

/// The JVM property that takes the place of `auto_bootstrap`.
const AUTO_BOOTSTRAP: &str = "cassandra.auto_bootstrap";
/// Begin of the names of variables with options of the JVM.
const JVM_VARIABLES: &str = "JVM_";

/// The step that pods are started in now.
///
/// # Errors
/// The nodes cannot have it.
pub(super) fn decide(
    cluster: &str,
    spec: &CassandraClusterSpec,
    racks: &[DesiredRack],
    started: &Started,
) -> Result<LoginStep, Refusal> {
    if spec.authentication.is_none() {
        return check_removal(started);
    }
    check_ring(started)?;
    check_spec(spec)?;
    check_secret(cluster, spec)?;
    users::check(cluster, spec)?;
    racks.iter().try_for_each(check_rack)?;
    check_storage(spec, racks)?;
    check_first(racks, started)?;
    let step = started.next_login_step(spec.restore.is_some());
    if step == LoginStep::SetUp && spec.debug == Some(true) {
        return Err(invalid(
            "authentication with debug: a pod without probes sets up no logins: remove debug until all nodes are there".into(),
        ));
    }
    Ok(step)
}

/// Nodes without logins would let in every client, and those of clients that send no password would be shut out. As long as
/// no pod with logins was Ready, the ring has none. A ring that is not formed requires them when its first pod has set them up.
fn check_removal(started: &Started) -> Result<LoginStep, Refusal> {
    let logins = &started.logins;
    let has_logins = |step: &LoginStep| step.has_logins();
    let are_set_up = !logins.is_formed && logins.steps.contains(&LoginStep::Required);
    let are_known = logins.has_superuser || logins.ready.iter().any(has_logins) || are_set_up;
    if are_known && logins.steps.iter().any(has_logins) {
        return Err(not_supported(
            "authentication cannot be removed: the nodes would let in every client. Set it again; to end the logins, create another ring and move the data",
        ));
    }
    Ok(LoginStep::Disabled)
}

/// Cassandra has no authenticator that lets in clients with and without a password, and a role with a password is made
/// only by a node that demands one. A ring whose nodes an operator without logins has started has its superuser; of any other
/// one with a pod without logins nobody knows which nodes have formed a ring.
fn check_ring(started: &Started) -> Result<(), Refusal> {
    let logins = &started.logins;
    if logins.steps.contains(&LoginStep::Disabled) && !logins.has_superuser {
        return Err(not_supported(
            "authentication cannot be set on a ring whose pods were started without it: its clients would be shut out. Remove it; a ring has logins from its first node on. Volumes that have the mark .casskop-logins are of a ring with logins: delete the CassandraCluster with deletePVC: false, and create it again with authentication",
        ));
    }
    Ok(())
}

/// The logins of nodes elsewhere, and of other ways to them, are not known.
fn check_spec(spec: &CassandraClusterSpec) -> Result<(), Refusal> {
    if !spec.seeds.is_empty() {
        return Err(not_supported(
            "authentication with seeds: whether the nodes elsewhere require logins, and have shut out the role cassandra, cannot be seen from here: remove one of them",
        ));
    }
    if spec.transport() == NodeTransport::ManagementApi {
        return Err(not_supported(
            "authentication with nodeApi.kind ManagementApi: its server starts Cassandra without a role that could set up logins: use Jolokia, or remove authentication",
        ));
    }
    let client = spec.client_tls();
    if client.is_some_and(|tls| tls.require_client_auth == Some(true)) {
        return Err(not_supported(
            "authentication: the operator keeps the superuser over the native protocol and has no certificate for clients: remove tls.client.requireClientAuth, or authentication",
        ));
    }
    spec.env_vars.iter().try_for_each(check_variable)
}

/// The Secret with what Cassandra accepts follows the one with what is wanted.
fn check_secret(cluster: &str, spec: &CassandraClusterSpec) -> Result<(), Refusal> {
    let accepted = names::accepted_superuser_secret(cluster);
    let secret = spec.authentication.as_ref();
    let secret = secret.and_then(|authentication| authentication.superuser_secret.as_ref());
    if let Some(secret) = secret.filter(|secret| !names::is_object_name(secret)) {
        return Err(invalid(format!(
            "authentication.superuserSecret: '{secret}' is none of the names that Kubernetes takes: lower-case letters, digits, '-' and '.'"
        )));
    }
    if secret == Some(&accepted) {
        return Err(invalid(format!(
            "authentication.superuserSecret: {accepted} is the operator's record of what Cassandra accepts: name another Secret, or leave it out"
        )));
    }
    Ok(())
}

/// Options of the JVM are read before a pod starts.
fn check_variable(variable: &EnvVar) -> Result<(), Refusal> {
    let refuse = |message| Err(invalid(format!("envVars {}: {message}", variable.name)));
    let names_it = |value: &String| value.contains(AUTO_BOOTSTRAP);
    if variable.value.as_ref().is_some_and(names_it) {
        return refuse(no_bootstrap(AUTO_BOOTSTRAP));
    }
    if variable.value_from.is_some() && variable.name.starts_with(JVM_VARIABLES) {
        return refuse(format!(
            "valueFrom with authentication: whether it sets {AUTO_BOOTSTRAP} cannot be seen: write the options as value"
        ));
    }
    Ok(())
}

/// Two pods that set up logins would be two rings.
fn check_first(racks: &[DesiredRack], started: &Started) -> Result<(), Refusal> {
    let first = racks.iter().find(|rack| rack.replicas > 0);
    let mut setting_up = started.logins.setting_up.iter();
    let other = setting_up.find(|rack| first.is_none_or(|first| first.id != **rack));
    match other {
        None => Ok(()),
        Some(rack) => Err(invalid(format!(
            "the first node of the ring is in {rack}, and sets up the logins: keep that rack the first one with nodes until all nodes are there"
        ))),
    }
}

fn check_rack(rack: &DesiredRack) -> Result<(), Refusal> {
    if rack.capacity.is_none() {
        return Err(invalid(format!(
            "authentication needs volumes: without dataCapacity a node of {} that restarts has lost the passwords, and everybody knows the superuser of an empty ring",
            rack.id
        )));
    }
    let refuse = |message: String| Err(invalid(format!("config of {}: {message}", rack.id)));
    let yaml = &rack.config["cassandra-yaml"];
    let mut owned = LOGIN_KEYS.into_iter();
    if let Some(key) = owned.find(|key| yaml.get(key).is_some()) {
        return refuse(format!(
            "cassandra-yaml.{key} is set by the operator because of authentication: remove one of them"
        ));
    }
    if native_port(&rack.config).is_none() {
        return refuse(
            "cassandra-yaml.native_transport_port with authentication: the operator logs in there: write a number from 1 to 65535".into(),
        );
    }
    // YAML has other words for false: off, no.
    let is_other = |value: &Value| value != true;
    if yaml.get("auto_bootstrap").is_some_and(is_other) {
        return refuse(no_bootstrap("cassandra-yaml.auto_bootstrap"));
    }
    if rack.config.to_string().contains(AUTO_BOOTSTRAP) {
        return refuse(no_bootstrap(AUTO_BOOTSTRAP));
    }
    Ok(())
}

fn no_bootstrap(setting: &str) -> String {
    format!(
        "{setting} with authentication: a node that streams nothing has no roles, and creates the superuser that everybody knows: remove it"
    )
}

/// The mark of a node with logins is on the volume of its data, and the roles may be in the commit log only.
fn check_storage(spec: &CassandraClusterSpec, racks: &[DesiredRack]) -> Result<(), Refusal> {
    let volumes = || spec.storage_configs.iter().map(|volume| &volume.mount_path);
    if let Some(path) = volumes().find(|path| is_below(path, DATA)) {
        return Err(invalid(format!(
            "storageConfigs at {path} with authentication: the data has to be on the volume that says that its node has logins: choose another path"
        )));
    }
    for rack in racks {
        let yaml = &rack.config["cassandra-yaml"];
        let refuse = |key: &str| {
            Err(invalid(format!(
                "config of {}: cassandra-yaml.{key} with authentication: data below {DATA}, and a commit log there or on a volume of storageConfigs, keep the roles: remove it",
                rack.id
            )))
        };
        let folders = yaml["data_file_directories"].as_array();
        let mut folders = folders.into_iter().flatten();
        if !folders.all(|folder| folder.as_str().is_some_and(|folder| is_below(folder, DATA))) {
            return refuse("data_file_directories");
        }
        if yaml.get("local_system_data_file_directory").is_some() {
            return refuse("local_system_data_file_directory");
        }
        let is_kept =
            |path: &str| is_below(path, DATA) || volumes().any(|volume| is_below(path, volume));
        let log = yaml.get("commitlog_directory");
        if log.is_some_and(|log| !log.as_str().is_some_and(is_kept)) {
            return refuse("commitlog_directory");
        }
    }
    Ok(())
}

fn not_supported(message: &str) -> Refusal {
    refused(Reason::NotSupported, message.to_owned())
}

fn invalid(message: String) -> Refusal {
    refused(Reason::InvalidConfig, message)
}
