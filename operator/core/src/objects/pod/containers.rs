//! Containers of a Cassandra pod.

use casskop_common::{
    api::{CassandraClusterSpec, JmxConfiguration},
    names,
};
use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, ExecAction,
        ObjectFieldSelector, Probe, ResourceFieldSelector, ResourceRequirements, SecurityContext,
        VolumeMount,
    },
    apimachinery::pkg::api::resource::Quantity,
};

use crate::{
    desired::{Desired, DesiredRack, taken},
    objects::pod::{
        CONFIG, LOG, RACK, SCRIPTS, TMP, encryption, logins, metrics, transport::Transport,
    },
    pod_config,
};

const CONFIG_DIRECTORY: &str = "/etc/cassandra";
const SCRIPTS_DIRECTORY: &str = "/configmap";

/// Copies the image's configuration.
const COPY: &str = "cp -r /etc/cassandra/. /bootstrap/";
/// The same where the user ids of the containers are unknown: what the owner may do, the group may do. The owner of the
/// folder itself is root.
const COPY_FOR_THE_GROUP: &str = "cp -r /etc/cassandra/. /bootstrap/; find /bootstrap -mindepth 1 -user \"$(id -u)\" -exec chmod g=u {} +";

/// The init containers, in order.
pub(crate) fn init(desired: &Desired, rack: &DesiredRack) -> Vec<Container> {
    let mounts = vec![mount(CONFIG, "/bootstrap"), mount(TMP, "/tmp")];
    let copy = match desired.spec.platform_assigns_ids {
        Some(true) => COPY_FOR_THE_GROUP,
        _ => COPY,
    };
    let copy = shell(desired, rack, pod_config::COPY_CONTAINER, copy, mounts);
    let mut containers = vec![copy, overlay(desired, rack)];
    if desired.spec.config_map_name.is_some() {
        let [before, after] = pod_config::SCRIPT_CONTAINERS;
        containers.extend([
            user_script(desired, rack, before, "pre_run.sh"),
            user_script(desired, rack, after, "post_run.sh"),
        ]);
    }
    containers
}

/// Runs a script of the user on the finished configuration, if there is one. As in the Go CassKop, `/etc/cassandra` is the
/// configuration that Cassandra starts with, the first line of the script selects its interpreter, bash runs a script
/// without one, and a script that fails stops the pod.
fn user_script(desired: &Desired, rack: &DesiredRack, name: &str, file: &str) -> Container {
    let mounts = vec![
        mount(CONFIG, CONFIG_DIRECTORY),
        mount(TMP, "/tmp"),
        mount(SCRIPTS, SCRIPTS_DIRECTORY),
    ];
    shell(desired, rack, name, &run_script(file), mounts)
}

fn run_script(file: &str) -> String {
    let script = format!("{SCRIPTS_DIRECTORY}/{file}");
    format!(
        "[ -f {script} ] || exit 0; shell=$(command -v bash || echo /bin/sh); \
         \"$shell\" -c {script} || {{ code=$?; \
         echo \"{file} in the ConfigMap of configMapName ended with exit code $code: correct the script\" >&2; \
         exit $code; }}"
    )
}

/// The containers. Sidecars come first, as in the Go CassKop.
pub(crate) fn main(desired: &Desired, rack: &DesiredRack) -> Vec<Container> {
    let mut containers = desired.spec.sidecar_configs.clone();
    containers.push(cassandra(desired, rack));
    containers
}

