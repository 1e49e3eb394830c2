//! A machine of the testbed that is lost temporarily.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use jiff::{SignedDuration, Timestamp};

use crate::{Kubectl, process::stat_seconds, wait::until};

/// A machine that does not respond: its kubelet and its container runtime are stopped, and the processes of some of
/// its pods are killed. The machine returns when this value is dropped.
pub struct LostMachine {
    node: String,
    frozen: Vec<u32>,
}

impl LostMachine {
    /// Loses the machine `node` with these pods on it, by their UIDs.
    pub fn lose(kubectl: &Kubectl, node: &str, pods: &[String]) -> Self {
        let folder = kubectl.site.folder().join("nodes").join(node);
        let folder = format!("{}/", folder.display());
        let frozen: Vec<u32> = processes()
            .filter(|(_, process)| {
                let words = text(process, "cmdline");
                let mut words = words.split('\0');
                let program = words.next().unwrap_or_default().to_owned();
                let is_ours = words.any(|word| word.contains(&folder));
                is_ours && (program.ends_with("containerd") || is_kubelet(process))
            })
            .map(|(number, _)| number)
            .collect();
        assert!(frozen.len() >= 2, "no kubelet and runtime of {node}");
        for &process in &frozen {
            signal(process, "-STOP");
        }
        let lost = Self {
            node: node.to_owned(),
            frozen,
        };
        for (process, _) in pods.iter().flat_map(|uid| processes_of(uid)) {
            signal(process, "-KILL");
        }
        lost
    }

    /// Marks the machine as out of service: Kubernetes deletes its pods.
    pub fn is_out_of_service(&self, kubectl: &Kubectl) {
        let taint = "node.kubernetes.io/out-of-service=lost:NoExecute";
        kubectl.ok(&["taint", "node", &self.node, taint]);
    }

    /// Restores the machine.
    pub fn is_back(self, kubectl: &Kubectl) {
        let node = self.node.clone();
        drop(self);
        let taint = "node.kubernetes.io/out-of-service-";
        kubectl.ok(&["taint", "node", &node, taint]);
        is_ready(kubectl, &node);
    }

    /// Registers the machine again after its Node was deleted: a kubelet registers when it starts.
    pub fn is_new(self, kubectl: &Kubectl) {
        let node = self.node.clone();
        let kubelet = |process: &&u32| is_kubelet(&Path::new("/proc").join(process.to_string()));
        let kubelet = self.frozen.iter().find(kubelet).copied();
        drop(self);
        signal(kubelet.expect("a kubelet"), "-TERM");
        until("the Node to be there again", || {
            kubectl
                .get("node", &node)
                .map(|_| ())
                .ok_or_else(|| node.clone())
        });
        is_ready(kubectl, &node);
    }
}

fn is_ready(kubectl: &Kubectl, node: &str) {
    let ready = "--for=condition=Ready";
    kubectl.ok(&["wait", "node", node, ready, "--timeout=120s"]);
}

fn is_kubelet(process: &Path) -> bool {
    text(process, "cmdline").contains("\0kubelet\0")
}

impl Drop for LostMachine {
    fn drop(&mut self) {
        for &process in &self.frozen {
            signal(process, "-CONT");
        }
    }
}

/// The start time of the Cassandra process of a pod, by its UID, which is earlier than the first line of its log.
pub fn cassandra_began(pod: &str) -> Option<Timestamp> {
    let (_, process) = cassandra(pod)?;
    let up: f64 = text(Path::new("/proc"), "uptime")
        .split(' ')
        .next()?
        .parse()
        .ok()?;
    let now = Timestamp::now();
    // From the boot of the machine.
    let began = stat_seconds(&text(&process, "stat"), 19)?;
    let age = SignedDuration::try_from_secs_f64(up - began).ok()?;
    now.checked_sub(age).ok()
}

/// Kills the Cassandra process of a pod, by its UID, at once; the kubelet restarts it.
pub fn kill_cassandra(pod: &str) {
    let (process, _) = cassandra(pod).expect("Cassandra runs");
    signal(process, "-KILL");
}

/// Sends a signal, such as `-STOP`, to the operator in a pod, by the UID of the pod.
pub fn signal_operator(pod: &str, how: &str) {
    let is_it = |process: &Path| text(process, "cmdline").contains("casskop-operator");
    let found: Vec<u32> = processes_of(pod)
        .filter(|(_, process)| is_it(process))
        .map(|(number, _)| number)
        .collect();
    assert_eq!(found.len(), 1, "one operator in pod {pod}: {found:?}");
    signal(found[0], how);
}

fn cassandra(pod: &str) -> Option<(u32, PathBuf)> {
    let daemon = "org.apache.cassandra.service.CassandraDaemon";
    processes_of(pod).find(|(_, process)| text(process, "cmdline").contains(daemon))
}

/// A process of a pod, by the UID of the pod.
pub fn process_of(pod: &str) -> Option<u32> {
    processes_of(pod).next().map(|(number, _)| number)
}

/// Processes of a pod, by its UID.
fn processes_of(pod: &str) -> impl Iterator<Item = (u32, PathBuf)> {
    processes().filter(move |(_, process)| text(process, "cgroup").contains(pod))
}

/// Processes of this machine, with their folders in `/proc`.
fn processes() -> impl Iterator<Item = (u32, PathBuf)> {
    let all = fs::read_dir("/proc").expect("/proc is mounted");
    all.flatten().filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((number, entry.path()))
    })
}

fn text(process: &Path, file: &str) -> String {
    let bytes = fs::read(process.join(file)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn signal(process: u32, signal: &str) {
    // The process may have ended already.
    let _ = Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
}
