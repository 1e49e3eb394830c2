//! The process of Cassandra, which the server starts and keeps running.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

const PID_FILE: &str = "/tmp/cassandra.pid";
/// Time from the start of the server to that of Cassandra.
const FIRST: Duration = Duration::from_secs(10);
/// Time between two looks at its process.
const LOOK: Duration = Duration::from_secs(30);
/// Time from the signal to the end of a stop, and until Cassandra is killed.
const STOP: Duration = Duration::from_secs(5);
const KILL: Duration = Duration::from_secs(35);

/// The process, and whether it should run.
#[derive(Default)]
struct State {
    child: Option<Child>,
    /// Whether it was ever started.
    started: bool,
    stopped: bool,
    /// Number of its starts.
    generation: u64,
}

/// Cassandra.
#[derive(Default)]
pub struct Cassandra(Mutex<State>);

impl Cassandra {
    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look(&mut state)
    }

    /// Starts Cassandra after some seconds, and again when its process has ended.
    pub fn keep_alive(&self) {
        thread::sleep(FIRST);
        loop {
            let is_wanted = self.with(|state| !state.stopped && !state.runs());
            if is_wanted && let Err(error) = self.start() {
                log(&format!("Cassandra cannot be started: {error}"));
            }
            thread::sleep(LOOK);
        }
    }

    /// Starts Cassandra unless it runs; whether it was started.
    ///
    /// # Errors
    /// The launcher does not run.
    pub fn start(&self) -> std::io::Result<bool> {
        self.with(|state| {
            state.stopped = false;
            if state.runs() {
                return Ok(false);
            }
            let folder = std::env::var("MGMT_API_LOG_DIR").unwrap_or("/var/log/cassandra".into());
            let output = |name: &str| File::create(Path::new(&folder).join(name));
            let home = std::env::var("CASSANDRA_HOME").unwrap_or("/opt/cassandra".into());
            let child = Command::new(Path::new(&home).join("bin/cassandra"))
                .args(["-f", "-R"])
                .args(["-D", "cassandra.server_process"])
                .args(["-D", "cassandra.skip_default_role_setup=true"])
                .args(["-D", &format!("cassandra-pidfile={PID_FILE}")])
                .stdin(Stdio::null())
                .stdout(output("stdout.log")?)
                .stderr(output("stderr.log")?)
                .spawn()?;
            fs::write(PID_FILE, child.id().to_string())?;
            log(&format!("Cassandra is started, process {}", child.id()));
            state.generation += 1;
            state.started = true;
            state.child = Some(child);
            Ok(true)
        })
    }

    /// Ends Cassandra, and leaves it ended.
    pub fn stop(&self) {
        let began = Instant::now();
        let pid = self.with(|state| {
            state.stopped = true;
            state
                .runs()
                .then(|| state.child.as_ref().map(Child::id))
                .flatten()
        });
        let Some(pid) = pid else { return };
        signal("-TERM", pid);
        while began.elapsed() < STOP || self.with(State::runs) {
            if began.elapsed() > KILL {
                signal("-KILL", pid);
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether its process runs.
    pub fn runs(&self) -> bool {
        self.with(State::runs)
    }

    /// Whether its process should run, and does not.
    pub fn is_lost(&self) -> bool {
        self.with(|state| state.started && !state.stopped && !state.runs())
    }

    /// A number for each of its processes.
    pub fn generation(&self) -> u64 {
        self.with(|state| state.generation)
    }
}

/// The number of its process: what the file says, which outlives a process that was killed.
pub fn pid() -> Option<String> {
    fs::read_to_string(PID_FILE).ok()
}

impl State {
    fn runs(&mut self) -> bool {
        let ended = self.child.as_mut().map(Child::try_wait);
        matches!(ended, Some(Ok(None)))
    }
}

fn signal(name: &str, pid: u32) {
    // The kill of the shell: the base of the images has no other.
    let kill = Command::new("/bin/sh")
        .args(["-c", &format!("kill {name} {pid}")])
        .status();
    if let Err(error) = kill {
        log(&format!("kill {name} {pid}: {error}"));
    }
}

/// The server's own log, which is that of the container.
#[expect(clippy::print_stdout, reason = "the log of a container is its output")]
pub fn log(line: &str) {
    println!("{line}");
}
