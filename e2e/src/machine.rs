//! A machine of the testbed that is lost for a while.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Kubectl;

/// A machine that does not answer: its kubelet and its container runtime stand still, and of some of its pods nothing
/// runs any more. When this is dropped, it is back.
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
                is_ours
                    && (program.ends_with("containerd")
                        || text(process, "cmdline").contains("\0kubelet\0"))
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
        let of_pods = processes().filter(|(_, process)| {
            let groups = text(process, "cgroup");
            pods.iter().any(|uid| groups.contains(uid.as_str()))
        });
        for (process, _) in of_pods {
            signal(process, "-KILL");
        }
        lost
    }

    /// Says that it is gone for good: Kubernetes lets its pods go.
    pub fn is_out_of_service(&self, kubectl: &Kubectl) {
        let taint = "node.kubernetes.io/out-of-service=lost:NoExecute";
        kubectl.ok(&["taint", "node", &self.node, taint]);
    }

    /// It is back.
    pub fn is_back(self, kubectl: &Kubectl) {
        let node = self.node.clone();
        drop(self);
        let taint = "node.kubernetes.io/out-of-service-";
        kubectl.ok(&["taint", "node", &node, taint]);
        let ready = "--for=condition=Ready";
        kubectl.ok(&["wait", "node", &node, ready, "--timeout=120s"]);
    }
}

impl Drop for LostMachine {
    fn drop(&mut self) {
        for &process in &self.frozen {
            signal(process, "-CONT");
        }
    }
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
    // It may have ended by itself.
    let _ = Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
}
