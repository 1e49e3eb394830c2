//! The operator as a process: memory and processor time, from the kernel.

use std::{fs, process::Command, thread, time::Duration};

use casskop_e2e::{command::setting, daemon::Daemon};
use jiff::Timestamp;

use crate::folder;

/// Clock ticks of a second, in which the kernel counts processor time on every architecture of Linux.
const TICKS: f64 = 100.0;
/// Fields of `/proc/<pid>/stat` behind the name: the state is the first one.
const USER: usize = 11;
const SYSTEM: usize = 12;
/// Where the operator listens; nothing else does in this network.
const LISTEN: &str = "127.0.0.1:8080";

/// The operator, with the settings of its Deployment.
pub struct Operator {
    /// The time of its start.
    pub started: Timestamp,
    daemon: Daemon,
}

impl Operator {
    /// Starts it.
    pub fn start() -> Self {
        let mut daemon = Daemon::new("the operator", folder().join("logs/operator.log"));
        let mut command = Command::new(setting("CASSKOP_OPERATOR"));
        command
            .arg("run")
            .env("KUBECONFIG", setting("SCALE_KUBECONFIG"))
            .env("WATCH_NAMESPACE", "")
            .env("BOOTSTRAP_IMAGE", "localhost/casskop-operator:dev")
            .env("LISTEN", LISTEN)
            .env("POD_NAMESPACE", "casskop")
            .env("POD_NAME", "operator")
            .env("POD_UID", "operator")
            .env("MALLOC_ARENA_MAX", "2");
        let started = Timestamp::now();
        daemon.run(command);
        // The program itself, and not the shell before it.
        thread::sleep(Duration::from_millis(100));
        Self { started, daemon }
    }

    /// Ends it as Kubernetes does.
    pub fn end(&mut self) {
        self.daemon.end();
    }

    /// A size in its state, in MiB.
    pub fn mebibytes(&self, name: &str) -> f64 {
        let text = self.read("status");
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        number.expect("the kernel says it") / 1024.0
    }

    /// Processor time so far, in seconds.
    pub fn processor_seconds(&self) -> f64 {
        let text = self.read("stat");
        let (_, fields) = text.rsplit_once(')').expect("the name is in brackets");
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<f64>().expect("ticks");
        (ticks(USER) + ticks(SYSTEM)) / TICKS
    }

    fn read(&self, file: &str) -> String {
        let pid = self.daemon.pid().expect("the operator runs");
        fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the operator runs")
    }
}
