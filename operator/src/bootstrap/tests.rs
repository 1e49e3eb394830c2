//! While a change of `nodeApi.kind` rolls, a pod may be created anew from the template of one kind, when the configuration of
//! its rack is already, or still, that of the other one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use casskop_common::api::{ClientMode, InternodeMode, LoginStep, NodeTransport};
use casskop_core::pod_config::{RackConfig, restore::RestoreConfig};
use serde_json::{Value, json};

use super::{Args, Error, access, main};
use crate::node_api::management_api::node::{Authority, RING};

/// The folders of a pod.
struct Pod(PathBuf);

impl Pod {
    /// A pod whose rack has this configuration, with the configuration that the image brings along.
    fn new(name: &str, rack: &str) -> Self {
        let place = std::env::temp_dir().join(format!("casskop-{name}-{}", std::process::id()));
        for folder in ["etc", "password", "certificates", "data"] {
            fs::create_dir_all(place.join(folder)).unwrap();
        }
        let authority = Authority::new();
        let (certificate, key) = authority.issue(RING);
        for (file, text) in [
            ("rack.json", rack),
            ("agent.jar", "jar"),
            ("etc/cassandra.yaml", "cluster_name: Test Cluster\n"),
            ("etc/jvm-server.options", "-ea\n"),
            ("password/username", "op"),
            ("password/password", "p"),
            ("certificates/ca.crt", &authority.pem),
            ("certificates/tls.crt", &certificate),
            ("certificates/tls.key", &key),
        ] {
            fs::write(place.join(file), text).unwrap();
        }
        Self(place)
    }

    /// Prepares the pod, as the template of a kind asks for it.
    fn prepare(&self, template: NodeTransport) {
        main(&self.args(template, 0)).unwrap();
    }

    fn encryption(
        &self,
        internode_tls: InternodeMode,
        client_tls: ClientMode,
    ) -> super::encryption::Args {
        super::encryption::Args {
            internode_tls,
            internode_secret: self.0.join("certificates"),
            client_tls,
            client_secret: self.0.join("certificates"),
            require_client_auth: false,
        }
    }

    fn prepare_with(
        &self,
        template: NodeTransport,
        encryption: super::encryption::Args,
    ) -> Result<(), Error> {
        main(&Args {
            encryption,
            ..self.args(template, 0)
        })
    }

    /// The arguments, with the memory limit of Cassandra's container in bytes.
    fn args(&self, template: NodeTransport, memory_limit: i64) -> Args {
        let place = &self.0;
        let certificates = |of: NodeTransport| (template == of).then(|| place.join("certificates"));
        Args {
            directory: place.join("etc"),
            rack: place.join("rack.json"),
            nodes: place.join("nodes.json"),
            management_api: certificates(NodeTransport::ManagementApi),
            jolokia_tls: certificates(NodeTransport::JolokiaTls),
            encryption: self.encryption(InternodeMode::Disabled, ClientMode::Disabled),
            logins: LoginStep::Disabled,
            metrics: super::metrics::Args {
                metrics: false,
                tables: Vec::new(),
                metrics_agent: place.join("agent.jar"),
            },
            jolokia: place.join("password"),
            agent: place.join("agent.jar"),
            data: place.join("data"),
            report: place.join("report"),
            pod_name: "demo-dc1-rack1-0".into(),
            pod_ip: "127.0.0.1".into(),
            memory_limit,
        }
    }

    /// The report for the operator.
    fn report(&self) -> Option<String> {
        fs::read_to_string(self.0.join("report")).ok()
    }

