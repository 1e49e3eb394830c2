//! The traces of backups of a ring on its nodes, in Kubernetes, in the status and in a store, which `casskop-backup` reads.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};

use crate::{
    Cluster, Kubectl,
    command::{self, Output, inside, setting},
    fresh_id, kubectl,
    s3::KEYS,
    site::HOME,
    wait::until,
};

/// The selector of the Jobs of backups of a cluster, and of their pods.
pub fn jobs_of(cluster: &Cluster) -> String {
    format!("db.orange.com/backup-of={}", cluster.name)
}

/// The pods with their restarts, and the generations of the StatefulSets.
pub fn as_started(demo: &Cluster) -> (Vec<Value>, Vec<Value>) {
    let of_pod = |pod: Value| {
        let statuses = pod["status"]["containerStatuses"].as_array();
        let restarts: Vec<&Value> = statuses
            .into_iter()
            .flatten()
            .map(|status| &status["restartCount"])
            .collect();
        json!([pod["metadata"]["name"], pod["metadata"]["uid"], restarts])
    };
    let of_set = |set: Value| {
        let metadata = &set["metadata"];
        json!([metadata["name"], metadata["uid"], metadata["generation"]])
    };
    let sets = demo
        .kubectl
        .list("statefulsets", &format!("cassandracluster={}", demo.name));
    let pods: Vec<Value> = demo.pods().into_iter().map(of_pod).collect();
    let sets: Vec<Value> = sets.into_iter().map(of_set).collect();
    assert!(!pods.is_empty() && !sets.is_empty(), "{pods:?} {sets:?}");
    (pods, sets)
}

/// Waits until no Job and no pod of a backup is left. The garbage collector takes its time.
pub fn no_job_is_left(demo: &Cluster) {
    until("the Jobs of backups to be gone", || {
        let left = demo.kubectl.list("jobs,pods", &jobs_of(demo));
        match kubectl::names(&left).as_slice() {
            [] => Ok(()),
            names => Err(names.join(", ")),
        }
    });
}

/// Waits until no node has a snapshot of a backup.
pub fn no_snapshot_is_left(demo: &Cluster) {
    let find = "ls -d /var/lib/cassandra/data/*/*/snapshots/casskop-backup-* 2>/dev/null || true";
    for pod in demo.pod_names() {
        until(
            &format!("the snapshots of backups on {pod} to be gone"),
            || {
                let words = ["exec", &pod, "-c", "cassandra", "--", "sh", "-c", find];
                let left = demo.kubectl.ok(&words);
                if left.trim().is_empty() {
                    Ok(())
                } else {
                    Err(left)
                }
            },
        );
    }
}

/// Runs `casskop-backup` on this machine, for the backups of a cluster in a store as a description of a job has it.
pub fn try_stored(cluster: &Cluster, store: &Value, words: &[&str]) -> Output {
    let description = json!({
        "cluster": { "name": cluster.name, "uid": uid(cluster) }, "store": store,
    });
    let mut command = inside(&setting("CASSKOP_BACKUP"));
    command
        .args(words)
        .envs(KEYS)
        .env("CASSKOP_BACKUP_JOB", description.to_string());
    command::run(command, "")
}

/// The summary of the same, which is successful.
pub fn stored(cluster: &Cluster, store: &Value, words: &[&str]) -> Value {
    kubectl::json(&try_stored(cluster, store, words).ok())
}

/// The UID of a cluster, which is a folder of the store.
pub(crate) fn uid(cluster: &Cluster) -> String {
    let uid = cluster.get()["metadata"]["uid"].take();
    uid.as_str().expect("it has a UID").to_owned()
}

/// The backup in the status.
pub fn in_status(demo: &Cluster, id: &str) -> Value {
    demo.shows(&format!("backup {id}"), |cluster| {
        let backups = cluster["status"]["backups"].as_array()?;
        backups.iter().find(|backup| backup["id"] == id).cloned()
    })
}

/// The store has the whole backup: it is in the list, and each of its objects has the content that its name says.
pub fn is_whole(demo: &Cluster, store: &Value, id: &str) -> Value {
    let list = stored(demo, store, &["list"]);
    let backups = list["backups"].as_array().expect("backups").iter();
    let listed: Vec<&Value> = backups.filter(|backup| backup["backup"] == id).collect();
    assert_eq!(listed.len(), 1, "{list:#}");
    let verified = stored(demo, store, &["verify", id, "--deep"]);
    assert_eq!(verified["outcome"], "done", "{verified:#}");
    assert!(verified["problems"].is_null(), "{verified:#}");
    listed[0].clone()
}

/// The store does not have the backup, whatever objects it has.
pub fn does_not_exist(demo: &Cluster, store: &Value, id: &str) {
    let answer = try_stored(demo, store, &["verify", id]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.stdout.contains("does not exist"), "{answer}");
    let backups = demo.get()["status"]["backups"].to_string();
    assert!(!backups.contains(id), "{backups}");
}

/// Text without patterns, the same for the same seed.
pub fn noise(seed: u64, bytes: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(
            b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
                [(state >> 58) as usize],
        )
    };
    (0..bytes).map(|_| next()).collect()
}

/// A claim that all machines mount, as one of NFS: a folder that they share. Returns its name and the folder.
pub fn shared_volume(kubectl: &Kubectl) -> (String, String) {
    let name = fresh_id("e2e-backups");
    let folder = HOME.scratch(&name);
    fs::create_dir_all(&folder).expect("the run folder of the testbed is writable");
    // The group of a pod is given no folder of the machine.
    let all = fs::Permissions::from_mode(0o777);
    fs::set_permissions(&folder, all).expect("it is ours");
    let folder = folder.to_string_lossy().into_owned();
    let size = json!({ "storage": "1Gi" });
    let common = |more: Value| {
        let mut spec = json!({ "accessModes": ["ReadWriteMany"], "storageClassName": "" });
        let more = more.as_object().expect("fields").clone();
        spec.as_object_mut().expect("fields").extend(more);
        spec
    };
    kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
        "spec": common(json!({
            "capacity": size,
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": { "path": folder, "type": "Directory" },
        })),
    }));
    kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": name },
        "spec": common(json!({ "volumeName": name, "resources": { "requests": size } })),
    }));
    (name, folder)
}
