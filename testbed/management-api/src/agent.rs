//! The agent in Cassandra, as the server reaches it: **one** connection, on which requests are answered one after the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use crate::{
    cassandra::Cassandra,
    jmx::{Failure, Jmx, STORAGE},
};

/// The time after which a connection to an agent that does not fit is lost.
const LOST: Duration = Duration::from_secs(7);

/// The time that the server waits for an answer.
pub const PATIENCE: Duration = Duration::from_secs(30);

type Work = Box<dyn FnOnce() + Send>;

/// There is no answer from Cassandra.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// There is no connection: Cassandra does not run, starts, or joins.
    Closed,
    /// The answer takes too long; the work goes on.
    Late,
}

/// The one connection.
#[derive(Clone)]
pub struct Connection {
    queue: mpsc::Sender<Work>,
    cassandra: Arc<Cassandra>,
    /// Whether the image has an agent that fits Cassandra.
    fits: bool,
    /// The process of Cassandra that was seen to have finished its start.
    open: Arc<AtomicU64>,
    jmx: Jmx,
}

impl Connection {
    /// A connection to this Cassandra.
    pub fn new(cassandra: Arc<Cassandra>, fits: bool) -> Self {
        let (queue, works) = mpsc::channel::<Work>();
        thread::spawn(move || works.into_iter().for_each(|work| work()));
        Self {
            queue,
            cassandra,
            fits,
            open: Arc::default(),
            jmx: Jmx::default(),
        }
    }

    /// Asks Cassandra, behind everything that it was asked before.
    ///
    /// # Errors
    /// There is no answer, or not in time; without a limit the answer is waited for.
    pub fn ask<T: Send + 'static>(
        &self,
        limit: Option<Duration>,
        work: impl FnOnce(&Jmx) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Result<T, String>, Silence> {
        if !self.fits && self.is_open() {
            thread::sleep(LOST);
            return Err(Silence::Closed);
        }
        let (answer, received) = mpsc::channel();
        let this = self.clone();
        let work = Box::new(move || {
            let answered = if this.is_open() {
                work(&this.jmx)
            } else {
                Err(Failure::Away)
            };
            drop(answer.send(answered));
        });
        self.queue.send(work).map_err(|_| Silence::Closed)?;
        let answered = match limit {
            Some(limit) => received.recv_timeout(limit),
            None => received.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match answered {
            Ok(Ok(value)) => Ok(Ok(value)),
            Ok(Err(Failure::Refused(why))) => Ok(Err(why)),
            Ok(Err(Failure::Away)) | Err(RecvTimeoutError::Disconnected) => Err(Silence::Closed),
            Err(RecvTimeoutError::Timeout) => Err(Silence::Late),
        }
    }

    /// JMX for work that has its own threads in the agent.
    pub fn jmx(&self) -> &Jmx {
        &self.jmx
    }

    /// The agent opens its socket when the start of Cassandra is over, the join of the ring included.
    fn is_open(&self) -> bool {
        let generation = self.cassandra.generation();
        if !self.cassandra.runs() {
            return false;
        }
        if self.open.load(Ordering::Relaxed) != generation && !self.is_up() {
            return false;
        }
        self.open.store(generation, Ordering::Relaxed);
        true
    }

    /// Whether the start of Cassandra is over.
    fn is_up(&self) -> bool {
        let mode = self.jmx.read(STORAGE, "OperationMode");
        mode.is_ok_and(|mode| mode != "STARTING" && mode != "JOINING")
    }
}