/// An init container that needs the tools of the Cassandra image.
fn shell(
    desired: &Desired,
    rack: &DesiredRack,
    name: &str,
    script: &str,
    mounts: Vec<VolumeMount>,
) -> Container {
    Container {
        name: name.into(),
        image: Some(desired.image.clone()),
        image_pull_policy: Some(pull_policy(&desired.spec)),
        command: Some(["/bin/sh", "-ec", script].map(str::to_owned).to_vec()),
        // The status reports the termination message.
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        env: Some(pod_environment()),
        resources: Some(small(rack)),
        security_context: Some(restricted(true)),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// Writes the configuration over that of the image; refer to `casskop-operator bootstrap`.
fn overlay(desired: &Desired, rack: &DesiredRack) -> Container {
    let transport = Transport::of(desired);
    let mut mounts = vec![mount(CONFIG, CONFIG_DIRECTORY), mount(RACK, "/casskop")];
    mounts.extend(transport.bootstrap_mounts());
    mounts.extend(encryption::mounts(desired));
    mounts.push(mount(names::DATA_VOLUME, "/var/lib/cassandra"));
    Container {
        name: pod_config::BOOTSTRAP_CONTAINER.into(),
        image: Some(desired.bootstrap_image.clone()),
        image_pull_policy: Some("IfNotPresent".into()),
        args: Some(
            transport
                .bootstrap_arguments()
                .into_iter()
                .chain(encryption::arguments(desired))
                .chain(logins::arguments(desired))
                .chain(metrics::arguments(desired))
                .collect(),
        ),
        // The status reports the termination message.
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        env: Some(
            pod_environment()
                .into_iter()
                .chain([memory_limit()])
                .collect(),
        ),
        resources: Some(small(rack)),
        security_context: Some(restricted(true)),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn cassandra(desired: &Desired, rack: &DesiredRack) -> Container {
    let spec = &desired.spec;
    let transport = Transport::of(desired);
    let command: &[&str] = match (spec.debug, spec.platform_assigns_ids) {
        (Some(true), _) => &["tail", "-f", "/dev/null"],
        _ if transport.starts_by_entry_point() => &[],
        // A user id without an entry in /etc/passwd is of the group root, for which Cassandra does not start without
        // `-R`. The option has no other effect.
        (_, Some(true)) => &["cassandra", "-f", "-R"],
        _ => &["cassandra", "-f"],
    };
    let mut mounts = vec![
        mount(CONFIG, CONFIG_DIRECTORY),
        mount(names::DATA_VOLUME, "/var/lib/cassandra"),
        mount(LOG, "/var/log/cassandra"),
        mount(TMP, "/tmp"),
    ];
    mounts.extend(transport.mounts());
    mounts.extend(encryption::mounts(desired));
    mounts.extend(logins::mounts(desired));
    // A volume of the user takes the place of an empty one, as in the Go CassKop.
    let is_taken = |path: &str| {
        let mut theirs = spec.storage_configs.iter();
        theirs.any(|storage| taken::path(&storage.mount_path) == path)
    };
    mounts.retain(|ours| !is_taken(&ours.mount_path));
    mounts.extend(
        spec.storage_configs
            .iter()
            .map(|storage| mount(&storage.name, &storage.mount_path)),
    );
    Container {
        name: names::CASSANDRA_CONTAINER.into(),
        image: Some(desired.image.clone()),
        image_pull_policy: Some(pull_policy(spec)),
        command: (!command.is_empty())
            .then(|| command.iter().map(|&word| word.to_owned()).collect()),
        env: Some(environment(spec, transport)),
        ports: Some(ports(transport, desired)),
        lifecycle: transport.lifecycle().filter(|_| spec.debug != Some(true)),
        resources: rack.resources.clone(),
        security_context: Some(restricted(spec.read_only_root_filesystem.unwrap_or(true))),
        readiness_probe: (spec.debug != Some(true)).then(|| readiness(spec)),
        liveness_probe: (spec.debug != Some(true)).then(|| liveness(spec)),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn pull_policy(spec: &CassandraClusterSpec) -> String {
    spec.image_pull_policy
        .clone()
        .filter(|policy| !policy.is_empty())
        .unwrap_or_else(|| "IfNotPresent".into())
}

/// Names and numbers of the ports of Cassandra itself.
const CASSANDRA_PORTS: [(&str, u16); 4] = [
    ("intra-node", 7000),
    ("intra-node-tls", 7001),
    ("jmx-port", 7199),
    ("cql", names::CQL_PORT),
];

fn ports(transport: Transport, desired: &Desired) -> Vec<ContainerPort> {
    let all = CASSANDRA_PORTS
        .into_iter()
        .chain([transport.port()])
        .chain(metrics::port(desired));
    all.map(|(name, port)| ContainerPort {
        name: Some(name.into()),
        container_port: i32::from(port),
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    })
    .collect()
}

/// The operator's variables and those of the user; on equal names, the user's variable takes precedence.
fn environment(spec: &CassandraClusterSpec, transport: Transport) -> Vec<EnvVar> {
    let mut variables = pod_environment();
    variables.push(variable("CASSANDRA_LOG_DIR", "/var/log/cassandra"));
    variables.extend(transport.environment());
    if let Some(options) = spec.jmx_configuration.as_ref().and_then(jmx_options) {
        variables.push(variable("JVM_OPTS", &options));
    }
    variables.retain(|ours| spec.env_vars.iter().all(|theirs| theirs.name != ours.name));
    variables.extend(spec.env_vars.iter().cloned());
    variables
}

fn pod_environment() -> Vec<EnvVar> {
    [("POD_NAME", "metadata.name"), ("POD_IP", "status.podIP")]
        .map(|(name, path)| EnvVar {
            name: name.into(),
            value_from: Some(EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    // The API server would add the version, and the object would always differ from the live one.
                    api_version: Some("v1".into()),
                    field_path: path.into(),
                }),
                ..EnvVarSource::default()
            }),
            ..EnvVar::default()
        })
        .to_vec()
}

/// The memory limit of the Cassandra container in bytes, the default of a `LimitRange` included. For a container without a
/// limit, Kubernetes gives the allocatable memory of the node.
fn memory_limit() -> EnvVar {
    EnvVar {
        name: "MEMORY_LIMIT".into(),
        value_from: Some(EnvVarSource {
            resource_field_ref: Some(ResourceFieldSelector {
                container_name: Some(names::CASSANDRA_CONTAINER.into()),
                resource: "limits.memory".into(),
                divisor: Some(Quantity("1".into())),
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

fn jmx_options(jmx: &JmxConfiguration) -> Option<String> {
    let property = |name: &str, value: Option<String>| {
        value.map(|value| format!("-Dcom.sun.management.jmxremote{name}={value}"))
    };
    let options: Vec<String> = [
        property("", jmx.jmx_remote_enable.map(|on| on.to_string())),
        property(".port", jmx.jmx_remote_port.map(|port| port.to_string())),
        property(
            ".rmi.port",
            jmx.jmx_remote_rmi_port.map(|port| port.to_string()),
        ),
        property(".ssl", jmx.jmx_remote_ssl.map(|on| on.to_string())),
        property(
            ".authenticate",
            jmx.jmx_remote_authenticate.map(|on| on.to_string()),
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!options.is_empty()).then(|| options.join(" "))
}

/// The probe polls a starting node for up to 2 s less than its timeout (8 s by default), so that the pod is Ready as
/// soon as the node is.
fn readiness(spec: &CassandraClusterSpec) -> Probe {
    let timeout = spec.readiness_health_check_timeout.unwrap_or(10);
    Probe {
        exec: Some(probe(&[
            "ready",
            "--wait",
            &(timeout - 2).max(0).to_string(),
        ])),
        initial_delay_seconds: Some(spec.readiness_initial_delay_seconds.unwrap_or(1)),
        timeout_seconds: Some(timeout),
        period_seconds: Some(spec.readiness_health_check_period.unwrap_or(10)),
        failure_threshold: spec.readiness_failure_threshold,
        success_threshold: spec.readiness_success_threshold,
        ..Probe::default()
    }
}

fn liveness(spec: &CassandraClusterSpec) -> Probe {
    Probe {
        exec: Some(probe(&["alive"])),
        initial_delay_seconds: Some(spec.liveness_initial_delay_seconds.unwrap_or(120)),
        timeout_seconds: Some(spec.liveness_health_check_timeout.unwrap_or(20)),
        period_seconds: Some(spec.liveness_health_check_period.unwrap_or(10)),
        failure_threshold: spec.liveness_failure_threshold,
        success_threshold: spec.liveness_success_threshold,
        ..Probe::default()
    }
}

fn probe(words: &[&str]) -> ExecAction {
    let words = words.iter().map(|&word| word.to_owned());
    ExecAction {
        command: Some(
            [binary(), "probe".into()]
                .into_iter()
                .chain(words)
                .collect(),
        ),
    }
}

/// The operator's binary in the Cassandra container.
pub(super) fn binary() -> String {
    format!("{CONFIG_DIRECTORY}/{}", pod_config::PROBE)
}

pub(in crate::objects) fn restricted(read_only: bool) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(read_only),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".into()]),
            ..Capabilities::default()
        }),
        ..SecurityContext::default()
    }
}

/// Init containers need few resources; larger requests would prevent pods from being scheduled on a busy Kubernetes
/// node. The limits are those of Cassandra, which runs after them: a quota on limits refuses a pod of which one
/// container has none, and counts the largest of an init container and the sum of the others.
fn small(rack: &DesiredRack) -> ResourceRequirements {
    let few = [("cpu", "10m"), ("memory", "32Mi")]
        .map(|(name, size)| (name.to_owned(), Quantity(size.into())));
    ResourceRequirements {
        limits: rack
            .resources
            .as_ref()
            .and_then(|resources| resources.limits.clone()),
        requests: Some(few.into()),
        ..ResourceRequirements::default()
    }
}

pub(super) fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: Some(value.into()),
        ..EnvVar::default()
    }
}

pub(super) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        ..VolumeMount::default()
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the test runs the script of the init container"
)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, process::Command};

    use super::*;

    #[test]
    fn a_script_runs_by_its_first_line_or_bash_and_its_exit_code_ends_the_pod() {
        let folder = std::env::temp_dir().join(format!("casskop-scripts-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let command = run_script("pre_run.sh").replace(SCRIPTS_DIRECTORY, folder.to_str().unwrap());
        let run = || {
            Command::new("/bin/sh")
                .args(["-ec", &command])
                .output()
                .unwrap()
        };
        assert_eq!(run().status.code(), Some(0), "there is no script");
        for (script, code, said) in [
            ("[[ a == a ]] && echo bash", 0, "bash"),
            ("false\necho next", 0, "next"),
            ("#!/bin/sh -e\nfalse\necho next", 1, ""),
            ("exit 3", 3, ""),
        ] {
            let file = folder.join("pre_run.sh");
            fs::write(&file, script).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o555)).unwrap();
            let output = run();
            assert_eq!(output.status.code(), Some(code), "{script}");
            let stdout = String::from_utf8(output.stdout).unwrap();
            assert_eq!(stdout.trim(), said, "{script}");
            let stderr = String::from_utf8(output.stderr).unwrap();
            let reported = stderr.contains(&format!("exit code {code}: correct the script"));
            assert_eq!(reported, code != 0, "{stderr}");
            fs::remove_file(&file).unwrap();
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
