//! Leader election by a Lease, with the semantics of client-go's `leaderelection`: the decisions of one candidate.
//!
//! A record expires when the candidate has not observed it change for the record's duration, on the monotonic clock of
//! the candidate; the times in the record are for people. A write holds only for the version that was read. Times are
//! arguments: nothing here reads a clock.

use std::time::Duration;

use jiff::Timestamp;

/// A point in time, on both clocks of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The monotonic clock, from an arbitrary origin. It may stand still while the machine is suspended.
    pub monotonic: Duration,
    /// The wall clock. It may be set, and differs between machines.
    pub wall: Timestamp,
}

/// The periods of an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time after the last change of the record until other candidates take over.
    pub lease: Duration,
    /// Time after the last renewal for which the leader may act; then it ends. Also the time that a new leader waits
    /// before calls that must not repeat.
    pub renew: Duration,
    /// Time between two attempts to acquire or to renew.
    pub retry: Duration,
}

/// The reason why periods are refused.
#[derive(thiserror::Error, Debug, PartialEq, Eq)]
#[error(
    "lease duration {lease:?}, renew deadline {renew:?}, retry period {retry:?}: each must be at least one second longer than the next one, and the retry period at least one second"
)]
pub struct InvalidTiming {
    lease: Duration,
    renew: Duration,
    retry: Duration,
}

impl Timing {
    /// The periods, in seconds.
    ///
    /// # Errors
    /// The periods do not exclude a second leader, or leave no time for a second attempt.
    pub fn new(lease: u16, renew: u16, retry: u16) -> Result<Self, InvalidTiming> {
        let seconds = |count: u16| Duration::from_secs(count.into());
        let (is_valid, lease, renew, retry) = (
            lease > renew && renew > retry && retry > 0,
            seconds(lease),
            seconds(renew),
            seconds(retry),
        );
        if is_valid {
            Ok(Self {
                lease,
                renew,
                retry,
            })
        } else {
            Err(InvalidTiming {
                lease,
                renew,
                retry,
            })
        }
    }

    /// Deadline of a request: two fit into the renew deadline, and a request of a leader that has just lost its term
    /// ends before another candidate takes over.
    pub fn request(&self) -> Duration {
        (self.renew / 2).min(self.lease.saturating_sub(self.renew))
    }
}

/// The Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Identity of the holder; empty if the Lease is free.
    pub holder: String,
    /// Seconds without a change after which other candidates take over.
    pub seconds: u16,
    /// Number of changes of the holder.
    pub transitions: i32,
    /// Wall clock of the holder when it acquired the Lease.
    pub acquired: Option<Timestamp>,
    /// Wall clock of the holder at the last renewal.
    pub renewed: Option<Timestamp>,
    /// Resource version; none if the Lease does not exist.
    pub version: Option<String>,
}

/// The reason why a candidate may write the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The candidate holds the Lease.
    Held,
    /// Nobody holds it: it is new, or was released.
    Free,
    /// Its holder has not renewed it.
    Expired,
}

/// The next action of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read the Lease.
    Read,
    /// Create the Lease, or replace the version in the record.
    Write(Record, Claim),
    /// Nothing until the next period.
    Wait,
    /// The term is over: end the process at once.
    Lost(Loss),
}

/// The reason why a term is over.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// No renewal succeeded in time.
    #[error("the Lease was not renewed within the renew deadline")]
    NotRenewed,
    /// The record names another holder, or none.
    #[error("the Lease is held by {0:?}")]
    HeldBy(String),
}

/// The right to act, from one renewal to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    renewed: Moment,
    renew: Duration,
    quiet_until: Option<Duration>,
}

impl Term {
    /// The right from now on for this time.
    #[cfg(any(test, feature = "simulation"))]
    pub fn of(renewed: Moment, renew: Duration) -> Self {
        Self {
            renewed,
            renew,
            quiet_until: None,
        }
    }

    /// Whether the leader may act now. Both clocks count: one may have stood still, the other one may have been set.
    pub fn holds(&self, now: Moment) -> bool {
        !self.is_over(now) && now.wall >= self.renewed.wall
    }

    /// Remaining time until calls that must not repeat may be made: the leader before may still have sent one.
    pub fn quiet_for(&self, now: Moment) -> Option<Duration> {
        let left = self.quiet_until?.checked_sub(now.monotonic)?;
        (!left.is_zero()).then_some(left)
    }

    /// Whether no renewal succeeded within the renew deadline, by one of the clocks. A wall clock that was set back
    /// does not count as the end: the next renewal measures from the new time.
    fn is_over(&self, now: Moment) -> bool {
        let monotonic = now.monotonic.saturating_sub(self.renewed.monotonic);
        let wall = now.wall.duration_since(self.renewed.wall);
        monotonic >= self.renew || Duration::try_from(wall).is_ok_and(|wall| wall >= self.renew)
    }
}

/// One candidate of an election.
#[derive(Clone, Debug)]
pub struct Candidate {
    identity: String,
    timing: Timing,
    observed: Option<Observed>,
    /// Whether the record is the answer of the last request.
    is_current: bool,
    term: Option<Term>,
}

#[derive(Clone, Debug)]
struct Observed {
    record: Record,
    /// Monotonic time of the first answer with this record.
    since: Duration,
}