    /// The transport of the probes, and those that Cassandra is started with.
    fn starts(&self) -> (NodeTransport, [bool; 2]) {
        let etc = self.0.join("etc");
        let options = fs::read_to_string(etc.join("jvm-server.options")).unwrap();
        let has = |option: &str| options.contains(option);
        let agents = [
            has("-javaagent:/etc/cassandra/jolokia-agent.jar"),
            has("-Dcollector-config-path="),
        ];
        (access(Path::new(&etc)).unwrap().transport(), agents)
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn rack() -> RackConfig {
    RackConfig {
        cluster_name: "demo".into(),
        namespace: "ns".into(),
        seeds: vec!["127.0.0.1".into()],
        formed: true,
        ..RackConfig::default()
    }
}

/// The operator may know a request only, or a limit that is not the one of the container; Kubernetes tells the real one.
#[test]
fn the_heap_follows_the_memory_that_the_container_really_has() {
    const MIB: i64 = 1024 * 1024;
    let users = json!({ "jvm-options": { "max_heap_size": "300M", "initial_heap_size": "300M" } });
    for (name, config, memory, heap) in [
        // The default of a LimitRange.
        ("range", json!({}), 512, ["-Xms32M", "-Xmx128M"]),
        // Without a limit: the memory of the machine.
        ("machine", json!({}), 64 * 1024, ["-Xms512M", "-Xmx2048M"]),
        // An earlier version of the operator wrote no variable.
        ("unknown", json!({}), 0, ["-Xms512M", "-Xmx2048M"]),
        ("users", users, 512, ["-Xms300M", "-Xmx300M"]),
    ] {
        let rack = RackConfig {
            max_heap_bytes: 2048 * MIB,
            config,
            ..rack()
        };
        let pod = Pod::new(&format!("heap-{name}"), &json!(rack).to_string());
        main(&pod.args(NodeTransport::Jolokia, memory * MIB)).unwrap();
        let options = fs::read_to_string(pod.0.join("etc/jvm-server.options")).unwrap();
        let told: Vec<&str> = options
            .lines()
            .filter(|line| line.starts_with("-Xm"))
            .collect();
        assert_eq!(told, heap, "{name}");
    }
}

fn restoring(released: bool) -> String {
    let restore = RestoreConfig {
        cluster: "old".into(),
        uid: "u-0".into(),
        backup: "b1".into(),
        nodes: [("demo-dc1-rack1".to_owned(), 1)].into(),
        released,
    };
    let rack = RackConfig {
        formed: false,
        seeds: vec!["demo-dc1-rack1-0.demo.ns".into()],
        restore: Some(restore),
        config: json!({ "cassandra-yaml": { "num_tokens": 2 } }),
        ..rack()
    };
    json!(rack).to_string()
}

/// The marker that the Job of a pod leaves.
fn marker(backup: &str) -> String {
    json!({ "cluster": { "name": "old", "uid": "u-0" }, "backup": backup, "hostId": "h", "tokens": ["-7", "7"],
        "numTokens": 2, "cassandraVersion": "5.0.9" })
    .to_string()
}

#[test]
fn a_restored_node_waits_for_all_files_and_starts_with_its_tokens() {
    let pod = Pod::new("restore", &restoring(false));
    let args = pod.args(NodeTransport::Jolokia, 0);
    let yaml = pod.0.join("etc/cassandra.yaml");
    let before = fs::read_to_string(&yaml).unwrap();
    std::thread::scope(|scope| {
        let prepared = scope.spawn(|| main(&args));
        let pause = || std::thread::sleep(std::time::Duration::from_millis(1500));
        pause();
        fs::write(pod.0.join("data/casskop-restore.json"), marker("b1")).unwrap();
        pause();
        assert!(!prepared.is_finished());
        assert_eq!(fs::read_to_string(&yaml).unwrap(), before);
        fs::write(pod.0.join("rack.json"), restoring(true)).unwrap();
        prepared.join().unwrap().unwrap();
    });
    let yaml: Value = serde_saphyr::from_str(&fs::read_to_string(&yaml).unwrap()).unwrap();
    assert_eq!(yaml["initial_token"], "-7,7");
    assert_eq!(yaml["num_tokens"], 2);
    assert_eq!(yaml["auto_bootstrap"], false);
    // Clients wait for all nodes, and then no longer, whenever the container starts again.
    let etc = pod.0.join("etc");
    let starts_open = || {
        let yaml = fs::read_to_string(etc.join("cassandra.yaml")).unwrap();
        let yaml: Value = serde_saphyr::from_str(&yaml).unwrap();
        yaml["start_native_transport"].clone()
    };
    assert_eq!(starts_open(), false);
    assert_eq!(super::awaited_nodes(&etc).unwrap(), Some(1));
    super::let_clients_in(&etc).unwrap();
    assert_eq!(starts_open(), true);
    assert_eq!(super::awaited_nodes(&etc).unwrap(), None);
    let mut other: Value = serde_json::from_str(&restoring(true)).unwrap();
    other["config"]["cassandra-yaml"]["num_tokens"] = json!(16);
    fs::write(pod.0.join("rack.json"), other.to_string()).unwrap();
    let error = main(&args).unwrap_err();
    assert!(matches!(error, Error::WrongTokens(_)), "{error}");
}

/// The pod is a seed, and no other node is there to join.
#[test]
fn a_restored_node_is_as_closed_as_the_ring_of_its_files() {
    for (has_logins, opens, starts) in [
        (true, LoginStep::Disabled, LoginStep::Required),
        (false, LoginStep::Required, LoginStep::Disabled),
    ] {
        let mut rack: RackConfig = serde_json::from_str(&restoring(true)).unwrap();
        let pod = with_volume(&format!("restore-logins-{has_logins}"), &mut rack);
        rack.config["cassandra-yaml"]["num_tokens"] = json!(2);
        configure(&pod, &rack);
        let data = pod.0.join("data");
        let mut marker: Value = serde_json::from_str(&marker("b1")).unwrap();
        marker["place"] =
            json!({ "dc": "dc1", "rack": "rack1", "ordinal": 0, "ring": [], "logins": has_logins });
        fs::write(data.join("casskop-restore.json"), marker.to_string()).unwrap();
        fs::create_dir_all(data.join("data/ks/t-1")).unwrap();
        fs::write(data.join("data/ks/t-1/nb-1-big-Data.db"), "").unwrap();
        prepare(&pod, opens).unwrap_err();
        assert!(!data.join(".casskop-logins").exists());
        prepare(&pod, starts).unwrap();
        assert_eq!(data.join(".casskop-logins").exists(), has_logins);
        // The container starts again, before and after Cassandra has made its tables.
        prepare(&pod, starts).unwrap();
        fs::create_dir_all(data.join("data/system")).unwrap();
        fs::write(data.join("data/system/local"), "").unwrap();
        fs::write(data.join(".casskop-joined"), "").unwrap();
        prepare(&pod, starts).unwrap();
        prepare(&pod, opens).unwrap_err();
    }
}

/// As an operator does that does not know the field.
#[test]
fn a_pod_that_waits_for_a_backup_does_not_start_empty() {
    let pod = Pod::new("restore-rollback", &restoring(false));
    let args = pod.args(NodeTransport::Jolokia, 0);
    let mut without: Value = serde_json::from_str(&restoring(false)).unwrap();
    without["restore"] = Value::Null;
    std::thread::scope(|scope| {
        let prepared = scope.spawn(|| main(&args));
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(!prepared.is_finished());
        fs::write(pod.0.join("rack.json"), without.to_string()).unwrap();
        prepared.join().unwrap().unwrap_err();
    });
    // The kubelet starts the container again.
    let error = main(&args).unwrap_err();
    assert!(matches!(error, Error::WrongFiles(_)), "{error}");
}

#[test]
fn a_node_does_not_start_with_the_files_of_another_backup() {
    let pod = Pod::new("restore-other", &restoring(true));
    let file = pod.0.join("data/casskop-restore.json");
    fs::write(&file, marker("b2")).unwrap();
    let error = main(&pod.args(NodeTransport::Jolokia, 0)).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("b1") && error.contains("b2"), "{error}");
    fs::write(&file, "{").unwrap();
    let error = main(&pod.args(NodeTransport::Jolokia, 0)).unwrap_err();
    assert!(
        error.to_string().contains("casskop-restore.json"),
        "{error}"
    );
}

/// The operator judges the Secret by the same rules.
#[test]
fn a_user_that_http_cannot_express_starts_no_pod() {
    let pod = Pod::new("colon", &json!(rack()).to_string());
    fs::write(pod.0.join("password/username"), "a:b").unwrap();
    let error = main(&pod.args(NodeTransport::Jolokia, 0))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the Jolokia Secret has a username with ':'"),
        "{error}"
    );
    assert!(!pod.0.join("etc/jolokia.properties").exists());
}

