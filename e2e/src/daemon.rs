//! A process that is killed and run again, and continues the same log.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// Lines of the log that a failing test shows.
const TAIL: usize = 120;

/// The process; it ends when this value is dropped.
pub struct Daemon {
    what: &'static str,
    log: PathBuf,
    child: Option<Child>,
}

impl Daemon {
    /// A process that has not been run yet.
    pub fn new(what: &'static str, log: PathBuf) -> Self {
        Self {
            what,
            log,
            child: None,
        }
    }

    /// Runs the process, for the first time or again.
    pub fn run(&mut self, mut command: Command) {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.expect("its log is writable");
        let again = log.try_clone().expect("a file can be opened twice");
        command.stdin(Stdio::null()).stdout(log).stderr(again);
        self.child = Some(command.spawn().expect("it starts"));
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends the process as Kubernetes ends a pod: it may wind up, and is killed when that takes too long.
    pub fn end(&mut self) {
        let Some(child) = &mut self.child else { return };
        let told = Command::new("kill").arg(child.id().to_string()).status();
        for _ in 0..100 {
            if told.is_err() || !matches!(child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        self.kill();
    }

    /// The id of the process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Freezes the process, or resumes it.
    pub fn freeze(&self, frozen: bool) {
        let how = if frozen { "-STOP" } else { "-CONT" };
        let pid = self.pid().expect("it runs").to_string();
        let status = Command::new("kill").args([how, &pid]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "kill {how} {pid}"
        );
    }

    /// The exit code of the process, once it has ended by itself.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.as_mut()?.try_wait().ok()??.code()
    }

    /// The log of all runs of the process.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Daemon {
    #[expect(
        clippy::print_stderr,
        reason = "shown by the test runner for a test that fails"
    )]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL)..];
            eprintln!("--- {}\n{}", self.what, tail.join("\n"));
        }
    }
}
