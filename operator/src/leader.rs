//! Leader election by a Lease: of several instances of the operator, one acts. The decisions are in
//! [`casskop_core::lease`].

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use casskop_core::lease::{Candidate, InvalidTiming, Loss, Step, Timing};
use clap::ArgAction;
use futures::future::{BoxFuture, Shared};
use kube::{Client, Config};

use crate::{
    identity,
    kubernetes::{lease::LeaseApi, objects::error_text},
    leadership::Leadership,
};

/// Settings of the election.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Args {
    /// Elect a leader among all instances by a Lease; `false` if there never is another instance
    #[arg(long, env = "LEADER_ELECTION", default_value_t = true, action = ArgAction::Set)]
    pub leader_election: bool,
    /// Namespace of the Lease (default: the namespace of the pod, or of the kubeconfig's context)
    #[arg(long, env = "POD_NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// Name of the Lease; another name for each operator of the same namespace
    #[arg(long, env = "LEASE_NAME")]
    pub lease_name: Option<String>,
    /// Seconds without a renewal until another instance takes over
    #[arg(long, env = "LEASE_DURATION", default_value_t = 15)]
    pub lease_duration: u16,
    /// Seconds without a renewal until the leader ends
    #[arg(long, env = "RENEW_DEADLINE", default_value_t = 10)]
    pub renew_deadline: u16,
    /// Seconds between two attempts to acquire or to renew the Lease
    #[arg(long, env = "RETRY_PERIOD", default_value_t = 2)]
    pub retry_period: u16,
}

#[cfg(test)]
impl Args {
    /// Without an election, and else the defaults.
    pub fn alone() -> Self {
        Self {
            leader_election: false,
            lease_namespace: None,
            lease_name: None,
            lease_duration: 15,
            renew_deadline: 10,
            retry_period: 2,
        }
    }
}

/// A termination signal; clones are notified together.
pub type Stop = Shared<BoxFuture<'static, ()>>;

/// Longest time that work in progress takes after a termination signal. With the release of the Lease, it is within
/// the grace period of the pod.
const GRACE: Duration = Duration::from_secs(4);
/// Deadline of the release.
const RELEASE: Duration = Duration::from_secs(3);
/// Requests of one attempt: a read, a write, and the same again after a conflict.
const REQUESTS: u32 = 4;

