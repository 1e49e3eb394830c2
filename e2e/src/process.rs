//! Processes of pods, from the kernel: the containers of the testbed are processes of this machine.

use std::fs;

use crate::{kubectl::Kubectl, operator};

/// The state of the process, as `/proc/<pid>/status` has it.
pub struct Process(String);

impl Process {
    /// The process of the operator's pod, which is ready.
    pub fn of_operator(kubectl: &Kubectl) -> Self {
        let pod = operator::ready_pod(kubectl);
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let found = processes(uid)
            .into_iter()
            .find(|status| status.starts_with("Name:\tcasskop"));
        Self(found.expect("the operator is a process of this machine"))
    }

    /// The process of Cassandra in a pod, if it runs.
    pub fn of_cassandra(pod_uid: &str) -> Option<Self> {
        let mut all = processes(pod_uid).into_iter();
        all.find(|status| status.starts_with("Name:\tjava\n"))
            .map(Self)
    }

    /// The process with this number.
    pub fn of(pid: u32) -> Self {
        Self(read(pid, "status"))
    }

    /// A number of the state: kilobytes, or a count.
    pub fn field(&self, name: &str) -> f64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        number.unwrap_or(f64::NAN)
    }

    /// The same in MiB.
    pub fn mebibytes(&self, name: &str) -> f64 {
        self.field(name) / 1024.0
    }
}

/// Processor time of a process so far, in seconds.
pub fn processor_seconds(pid: u32) -> f64 {
    let stat = read(pid, "stat");
    let of = |field| stat_seconds(&stat, field).expect("the kernel says it");
    // In user mode and in the kernel.
    of(11) + of(12)
}

/// A time of `/proc/<pid>/stat` in seconds, by the number of its field after the name of the program, which is in brackets and may
/// contain spaces. The kernel counts in hundredths of a second.
pub fn stat_seconds(stat: &str, field: usize) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: f64 = fields.split_whitespace().nth(field)?.parse().ok()?;
    Some(ticks / 100.0)
}

fn read(pid: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the process runs")
}

/// The states of the processes in a pod.
fn processes(pod_uid: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").expect("/proc is mounted");
    let folders = all.flatten().map(|entry| entry.path());
    folders
        .filter(|folder| {
            let groups = fs::read_to_string(folder.join("cgroup")).unwrap_or_default();
            groups.contains(pod_uid)
        })
        .filter_map(|folder| fs::read_to_string(folder.join("status")).ok())
        .collect()
}
