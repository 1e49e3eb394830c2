//! Names and paths that a pod has once: those of the operator are taken, and the user's differ from each other.
//! Kubernetes takes the StatefulSet of a wrong pod, and refuses each of its pods later.

use std::collections::BTreeSet;

use casskop_common::{
    api::{CassandraClusterSpec, StorageConfig},
    conditions::Reason,
    names,
};
use k8s_openapi::api::core::v1::{Container, EnvVar};

use crate::{
    desired::refused,
    pod_config::{
        BOOTSTRAP_CONTAINER, COPY_CONTAINER, PASSWORD_VOLUME, SCRIPT_CONTAINERS,
        certificates::Place,
        logins::{SUPERUSER, SUPERUSER_VOLUME},
    },
    refusal::Refusal,
};

/// Volumes of the operator in every pod, and their paths in its Cassandra container.
const VOLUMES: [(&str, &str); 3] = [
    ("bootstrap", "/etc/cassandra"),
    (names::DATA_VOLUME, "/var/lib/cassandra"),
    ("rack", "/casskop"),
];
/// The volume of the user's scripts.
const SCRIPTS: (&str, &str) = ("scripts", "/configmap");
/// The volume of a transport with a password.
const PASSWORD: (&str, &str) = (PASSWORD_VOLUME, "/casskop-jolokia");
/// Empty volumes of the operator: a user's volume at the path takes their place.
const REPLACEABLE: [(&str, &str); 2] = [("log", "/var/log/cassandra"), ("tmp", "/tmp")];

/// The names and paths of the operator in the pods of a cluster.
pub(crate) struct Taken {
    /// Containers and init containers.
    pub(crate) containers: Vec<&'static str>,
    /// Volumes and paths, which nothing can replace.
    pub(crate) volumes: Vec<(&'static str, &'static str)>,
    /// Volumes and paths of empty volumes.
    pub(crate) replaceable: [(&'static str, &'static str); 2],
}

impl Taken {
    /// Those of the pods of this spec.
    pub(crate) fn of(spec: &CassandraClusterSpec) -> Self {
        let transport = spec.transport();
        let certificates = Place::of(transport);
        let internode = spec.internode_tls().map(|_| Place::INTERNODE);
        let client = spec.client_tls().map(|_| Place::CLIENT);
        let places = certificates.into_iter().chain(internode).chain(client);
        let has_scripts = spec.config_map_name.is_some();
        let superuser = spec.authentication.as_ref();
        let volumes = VOLUMES
            .into_iter()
            .chain(has_scripts.then_some(SCRIPTS))
            .chain(transport.has_password().then_some(PASSWORD))
            .chain(places.map(|place| (place.volume, place.secret)))
            .chain(superuser.map(|_| (SUPERUSER_VOLUME, SUPERUSER)));
        let containers = [
            names::CASSANDRA_CONTAINER,
            COPY_CONTAINER,
            BOOTSTRAP_CONTAINER,
        ];
        let scripts = SCRIPT_CONTAINERS.into_iter().filter(|_| has_scripts);
        Self {
            containers: containers.into_iter().chain(scripts).collect(),
            volumes: volumes.collect(),
            replaceable: REPLACEABLE,
        }
    }

    fn list_volumes(&self) -> String {
        let all = self.volumes.iter().chain(&self.replaceable);
        list(all.map(|(name, path)| format!("{name} {path}")))
    }
}

/// Refuses what a pod cannot have beside the operator's parts.
pub(crate) fn check(spec: &CassandraClusterSpec) -> Result<(), Refusal> {
    let taken = Taken::of(spec);
    check_storage(spec, &taken)
        .and_then(|()| check_variables("envVars", &spec.env_vars))
        .and_then(|()| check_sidecars(spec, &taken))
        .map_err(|message| refused(Reason::InvalidConfig, message))
}

fn check_storage(spec: &CassandraClusterSpec, taken: &Taken) -> Result<(), String> {
    for (index, storage) in spec.storage_configs.iter().enumerate() {
        let (name, at) = (storage.name.as_str(), path(&storage.mount_path));
        check_label(&format!("storageConfigs: the volume '{name}'"), name)?;
        let before = &spec.storage_configs[..index];
        let is_same = |other: &StorageConfig| other.name == name || path(&other.mount_path) == at;
        let is_taken = taken
            .volumes
            .iter()
            .any(|(ours, place)| *ours == name || *place == at);
        let is_elsewhere = taken
            .replaceable
            .iter()
            .any(|(ours, place)| *ours == name && *place != at);
        if before.iter().any(is_same) || is_taken || is_elsewhere || at.is_empty() {
            return Err(format!(
                "storageConfigs: {name} at {} has a name or a path that is taken: choose others. Taken are those of the other storageConfigs and {}; a volume at /var/log/cassandra or /tmp takes the place of the operator's",
                storage.mount_path,
                taken.list_volumes()
            ));
        }
    }
    Ok(())
}