impl Candidate {
    /// A candidate that has observed nothing.
    pub fn new(identity: String, timing: Timing) -> Self {
        Self {
            identity,
            timing,
            observed: None,
            is_current: false,
            term: None,
        }
    }

    /// The current term, if the candidate was elected.
    pub fn term(&self) -> Option<Term> {
        self.term
    }

    /// The holder in the last record.
    pub fn holder(&self) -> &str {
        self.observed
            .as_ref()
            .map_or("", |observed| &observed.record.holder)
    }

    /// The next action. After a read, a refusal or a lost answer the caller asks for the next one.
    pub fn next(&mut self, now: Moment) -> Step {
        if self.term.is_some_and(|term| term.is_over(now)) {
            return Step::Lost(Loss::NotRenewed);
        }
        let Some(observed) = self.observed.as_ref().filter(|_| self.is_current) else {
            return Step::Read;
        };
        match self.claim(observed, now) {
            Some(Claim::Held) => Step::Write(self.renewal(observed, now), Claim::Held),
            _ if self.term.is_some() => Step::Lost(Loss::HeldBy(observed.record.holder.clone())),
            Some(claim) => Step::Write(self.take_over(observed, now), claim),
            None => {
                self.is_current = false;
                Step::Wait
            }
        }
    }

    fn claim(&self, observed: &Observed, now: Moment) -> Option<Claim> {
        let unchanged = now.monotonic.saturating_sub(observed.since);
        match &observed.record.holder {
            holder if *holder == self.identity => Some(Claim::Held),
            holder if holder.is_empty() => Some(Claim::Free),
            _ if unchanged >= Duration::from_secs(observed.record.seconds.into()) => {
                Some(Claim::Expired)
            }
            _ => None,
        }
    }

    fn renewal(&self, observed: &Observed, now: Moment) -> Record {
        Record {
            seconds: whole_seconds(self.timing.lease),
            acquired: observed.record.acquired.or(Some(now.wall)),
            renewed: Some(now.wall),
            ..observed.record.clone()
        }
    }

    fn take_over(&self, observed: &Observed, now: Moment) -> Record {
        let is_first = observed.record == Record::default();
        Record {
            holder: self.identity.clone(),
            seconds: whole_seconds(self.timing.lease),
            transitions: observed
                .record
                .transitions
                .saturating_add(i32::from(!is_first)),
            acquired: Some(now.wall),
            renewed: Some(now.wall),
            version: observed.record.version.clone(),
        }
    }

    /// The result of a read. A Lease that was deleted counts as unchanged: its holder may not know yet.
    pub fn read(&mut self, found: Option<Record>, now: Moment) {
        let before = self.observed.as_ref().map(|observed| &observed.record);
        let deleted = || Record {
            version: None,
            ..before.cloned().unwrap_or_default()
        };
        let record = found.unwrap_or_else(deleted);
        if before != Some(&record) {
            self.observed = Some(Observed {
                record,
                since: now.monotonic,
            });
        }
        self.is_current = true;
    }

    /// A request is about to be sent: until it is answered, the record is not known.
    pub fn sends(&mut self) {
        self.is_current = false;
    }

    /// The answer of a successful write. The term counts from the moment before the request was sent.
    pub fn written(&mut self, record: Record, claim: Claim, sent: Moment, now: Moment) {
        let quiet_until = match self.term {
            Some(term) => term.quiet_until,
            None => self
                .follows_another(claim)
                .then(|| now.monotonic + self.timing.renew),
        };
        self.term = Some(Term {
            renewed: sent,
            renew: self.timing.renew,
            quiet_until,
        });
        self.observed = Some(Observed {
            record,
            since: now.monotonic,
        });
        self.is_current = true;
    }

    /// Whether a leader that has not released the Lease may have acted a moment ago. A record that already names this
    /// candidate was written by an earlier process of the same pod, or by a take-over whose answer was lost.
    fn follows_another(&self, claim: Claim) -> bool {
        let record = self.observed.as_ref().map(|observed| &observed.record);
        let held = record.and_then(|record| {
            let held = record.renewed?.duration_since(record.acquired?);
            Duration::try_from(held).ok()
        });
        match claim {
            Claim::Free => false,
            Claim::Expired => true,
            Claim::Held => held.is_none_or(|held| held < self.timing.renew),
        }
    }

    /// The record that releases the Lease; none if the candidate does not hold the Lease. The term ends before it is
    /// written. While calls that must not repeat still wait for the leader before, the Lease is left to expire: the next
    /// leader would not know about that leader.
    pub fn release(&mut self, now: Moment) -> Option<Record> {
        let waits = match self.term.take() {
            Some(term) => term.quiet_for(now).is_some(),
            None => self.follows_another(Claim::Held),
        };
        if waits {
            return None;
        }
        let record = &self.observed.as_ref()?.record;
        if record.holder != self.identity || record.version.is_none() {
            return None;
        }
        Some(Record {
            holder: String::new(),
            seconds: 1,
            acquired: Some(now.wall),
            renewed: Some(now.wall),
            ..record.clone()
        })
    }

    /// Whether the last request of the candidate was answered.
    pub fn is_current(&self) -> bool {
        self.is_current
    }
}

fn whole_seconds(duration: Duration) -> u16 {
    u16::try_from(duration.as_secs()).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
