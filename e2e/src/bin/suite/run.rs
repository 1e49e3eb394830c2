//! Waiting, running and ended jobs.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use casskop_e2e::{
    Kubectl, SHARED,
    command::setting,
    figures::figures,
    site::HOME,
    space::workspace,
    suite::{Job, Place, RING_NODES, Room},
};

use crate::{
    is_linked,
    machine::{self, Idle},
};

/// Duration after which a job counts as hanging.
const LIMIT: Duration = Duration::from_secs(60 * 60);
/// Number of linked clusters.
const CLUSTERS: u32 = 3;

struct Running {
    job: Job,
    child: Child,
    began: Instant,
    log: PathBuf,
    /// The shared ring of the job.
    ring: Option<usize>,
}

struct Ended {
    name: String,
    began: Duration,
    took: Duration,
    is_well: bool,
}

/// The linked clusters: they start beside the first jobs, and end with the last one that needs them.
enum Linked {
    NotNeeded,
    Starting(Child),
    Running,
}

pub struct Suite {
    programs: BTreeMap<String, PathBuf>,
    began: Instant,
    waiting: Vec<Job>,
    running: Vec<Running>,
    ended: Vec<Ended>,
    linked: Linked,
    /// Rings that jobs share: whether a job uses the ring.
    rings: Vec<bool>,
    /// Number of rings that were created.
    made_rings: usize,
    nodes: u32,
    idle: Idle,
    last: Instant,
    most: usize,
}

impl Suite {
    pub fn new(waiting: Vec<Job>, programs: BTreeMap<String, PathBuf>) -> Self {
        let linked = if waiting.iter().any(is_linked) {
            Linked::Starting(linked("start"))
        } else {
            Linked::NotNeeded
        };
        fs::create_dir_all(folder()).expect("the run folder is writable");
        Self {
            programs,
            began: Instant::now(),
            waiting,
            running: Vec::new(),
            ended: Vec::new(),
            linked,
            rings: vec![false; number("E2E_RINGS", 2)],
            made_rings: 0,
            nodes: machine::cassandras().min(machine::most_cassandras()),
            idle: Idle::default(),
            last: Instant::now(),
            most: number("E2E_JOBS", 3 * machine::processors()),
        }
    }

    /// Collects ended jobs and starts the next ones; returns whether jobs are left.
    pub fn goes_on(&mut self) -> bool {
        self.end();
        self.link();
        self.remove_rings();
        let room = self.room();
        if let Some(next) = room.next(&self.waiting) {
            let job = self.waiting.remove(next);
            self.begin(job);
        }
        !self.waiting.is_empty() || !self.running.is_empty()
    }

    fn room(&mut self) -> Room {
        let taken = |place: Place| {
            self.running
                .iter()
                .any(|running| running.job.place == place)
        };
        let used: u32 = self.running.iter().map(|running| running.job.nodes).sum();
        let of_rings = RING_NODES * u32::try_from(self.made_rings).unwrap_or_default();
        Room {
            running: self.running.len(),
            is_taken: taken(Place::Machine),
            links_are_taken: taken(Place::Links),
            is_linked: matches!(self.linked, Linked::Running),
            free_rings: self.rings.iter().filter(|&&is_taken| !is_taken).count(),
            nodes: self.nodes.saturating_sub(used + of_rings),
            idle: self.idle.look(),
            since: self.last.elapsed(),
            least: machine::processors() + 1,
            most: self.most,
        }
    }

    fn begin(&mut self, job: Job) {
        let ring = match job.place {
            Place::Ring | Place::Machine => self.rings.iter().position(|&is_taken| !is_taken),
            Place::Own | Place::Links => None,
        };
        let program = self.programs.get(job.file).expect("each file is built");
        let log = folder().join(format!("{}.log", job.name().replace(": ", "-")));
        let file = File::create(&log).expect("the run folder is writable");
        let mut command = Command::new(program);
        command
            .args(["--ignored", "--test-threads=1", "--exact", "--show-output"])
            .args(job.tests)
            .current_dir(workspace().join("e2e"))
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file can be opened twice"))
            .stderr(file);
        if job.tests.is_empty() {
            command.env_remove("RUST_TEST_THREADS");
        }
        if let Some(ring) = ring {
            self.rings[ring] = true;
            self.made_rings = self.made_rings.max(ring + 1);
            command.env("E2E_RING", ring_name(ring));
        }
        if is_linked(&job) {
            command.envs(linked_environment());
        }
        println!("{} begins: {}", clock(self.began.elapsed()), job.name());
        self.last = Instant::now();
        self.running.push(Running {
            job,
            child: command.spawn().expect("a test starts"),
            began: Instant::now(),
            log,
            ring,
        });
    }