fn check_sidecars(spec: &CassandraClusterSpec, taken: &Taken) -> Result<(), String> {
    let sidecars = &spec.sidecar_configs;
    for (index, sidecar) in sidecars.iter().enumerate() {
        let (name, before) = (&sidecar.name, &sidecars[..index]);
        let what = format!("sidecarConfigs: the container '{name}'");
        check_label(&what, name)?;
        if taken.containers.contains(&name.as_str()) || has_name(before, name) {
            return Err(format!(
                "{what} has a name that is taken: choose another one. Taken are those of the other sidecars and {}",
                list(taken.containers.iter().map(ToString::to_string))
            ));
        }
        if sidecar.image.as_ref().is_none_or(String::is_empty) {
            return Err(format!("{what} has no image: write sidecarConfigs[].image"));
        }
        check_variables(&what, sidecar.env.as_deref().unwrap_or_default())?;
        check_mounts(&what, sidecar, spec, taken)?;
        check_ports(&what, sidecar)?;
    }
    Ok(())
}

fn has_name(sidecars: &[Container], name: &str) -> bool {
    sidecars.iter().any(|sidecar| sidecar.name == name)
}

fn check_mounts(
    what: &str,
    sidecar: &Container,
    spec: &CassandraClusterSpec,
    taken: &Taken,
) -> Result<(), String> {
    let theirs = spec.storage_configs.iter();
    let theirs = theirs.map(|storage| storage.name.as_str());
    let own = taken.volumes.iter().chain(&taken.replaceable);
    let volumes: Vec<&str> = own.map(|(name, _)| *name).chain(theirs).collect();
    let mut paths = BTreeSet::new();
    for mount in sidecar.volume_mounts.iter().flatten() {
        let (name, at) = (&mount.name, &mount.mount_path);
        if !volumes.contains(&name.as_str()) {
            return Err(format!(
                "{what} mounts the volume '{name}', which the pod does not have: it has {} (more by storageConfigs)",
                volumes.join(", ")
            ));
        }
        if !paths.insert(path(at)) {
            return Err(format!(
                "{what} has two mounts at {at}: choose another path"
            ));
        }
    }
    Ok(())
}

/// The API server takes a port, and a name of a port, once in a container.
fn check_ports(what: &str, sidecar: &Container) -> Result<(), String> {
    let (mut ports, mut names) = (BTreeSet::new(), BTreeSet::new());
    for port in sidecar.ports.iter().flatten() {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let is_new = ports.insert((port.container_port, protocol));
        if !is_new || !port.name.iter().all(|name| names.insert(name)) {
            return Err(format!(
                "{what} has the port {} with a number or a name that it has already: choose another one",
                port.container_port
            ));
        }
    }
    Ok(())
}

/// The API server takes a variable once.
fn check_variables(what: &str, variables: &[EnvVar]) -> Result<(), String> {
    let mut names = BTreeSet::new();
    let double = variables
        .iter()
        .find(|variable| !names.insert(&variable.name));
    double.map_or(Ok(()), |variable| {
        Err(format!(
            "{what} has the variable {} twice: remove one of them",
            variable.name
        ))
    })
}

/// Checks a name of a container or volume.
fn check_label(what: &str, name: &str) -> Result<(), String> {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let is_label = bytes.len() <= 63
        && bytes.iter().all(|&byte| is_inner(byte) || byte == b'-')
        && [bytes.first(), bytes.last()]
            .into_iter()
            .all(|byte| byte.is_some_and(|&byte| is_inner(byte)));
    if is_label {
        Ok(())
    } else {
        Err(format!(
            "{what} has a name that Kubernetes does not take: write at most 63 lower-case letters, digits and '-', a letter or digit first and last"
        ))
    }
}

/// A path in its shortest form; nothing for the root.
pub(crate) fn path(written: &str) -> String {
    let parts = written.split('/').filter(|part| !part.is_empty());
    parts.fold(String::new(), |path, part| format!("{path}/{part}"))
}

fn list(all: impl Iterator<Item = String>) -> String {
    all.collect::<Vec<_>>().join(", ")
}
