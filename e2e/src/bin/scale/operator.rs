//! The operator as a process: memory and processor time, from the kernel.

use std::{process::Command, thread, time::Duration};

use casskop_e2e::{
    command::setting,
    daemon::Daemon,
    process::{Process, processor_seconds},
};
use jiff::Timestamp;

use crate::folder;

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
        Process::of(self.pid()).mebibytes(name)
    }

    /// Processor time so far, in seconds.
    pub fn processor_seconds(&self) -> f64 {
        processor_seconds(self.pid())
    }

    fn pid(&self) -> u32 {
        self.daemon.pid().expect("the operator runs")
    }
}