    fn end(&mut self) {
        let mut index = 0;
        while index < self.running.len() {
            let running = &mut self.running[index];
            let hangs = running.began.elapsed() > LIMIT;
            if hangs {
                let _ = running.child.kill();
            }
            match running.child.try_wait().expect("it is our child") {
                Some(status) => {
                    let running = self.running.remove(index);
                    self.note(&running, status.success());
                }
                None => index += 1,
            }
        }
    }

    fn note(&mut self, running: &Running, is_well: bool) {
        let name = running.job.name();
        let took = running.began.elapsed();
        let how = if is_well { "ends well" } else { "FAILS" };
        let at = self.began.elapsed();
        println!("{} {how} after {} s: {name}", clock(at), took.as_secs());
        let output = fs::read(&running.log).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        if is_well {
            figures(&output).for_each(|figure| println!("        {figure}"));
        } else {
            println!("{output}");
        }
        if let Some(ring) = running.ring {
            self.rings[ring] = false;
        }
        self.ended.push(Ended {
            name,
            began: at.saturating_sub(took),
            took,
            is_well,
        });
    }

    /// Advances the state of the linked clusters.
    fn link(&mut self) {
        let needed = self.waiting.iter().any(is_linked)
            || self.running.iter().any(|running| is_linked(&running.job));
        match &mut self.linked {
            Linked::Starting(child) => {
                if let Some(status) = child.try_wait().expect("it is our child") {
                    assert!(status.success(), "the linked clusters do not start");
                    self.linked = Linked::Running;
                }
            }
            Linked::Running if !needed => {
                let _ = linked("end").wait();
                self.linked = Linked::NotNeeded;
            }
            Linked::Running | Linked::NotNeeded => {}
        }
    }

    /// Removes the shared rings that no waiting or running job needs, except the first: nodes at rest take processor
    /// time, too.
    fn remove_rings(&mut self) {
        let is_ring = |job: &Job| job.place == Place::Ring;
        let is_wanted = self.waiting.iter().any(is_ring)
            || self.running.iter().any(|running| is_ring(&running.job));
        if is_wanted || self.made_rings <= 1 {
            return;
        }
        for ring in 1..self.made_rings {
            let all = [
                "delete",
                "cassandraclusters.db.orange.com",
                "--all",
                "--wait=false",
            ];
            Kubectl::new(&ring_name(ring)).run(&all);
        }
        self.made_rings = 1;
    }

    /// Prints when each job ran; returns whether all succeeded.
    pub fn report(&self) -> bool {
        println!("\n began    took  job");
        for ended in &self.ended {
            let how = if ended.is_well { "" } else { "  FAILED" };
            let (began, took) = (clock(ended.began), ended.took.as_secs());
            println!("{began} {took:5} s  {}{how}", ended.name);
        }
        self.ended.iter().all(|ended| ended.is_well)
    }
}

/// The folder of the logs of the tests.
fn folder() -> PathBuf {
    HOME.folder().join("suite")
}

/// The namespace of a shared ring.
fn ring_name(ring: usize) -> String {
    match ring {
        0 => SHARED.to_owned(),
        _ => format!("{SHARED}-{}", ring + 1),
    }
}

/// Starts or ends the linked clusters.
fn linked(what: &str) -> Child {
    let log = File::create(folder_of_log(what)).expect("the run folder is writable");
    let mut command = Command::new(workspace().join("testbed/linked.sh"));
    command
        .args([what, &CLUSTERS.to_string()])
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be opened twice"))
        .stderr(log);
    command.spawn().expect("testbed/linked.sh starts")
}

fn folder_of_log(what: &str) -> PathBuf {
    HOME.folder().join(format!("linked-{what}.log"))
}

/// The output of `testbed/env.sh` while the linked clusters run.
fn linked_environment() -> Vec<(String, String)> {
    let first = setting("IN");
    let of = |number: u32| {
        let prefix = first.trim_end_matches("/run/in");
        (format!("IN{number}"), format!("{prefix}/run{number}/in"))
    };
    let count = ("CLUSTERS".to_owned(), CLUSTERS.to_string());
    (2..=CLUSTERS).map(of).chain([count]).collect()
}

fn number(variable: &str, default: usize) -> usize {
    let given = std::env::var(variable).ok();
    given.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number"))
    })
}

fn clock(time: Duration) -> String {
    format!("{:3}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}
