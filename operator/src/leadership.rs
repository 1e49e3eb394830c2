//! Whether this process may act: asked right before each call of a node and each write to an API server, so that a
//! leader that was paused and wakes up late does neither.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use casskop_core::lease::{Moment, Term};
use jiff::Timestamp;

/// The reason why this process may not act.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
#[error("this instance is not the leader: it writes nothing and calls no node")]
pub struct NotLeading;

/// The right of this process to act. Clones share it.
#[derive(Clone)]
pub struct Leadership(Arc<Shared>);

struct Shared {
    clock: Box<dyn Fn() -> Moment + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
enum State {
    /// There is no election: this process is the only one.
    Unelected,
    /// Not elected yet.
    Waits,
    /// Elected, for the time of the term.
    Leads(Term),
    /// Given up or lost; a process is elected once.
    Ended,
}

impl Leadership {
    /// Without an election.
    pub fn unelected() -> Self {
        Self::new(State::Unelected, clock())
    }

    /// Of a candidate, which may not act before it is elected.
    pub fn candidate() -> Self {
        Self::new(State::Waits, clock())
    }

    /// Of a candidate, with other clocks.
    #[cfg(test)]
    pub fn with_clock(clock: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self::new(State::Waits, Box::new(clock))
    }

    /// Elects this candidate for ten seconds.
    #[cfg(test)]
    pub fn elect(&self) {
        self.renewed(Term::of(self.now(), std::time::Duration::from_secs(10)));
    }

    fn new(state: State, clock: Box<dyn Fn() -> Moment + Send + Sync>) -> Self {
        Self(Arc::new(Shared {
            clock,
            state: Mutex::new(state),
        }))
    }

    /// The time on both clocks.
    pub fn now(&self) -> Moment {
        (self.0.clock)()
    }

    /// Whether this process may act now.
    ///
    /// # Errors
    /// It is not the leader, or cannot be sure to be.
    pub fn ensure(&self) -> Result<(), NotLeading> {
        match *self.state() {
            State::Unelected => Ok(()),
            State::Leads(term) if term.holds(self.now()) => Ok(()),
            State::Waits | State::Leads(_) | State::Ended => Err(NotLeading),
        }
    }

    /// Waits until calls that must not repeat may be made: a leader that did not release the Lease may have sent one.
    pub async fn settled(&self) {
        loop {
            let left = match *self.state() {
                State::Leads(term) => term.quiet_for(self.now()),
                State::Unelected | State::Waits | State::Ended => None,
            };
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => return,
            }
        }
    }

    /// The Lease was acquired or renewed.
    pub fn renewed(&self, term: Term) {
        let mut state = self.state();
        if matches!(*state, State::Waits | State::Leads(_)) {
            *state = State::Leads(term);
        }
    }

    /// The Lease is lost, or about to be released.
    pub fn ends(&self) {
        *self.state() = State::Ended;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn clock() -> Box<dyn Fn() -> Moment + Send + Sync> {
    let began = Instant::now();
    Box::new(move || Moment {
        monotonic: began.elapsed(),
        wall: Timestamp::now(),
    })
}
