//! Jobs of the node: in the memory of Cassandra, and gone when it restarts. One thread runs all of them but repairs.

use std::{
    collections::HashMap,
    fs,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    cassandra::{Cassandra, log},
    jmx::{Failure, Jmx},
};

/// Time between two looks at a repair.
const LOOK: Duration = Duration::from_millis(200);
/// Time from a lost answer to the next call.
const AGAIN: Duration = Duration::from_secs(1);

/// The work of a job: an operation of `StorageService`.
#[derive(Clone, Debug)]
pub struct Work {
    /// The type of the job.
    pub kind: &'static str,
    /// The operation, the types of its arguments, and the arguments.
    pub operation: (&'static str, &'static [&'static str], Value),
}

#[derive(Clone, Debug)]
struct Job {
    kind: &'static str,
    submitted: u128,
    ended: Option<u128>,
    error: Option<String>,
    changes: Vec<(&'static str, u128, String)>,
}

#[derive(Default)]
struct Known {
    generation: u64,
    jobs: HashMap<String, Job>,
}

/// The jobs of the node.
#[derive(Clone)]
pub struct Jobs {
    known: Arc<Mutex<Known>>,
    queue: mpsc::Sender<(u64, String, Work)>,
    cassandra: Arc<Cassandra>,
    jmx: Jmx,
}

impl Jobs {
    /// The jobs of this Cassandra.
    pub fn new(cassandra: Arc<Cassandra>, jmx: Jmx) -> Self {
        let (queue, works) = mpsc::channel();
        let jobs = Self {
            known: Arc::default(),
            queue,
            cassandra,
            jmx,
        };
        let this = jobs.clone();
        thread::spawn(move || {
            for (generation, id, work) in works {
                this.run(generation, &id, &work);
            }
        });
        jobs
    }

    /// Puts work behind that of the other jobs; the id of its job.
    pub fn submit(&self, work: Work) -> String {
        let id = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
        let id = id.trim().to_owned();
        let generation = self.insert(&id, work.kind);
        log(&format!("{id}: job {} is submitted", work.kind));
        // The thread never ends.
        drop(self.queue.send((generation, id.clone(), work)));
        id
    }

    /// A verdict of the operation is dropped, as the server drops it: a cleanup that Cassandra skipped is `COMPLETED`.
    fn run(&self, generation: u64, id: &str, work: &Work) {
        if generation != self.cassandra.generation() {
            return;
        }
        let (operation, types, arguments) = &work.operation;
        let error = loop {
            match self.jmx.exec(operation, types, arguments) {
                Ok(_) => break None,
                Err(Failure::Refused(error)) => break Some(error),
                // Its Cassandra is gone, and the job with it.
                Err(Failure::Away) if generation != self.cassandra.generation() => return,
                // The server has no connection between the job and Cassandra that could be lost.
                Err(Failure::Away) => {
                    log(&format!(
                        "{id}: {operation} has no answer, and is called again"
                    ));
                    thread::sleep(AGAIN);
                }
            }
        };
        self.change(generation, id, |job| {
            job.ended = Some(now());
            job.error = error;
        });
    }

    /// Follows a repair that Cassandra has begun; the id of its job. Repairs have threads of their own.
    pub fn follow_repair(&self, number: i64) -> String {
        let id = format!("repair-{number}");
        let generation = self.insert(&id, "repair");
        let (this, followed) = (self.clone(), id.clone());
        thread::spawn(move || this.repair(generation, &followed, number));
        id
    }

    fn repair(&self, generation: u64, id: &str, number: i64) {
        let began = ("START", format!("Starting repair command #{number}"));
        let ended = |how: &str| {
            (
                "COMPLETE",
                format!("Repair command #{number} finished {how}"),
            )
        };
        let changes = if number == 0 {
            vec![("COMPLETE", String::new())]
        } else {
            loop {
                if generation != self.cassandra.generation() {
                    return;
                }
                let state = self
                    .jmx
                    .exec("getParentRepairStatus", &["int"], &json!([number]));
                let state = state.unwrap_or_default();
                let why = state[1].as_str().unwrap_or_default().to_owned();
                match state[0].as_str() {
                    Some("COMPLETED") => break vec![began, ("SUCCESS", why), ended("in a while")],
                    Some("FAILED") => break vec![began, ("ERROR", why), ended("with error")],
                    _ => thread::sleep(LOOK),
                }
            }
        };
        self.change(generation, id, |job| {
            // A failed repair is COMPLETED, too.
            job.changes = changes
                .into_iter()
                .map(|(state, why)| (state, now(), why))
                .collect();
            job.ended = Some(now());
        });
    }

    /// The answer of the server for a job; nothing for an unknown one.
    pub fn get(&self, id: &str) -> Option<Value> {
        let job = self.with(|known| known.jobs.get(id).cloned())?;
        let status = match (&job.ended, &job.error) {
            (None, _) => "WAITING",
            (_, None) => "COMPLETED",
            (_, Some(error)) => {
                // Each look at a job that failed is logged with its stack trace.
                log(&format!("ERROR job {id} failed: {error}"));
                "ERROR"
            }
        };
        let changes = job.changes.iter().map(|(status, at, message)| {
            json!({ "status": status, "change_time": at.to_string(), "message": message })
        });
        Some(json!({
            "id": id,
            "type": job.kind,
            "status": status,
            "submit_time": job.submitted.to_string(),
            "end_time": job.ended.unwrap_or(0).to_string(),
            "error": job.error,
            "status_changes": changes.collect::<Vec<_>>(),
        }))
    }

    fn insert(&self, id: &str, kind: &'static str) -> u64 {
        let job = Job {
            kind,
            submitted: now(),
            ended: None,
            error: None,
            changes: Vec::new(),
        };
        self.with(|known| {
            known.jobs.insert(id.to_owned(), job);
            known.generation
        })
    }

    fn change(&self, generation: u64, id: &str, change: impl FnOnce(&mut Job)) {
        self.with(|known| {
            if known.generation == generation
                && let Some(job) = known.jobs.get_mut(id)
            {
                change(job);
            }
        });
    }

    /// The jobs of the Cassandra that runs now.
    fn with<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        let generation = self.cassandra.generation();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.generation != generation {
            *known = Known {
                generation,
                jobs: HashMap::new(),
            };
        }
        look(&mut known)
    }
}

fn now() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis())
}