/// The reason why an election cannot be held, or ended.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The periods are invalid.
    #[error("leader election: {0}")]
    Timing(#[from] InvalidTiming),
    /// The configuration of the client is invalid.
    #[error("leader election: set up the client: {0}")]
    Client(#[from] kube::Error),
    /// Another instance may lead by now.
    #[error("leadership is lost: {0}; the process ends, and its next start is a candidate again")]
    Lost(Loss),
}

/// The part of this process in an election.
pub struct Election {
    lease: LeaseApi,
    name: String,
    candidate: Candidate,
    retry: Duration,
    leadership: Leadership,
}

/// The outcome of an attempt.
enum Attempt {
    /// This process holds the Lease.
    Leads,
    /// Another one does, or it is not known.
    Waits,
    /// The term is over.
    Lost(Loss),
}

impl Election {
    /// A candidate for the Lease, with a client of its own: it must write before it leads.
    ///
    /// # Errors
    /// The settings are invalid.
    pub fn new(
        args: &Args,
        default_name: &str,
        mut config: Config,
        leadership: Leadership,
    ) -> Result<Self, Error> {
        let timing = Timing::new(args.lease_duration, args.renew_deadline, args.retry_period)?;
        let namespace = args.lease_namespace.clone().filter(|name| !name.is_empty());
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let name = args
            .lease_name
            .clone()
            .unwrap_or_else(|| default_name.to_owned());
        config.connect_timeout = Some(timing.request());
        // The client would repeat a write whose answer was lost.
        config.default_retry = false;
        let client = Client::try_from(config)?;
        Ok(Self::with_client(
            client,
            (&namespace, &name),
            (identity(), timing),
            leadership,
        ))
    }

    fn with_client(
        client: Client,
        (namespace, name): (&str, &str),
        (identity, timing): (String, Timing),
        leadership: Leadership,
    ) -> Self {
        tracing::info!(namespace, lease = name, identity, "candidate for the Lease");
        Self {
            lease: LeaseApi::new(client, namespace, name, timing.request()),
            name: name.to_owned(),
            candidate: Candidate::new(identity, timing),
            retry: timing.retry,
            leadership,
        }
    }

    /// Waits until this process holds the Lease. It counts as ready while another instance leads.
    async fn acquire(&mut self, ready: &AtomicBool) -> Result<(), Error> {
        let mut logged = String::new();
        loop {
            match self.attempt().await {
                Attempt::Leads => {
                    tracing::info!(lease = self.name, "this instance leads");
                    return Ok(());
                }
                Attempt::Lost(loss) => return Err(Error::Lost(loss)),
                Attempt::Waits => {}
            }
            let holder = self.candidate.holder();
            if !holder.is_empty() {
                ready.store(true, Ordering::Relaxed);
                if holder != logged {
                    tracing::info!(lease = self.name, holder, "another instance leads");
                    holder.clone_into(&mut logged);
                }
            }
            tokio::time::sleep(self.retry).await;
        }
    }

    /// Renews the Lease until it is lost.
    async fn renew(&mut self) -> Loss {
        loop {
            tokio::time::sleep(self.retry).await;
            if let Attempt::Lost(loss) = self.attempt().await {
                return loss;
            }
        }
    }

    async fn attempt(&mut self) -> Attempt {
        for _ in 0..REQUESTS {
            let sent = self.leadership.now();
            let failed = match self.candidate.next(sent) {
                Step::Wait => break,
                Step::Lost(loss) => {
                    self.leadership.ends();
                    return Attempt::Lost(loss);
                }
                Step::Read => match self.lease.read().await {
                    Ok(found) => {
                        self.candidate.read(found, self.leadership.now());
                        continue;
                    }
                    Err(error) => error,
                },
                Step::Write(record, claim) => {
                    self.candidate.sends();
                    match self.lease.write(&record).await {
                        Ok(written) => {
                            let now = self.leadership.now();
                            self.candidate.written(written, claim, sent, now);
                            if let Some(term) = self.candidate.term() {
                                self.leadership.renewed(term);
                            }
                            return Attempt::Leads;
                        }
                        // Another writer was faster; the next read reports the result.
                        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                            continue;
                        }
                        Err(error) => error,
                    }
                }
            };
            tracing::warn!(
                lease = self.name,
                error = error_text(&failed),
                "the Lease was not read or written; is `leases` in the Role of the operator?"
            );
            break;
        }
        Attempt::Waits
    }

    /// Releases the Lease, so that another instance takes over at once. Nothing may act any more.
    async fn release(mut self) {
        self.leadership.ends();
        let release = async {
            // An answer is missing: the Lease may be held without this process knowing.
            if !self.candidate.is_current() {
                let found = self.lease.read().await?;
                self.candidate.read(found, self.leadership.now());
            }
            match self.candidate.release(self.leadership.now()) {
                Some(record) => self.lease.write(&record).await.map(|_| true),
                None => Ok(false),
            }
        };
        match tokio::time::timeout(RELEASE, release).await {
            Ok(Ok(true)) => tracing::info!(lease = self.name, "the Lease is released"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                tracing::warn!(
                    lease = self.name,
                    error = error_text(&error),
                    "the Lease expires"
                );
            }
            Err(_) => tracing::warn!(lease = self.name, "no answer in time: the Lease expires"),
        }
    }
}

/// Runs `work` while this process leads. After a termination signal `work` is to end by itself; then the Lease is
/// released. Without an election, `work` runs at once.
///
/// # Errors
/// The leadership is lost: the process must end at once.
pub async fn run(
    election: Option<Election>,
    stop: Stop,
    ready: &AtomicBool,
    leads: impl Fn(bool),
    work: impl AsyncFnOnce(),
) -> Result<(), Error> {
    let Some(mut election) = election else {
        leads(true);
        work().await;
        return Ok(());
    };
    let acquired = tokio::select! {
        () = stop => None,
        acquired = election.acquire(ready) => Some(acquired),
    };
    if let Some(acquired) = acquired {
        acquired?;
        leads(true);
        let loss = tokio::select! {
            loss = election.renew() => Some(loss),
            () = work() => None,
        };
        leads(false);
        if let Some(loss) = loss {
            return Err(Error::Lost(loss));
        }
    }
    election.release().await;
    Ok(())
}

/// Work that ends by itself after a termination signal, or is dropped when it takes too long.
pub async fn bounded(stop: Stop, work: impl Future<Output = ()>) {
    let late = async {
        stop.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = work => {}
        () = late => tracing::warn!("reconciliations still ran at the end; the next leader goes on"),
    }
}

/// The identity of this process. A pod has one running container of a name at a time, so the next container of the
/// same pod takes the Lease of the one before over at once. Outside of a pod each process is another candidate.
fn identity() -> String {
    match (identity::given("POD_NAME"), identity::given("POD_UID")) {
        (Some(pod), Some(uid)) => format!("{pod}_{uid}"),
        _ => identity::of_process(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
