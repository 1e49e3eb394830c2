//! A client of the ring that runs while the ring changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{Kubectl, cassandra};

/// Pause between two requests.
const PAUSE: Duration = Duration::from_millis(250);

/// Rounds over all nodes before a request counts as failed. On a busy machine a try takes seconds, in which a node that was
/// still starting comes back and the next one leaves; nodes that are away at the same time are away for longer.
const ROUNDS: usize = 2;

/// A client that repeatedly writes a row at QUORUM and reads it back at QUORUM, through nodes that stay. Like a
/// driver, it retries on the next node when one does not respond; a request that no node executes counts as failed.
pub struct Client {
    ends: Arc<AtomicBool>,
    work: Option<JoinHandle<Outcome>>,
}

/// The results of a client's requests.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Number of requests.
    pub requests: u32,
    /// Number of requests that a node other than the first one executed.
    pub retried: u32,
    /// Errors of the failed requests.
    pub failed: Vec<String>,
}

impl Client {
    /// Starts to write and read `table`, which has an `int` key `id` and a `text`.
    pub fn start(kubectl: &Kubectl, nodes: &[&str], table: &str) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let (kubectl, table, over) = (kubectl.clone(), table.to_owned(), ends.clone());
        let nodes: Vec<String> = nodes.iter().map(|&node| node.to_owned()).collect();
        let work = thread::spawn(move || {
            let mut outcome = Outcome::default();
            while !over.load(Ordering::Relaxed) {
                outcome.request(&kubectl, &nodes, &table);
                thread::sleep(PAUSE);
            }
            outcome
        });
        Self {
            ends,
            work: Some(work),
        }
    }

    /// Ends the client, and returns the results of its requests.
    pub fn end(mut self) -> Outcome {
        self.ends.store(true, Ordering::Relaxed);
        let work = self.work.take().expect("it is ended once");
        work.join().expect("the client comes to its end")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

impl Outcome {
    /// One request: the row that is read equals the row that was written.
    fn request(&mut self, kubectl: &Kubectl, nodes: &[String], table: &str) {
        let text = format!("request {}", self.requests);
        let write = format!("INSERT INTO {table} (id, text) VALUES (7, '{text}')");
        let read = format!("SELECT text FROM {table} WHERE id = 7");
        let turn = self.requests as usize;
        self.requests += 1;
        let mut told = Vec::new();
        for index in 0..nodes.len() * ROUNDS {
            let node = &nodes[(turn + index) % nodes.len()];
            let output = cassandra::try_cql(kubectl, node, "QUORUM", &[&write, &read]);
            match output {
                Some(output) if output.stdout.trim() == format!("text={text}") => {
                    self.retried += u32::from(index > 0);
                    return;
                }
                Some(output) => told.push(format!("{node}: {output}")),
                None => told.push(format!("{node} has no address")),
            }
        }
        self.failed.push(told.join("; "));
    }
}
