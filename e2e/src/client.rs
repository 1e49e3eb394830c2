//! A client of the ring that goes on while the ring changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{Kubectl, cassandra};

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(250);

/// A client that writes a row at QUORUM and reads it back at QUORUM, again and again, through nodes that stay. As
/// drivers do, it asks the next node when one does not answer; a request that no node carries out has failed.
pub struct Client {
    ends: Arc<AtomicBool>,
    work: Option<JoinHandle<Outcome>>,
}

/// What became of a client's requests.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Requests.
    pub requests: u32,
    /// Those of them that another node than the first one carried out.
    pub retried: u32,
    /// Why the others failed.
    pub failed: Vec<String>,
}

impl Client {
    /// Begins to write and read `table`, which has an `int` key `id` and a `text`.
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

    /// Ends it, and says what became of its requests.
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
    /// One request: the row is read as it was just written.
    fn request(&mut self, kubectl: &Kubectl, nodes: &[String], table: &str) {
        let text = format!("request {}", self.requests);
        let write = format!("INSERT INTO {table} (id, text) VALUES (7, '{text}')");
        let read = format!("SELECT text FROM {table} WHERE id = 7");
        let turn = self.requests as usize;
        self.requests += 1;
        let mut told = Vec::new();
        for index in 0..nodes.len() {
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
