//! The program as the init container of a pod.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

const RACK: &str = r#"{ "clusterName": "demo", "namespace": "ns", "dc": "dc1", "rack": "rack1", "seeds": [], "formed": false,
    "maxHeapBytes": 0, "restore": { "cluster": "old", "uid": "u", "backup": "b1", "nodes": {} }, "config": {} }"#;

/// The first process of a container is not ended by a signal that it does not handle.
#[test]
fn a_pod_that_waits_for_a_backup_ends_by_itself() {
    let folder = std::env::temp_dir().join(format!("casskop-term-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let rack = folder.join("rack.json");
    fs::write(&rack, RACK).unwrap();
    let mut bootstrap = Command::new(env!("CARGO_BIN_EXE_casskop-operator"))
        .arg("bootstrap")
        .arg("--rack")
        .arg(&rack)
        .arg("--data")
        .arg(&folder)
        .args(["--pod-name=demo-dc1-rack1-0", "--pod-ip=127.0.0.1"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    // It stays open: the program writes its last words to it.
    let mut stderr = BufReader::new(bootstrap.stderr.take().unwrap());
    stderr.read_line(&mut said).unwrap();
    assert!(said.contains("waiting for its files"), "{said}");
    let id = bootstrap.id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    let status = bootstrap.wait().unwrap();
    assert_eq!(status.code(), Some(1), "not by the default: {status}");
    fs::remove_dir_all(&folder).unwrap();
}