#[test]
fn a_pod_is_prepared_for_the_kind_of_its_own_template() {
    let rack = rack();
    let mut of_other_version = serde_json::to_value(&rack).unwrap();
    of_other_version["nodeApi"] = json!("ManagementApi");
    for (name, rack) in [("own", json!(rack)), ("other", of_other_version)] {
        let pod = Pod::new(&format!("{name}-jolokia"), &rack.to_string());
        // An init container may run again.
        for _ in 0..2 {
            pod.prepare(NodeTransport::Jolokia);
            assert_eq!(pod.starts(), (NodeTransport::Jolokia, [true, false]));
        }
        let pod = Pod::new(&format!("{name}-jolokia-tls"), &rack.to_string());
        for _ in 0..2 {
            pod.prepare(NodeTransport::JolokiaTls);
            assert_eq!(pod.starts(), (NodeTransport::JolokiaTls, [true, false]));
        }
        assert_eq!(pod.report().as_deref(), Some(r#"{"keyAlgorithm":"EC"}"#));
        let pod = Pod::new(&format!("{name}-management"), &rack.to_string());
        for _ in 0..2 {
            pod.prepare(NodeTransport::ManagementApi);
            assert_eq!(pod.starts(), (NodeTransport::ManagementApi, [false, true]));
        }
        assert_eq!(pod.report(), None);
    }
}

#[test]
fn cassandra_encrypts_as_the_template_of_the_pod_says() {
    let rack = RackConfig {
        cluster_name: "demo".into(),
        namespace: "ns".into(),
        seeds: vec!["127.0.0.1".into()],
        formed: true,
        ..RackConfig::default()
    };
    let pod = Pod::new("encryption", &json!(rack).to_string());
    let etc = pod.0.join("etc");
    let image =
        "cluster_name: Test Cluster\nserver_encryption_options: { keystore_password: cassandra }\n";
    let sections = |internode, client| {
        fs::write(etc.join("cassandra.yaml"), image).unwrap();
        let encryption = pod.encryption(internode, client);
        pod.prepare_with(NodeTransport::Jolokia, encryption)
            .unwrap();
        let yaml = fs::read_to_string(etc.join("cassandra.yaml")).unwrap();
        let yaml: Value = serde_saphyr::from_str(&yaml).unwrap();
        ["server_encryption_options", "client_encryption_options"].map(|key| yaml[key].clone())
    };
    let [server, client] = sections(InternodeMode::Disabled, ClientMode::Disabled);
    assert_eq!(server, json!({ "keystore_password": "cassandra" }));
    assert_eq!(client, Value::Null);
    assert!(!etc.join("internode-tls").exists() && !etc.join("client-tls").exists());
    let [server, client] = sections(InternodeMode::Preferred, ClientMode::Optional);
    assert_eq!(server["internode_encryption"], "all");
    assert_eq!(server["optional"], true);
    assert_eq!(server["keystore_password"], Value::Null);
    assert_eq!(client["optional"], true);
    for (section, folder) in [(server, "internode-tls"), (client, "client-tls")] {
        for (key, file) in [("keystore", "keystore.pem"), ("truststore", "ca.crt")] {
            let path = format!("/etc/cassandra/{folder}/{file}");
            assert_eq!(section[key], path);
        }
        let keystore = fs::read_to_string(etc.join(folder).join("keystore.pem")).unwrap();
        let key = keystore.find("-----BEGIN PRIVATE KEY-----");
        let certificate = keystore.find("-----BEGIN CERTIFICATE-----");
        assert!(key.is_some() && key < certificate);
        assert!(etc.join(folder).join("ca.crt").exists());
    }
    // A node of another authority would be alone.
    let other = Authority::new();
    fs::write(pod.0.join("certificates/ca.crt"), &other.pem).unwrap();
    let encryption = pod.encryption(InternodeMode::Required, ClientMode::Disabled);
    let refused = pod.prepare_with(NodeTransport::Jolokia, encryption);
    let refused = refused.expect_err("it proves nothing").to_string();
    assert!(
        refused.contains("not issued by an authority in ca.crt"),
        "{refused}"
    );
}

/// A pod whose volume is in the folder of the test, with this configuration.
fn with_volume(name: &str, config: &mut RackConfig) -> Pod {
    let pod = Pod::new(name, "");
    // The data folder of a rack is absolute.
    config.config =
        json!({ "cassandra-yaml": { "data_file_directories": [pod.0.join("data/data")] } });
    fs::create_dir_all(pod.0.join("data")).unwrap();
    configure(&pod, config);
    pod
}

fn configure(pod: &Pod, config: &RackConfig) {
    let rack = serde_json::to_string(config).unwrap();
    fs::write(pod.0.join("rack.json"), rack).unwrap();
}

fn prepare(pod: &Pod, logins: LoginStep) -> Result<(), String> {
    let prepared = main(&Args {
        logins,
        ..pod.args(NodeTransport::Jolokia, 0)
    });
    prepared.map_err(|error| error.to_string())
}

#[test]
fn data_says_whether_its_ring_requires_logins() {
    let mut config = rack();
    config.seeds = vec!["demo-dc1-rack1-0.demo.ns".into()];
    let pod = with_volume("logins", &mut config);
    let data = pod.0.join("data");
    fs::create_dir_all(data.join("data/system")).unwrap();
    fs::write(data.join("data/system/local"), "").unwrap();
    fs::write(data.join(".casskop-joined"), "").unwrap();
    let told = prepare(&pod, LoginStep::Required).unwrap_err();
    assert!(
        told.contains("no mark of a ring that requires logins"),
        "{told}"
    );
    assert!(!data.join(".casskop-logins").exists());
    prepare(&pod, LoginStep::Disabled).unwrap();
    super::mark_logins(&data).unwrap();
    prepare(&pod, LoginStep::Required).unwrap();
    let told = prepare(&pod, LoginStep::Disabled).unwrap_err();
    assert!(told.contains("set spec.authentication again"), "{told}");
}

#[test]
fn a_new_volume_gets_the_mark_of_logins_if_its_node_joins_a_ring() {
    let mut config = rack();
    config.seeds = vec!["demo-dc1-rack1-0.demo.ns".into()];
    config.formed = false;
    let pod = with_volume("joins-logins", &mut config);
    let mark = pod.0.join("data/.casskop-logins");
    let told = prepare(&pod, LoginStep::Required).unwrap_err();
    assert!(told.contains("would form a new ring"), "{told}");
    assert!(!mark.exists());
    config.formed = true;
    config.seeds = vec!["127.0.0.1".into()];
    configure(&pod, &config);
    prepare(&pod, LoginStep::Required).unwrap();
    assert!(mark.exists());
}
