//! Random elections: candidates with clocks an hour apart, processes that are paused, killed and suspended at any
//! point, requests that are late or lost, before and after the commit.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;

const TIMING: Timing = Timing {
    lease: Duration::from_secs(15),
    renew: Duration::from_secs(10),
    retry: Duration::from_secs(2),
};

/// One action of the world; `who` is a candidate.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Time passes for all, in milliseconds.
    Passes(u16),
    /// The candidate makes a whole attempt, without a fault.
    Attempts(usize),
    /// The candidate takes its next step, and sends a request if the step is one.
    Steps(usize),
    /// The API server processes the pending request.
    Commits(usize),
    /// The answer arrives.
    Answers(usize),
    /// The request or its answer is lost; the candidate knows only that there is no answer.
    Loses(usize),
    /// The process is killed, and the same container starts again.
    Restarts(usize),
    /// The machine is suspended: its monotonic clock stands still for these seconds, all other clocks go on.
    Suspends(usize, u16),
    /// The candidate releases the Lease.
    Releases(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0..3_usize;
    prop_oneof![
        4 => (0..4000_u16).prop_map(Act::Passes),
        1 => (4000..20_000_u16).prop_map(Act::Passes),
        8 => who.clone().prop_map(Act::Attempts),
        6 => who.clone().prop_map(Act::Steps),
        6 => who.clone().prop_map(Act::Commits),
        6 => who.clone().prop_map(Act::Answers),
        1 => who.clone().prop_map(Act::Loses),
        1 => who.clone().prop_map(Act::Restarts),
        1 => (who.clone(), 0..40_u16).prop_map(|(who, seconds)| Act::Suspends(who, seconds)),
        1 => who.prop_map(Act::Releases),
    ]
}

/// A request, and its result once it is committed.
#[derive(Clone)]
struct Request {
    step: Step,
    sent: Moment,
    result: Option<Result<Option<Record>, ()>>,
}

struct Process {
    candidate: Candidate,
    request: Option<Request>,
    /// Requests of killed processes, and requests whose sender has given up, may still reach the API server.
    stray: Vec<Request>,
    /// Difference of its wall clock, in seconds.
    ahead: i64,
    /// Time that the monotonic clock has missed.
    missed: Duration,
    has_lost: bool,
}

struct World {
    time: Duration,
    lease: Option<Record>,
    version: u64,
    processes: Vec<Process>,
    /// The leader that acted last, and when.
    last: Option<(usize, Duration)>,
    /// The leader before it, and when that one acted last.
    before: Option<(usize, Duration)>,
    released: bool,
    elections: usize,
}

impl World {
    fn new() -> Self {
        let process = |(index, ahead): (usize, i64)| Process {
            candidate: Candidate::new(format!("pod-{index}"), TIMING),
            request: None,
            stray: Vec::new(),
            ahead,
            missed: Duration::ZERO,
            has_lost: false,
        };
        Self {
            time: Duration::from_secs(100_000),
            lease: None,
            version: 0,
            processes: [0, 3600, -3600]
                .into_iter()
                .enumerate()
                .map(process)
                .collect(),
            last: None,
            before: None,
            released: false,
            elections: 0,
        }
    }

    fn now(&self, who: usize) -> Moment {
        let process = &self.processes[who];
        let wall = SignedDuration::try_from(self.time).unwrap();
        let wall = wall + SignedDuration::from_secs(process.ahead);
        Moment {
            monotonic: self.time.checked_sub(process.missed).unwrap(),
            wall: Timestamp::from_duration(wall).unwrap(),
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Passes(millis) => self.time += Duration::from_millis(millis.into()),
            Act::Attempts(who) => {
                for act in [Act::Steps(who), Act::Commits(who), Act::Answers(who)].repeat(2) {
                    self.act(act);
                }
            }
            Act::Steps(who) => self.steps(who),
            Act::Commits(who) => self.commits(who),
            Act::Answers(who) => self.answers(who),
            Act::Loses(who) => {
                let lost = self.processes[who].request.take();
                self.processes[who].stray.extend(lost);
            }
            Act::Restarts(who) => self.restarts(who),
            Act::Suspends(who, seconds) => {
                let asleep = Duration::from_secs(seconds.into());
                self.time += asleep;
                self.processes[who].missed += asleep;
            }
            Act::Releases(who) => self.releases(who),
        }
        self.check();
    }

    fn steps(&mut self, who: usize) {
        let now = self.now(who);
        let process = &mut self.processes[who];
        if process.request.is_some() || process.has_lost {
            return;
        }
        match process.candidate.next(now) {
            Step::Wait => {}
            Step::Lost(_) => process.has_lost = true,
            step => {
                process.candidate.sends();
                process.request = Some(Request {
                    step,
                    sent: now,
                    result: None,
                });
            }
        }
    }

    fn commits(&mut self, who: usize) {
        let process = &mut self.processes[who];
        let pending = process.request.iter_mut().chain(&mut process.stray);
        let Some(request) = pending.into_iter().find(|request| request.result.is_none()) else {
            return;
        };
        request.result = Some(match &request.step {
            Step::Write(record, _) => {
                if self.lease.as_ref().and_then(|lease| lease.version.clone()) == record.version {
                    self.version += 1;
                    let version = Some(self.version.to_string());
                    let record = Record {
                        version,
                        ..record.clone()
                    };
                    self.lease = Some(record.clone());
                    Ok(Some(record))
                } else {
                    Err(())
                }
            }
            _ => Ok(self.lease.clone()),
        });
    }

    fn answers(&mut self, who: usize) {
        let now = self.now(who);
        let process = &mut self.processes[who];
        let is_done = |request: &mut Request| request.result.is_some();
        let Some(request) = process.request.take_if(is_done) else {
            return;
        };
        match (request.step, request.result) {
            (Step::Read, Some(Ok(found))) => process.candidate.read(found, now),
            (Step::Write(record, claim), Some(Ok(Some(written)))) => {
                if record.holder.is_empty() {
                    return;
                }
                let candidate = &mut process.candidate;
                candidate.written(written, claim, request.sent, now);
            }
            _ => {}
        }
    }

    fn restarts(&mut self, who: usize) {
        let identity = self.processes[who].candidate.identity.clone();
        let process = &mut self.processes[who];
        process.stray.extend(process.request.take());
        process.candidate = Candidate::new(identity, TIMING);
        process.has_lost = false;
    }

    fn releases(&mut self, who: usize) {
        let now = self.now(who);
        let process = &mut self.processes[who];
        if process.request.is_some() || process.has_lost || !process.candidate.is_current() {
            return;
        }
        let released = process.candidate.release(now).map(|record| Request {
            step: Step::Write(record, Claim::Held),
            sent: now,
            result: None,
        });
        self.released |= released.is_some();
        self.restarts(who);
        self.processes[who].stray.splice(0..0, released);
    }

    /// No two candidates may act at the same time; a new leader makes calls that must not repeat only when the last
    /// act of a leader that has not released the Lease is a whole lease ago.
    fn check(&mut self) {
        let holds = |who: usize| {
            let term = self.processes[who].candidate.term();
            term.filter(|term| term.holds(self.now(who)))
        };
        let leaders: Vec<(usize, Term)> = (0..self.processes.len())
            .filter_map(|who| Some((who, holds(who)?)))
            .collect();
        assert!(leaders.len() <= 1, "{leaders:#?}");
        let Some((who, term)) = leaders.first().copied() else {
            return;
        };
        if self.last.is_some_and(|(last, _)| last != who) {
            self.elections += 1;
            self.before = self.last.filter(|_| !self.released);
            self.released = false;
        }
        self.last = Some((who, self.time));
        if let Some((other, acted)) = self.before
            && other != who
        {
            assert!(
                self.time.saturating_sub(acted) >= TIMING.lease.checked_sub(TIMING.renew).unwrap()
            );
            if term.quiet_for(self.now(who)).is_none() {
                assert!(
                    self.time.saturating_sub(acted) >= TIMING.lease,
                    "{other} acted before {who}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_are_never_two_leaders(acts in prop::collection::vec(act(), 0..400)) {
        let mut world = World::new();
        for act in acts {
            world.act(act);
        }
    }

    #[test]
    fn whatever_happened_there_is_a_leader_again(acts in prop::collection::vec(act(), 0..200)) {
        let mut world = World::new();
        for act in acts {
            world.act(act);
        }
        for who in 0..3 {
            if world.processes[who].has_lost {
                world.restarts(who);
            }
        }
        // Fifty seconds in which all is well.
        for _ in 0..50 {
            for who in 0..3 {
                for act in [Act::Steps(who), Act::Commits(who), Act::Commits(who), Act::Answers(who)].repeat(3) {
                    world.act(act);
                }
                if world.processes[who].has_lost {
                    world.restarts(who);
                }
            }
            world.act(Act::Passes(1000));
        }
        let leads = |who: usize| world.processes[who].candidate.term().is_some_and(|term| term.holds(world.now(who)));
        prop_assert!((0..3).any(leads), "{:?}", world.lease);
    }
}

fn at(seconds: u64) -> Moment {
    Moment {
        monotonic: Duration::from_secs(seconds),
        wall: Timestamp::from_second(1_000_000 + i64::try_from(seconds).unwrap()).unwrap(),
    }
}

/// A candidate that acts without delay, at second `0`, on this record.
fn elected(record: Option<Record>, then: u64) -> (Record, Claim, Term) {
    let mut candidate = Candidate::new("me".into(), TIMING);
    assert_eq!(candidate.next(at(0)), Step::Read);
    candidate.read(record, at(0));
    let mut step = candidate.next(at(0));
    if step == Step::Wait {
        assert_eq!(candidate.next(at(then)), Step::Read);
        let seen = candidate.observed.as_ref().unwrap().record.clone();
        candidate.read(Some(seen), at(then));
        step = candidate.next(at(then));
    }
    let Step::Write(record, claim) = step else {
        panic!("{step:?}");
    };
    candidate.written(record.clone(), claim, at(then), at(then));
    (record, claim, candidate.term().unwrap())
}

/// The next leader calls at once after a release, so a leader that still waits for the one before does not release.
#[test]
fn a_leader_that_waits_for_the_one_before_does_not_release() {
    let mut candidate = Candidate::new("me".into(), TIMING);
    candidate.read(Some(held_by("other", 0)), at(0));
    candidate.read(Some(held_by("other", 0)), at(15));
    let Step::Write(record, claim) = candidate.next(at(15)) else {
        panic!("it is expired");
    };
    candidate.written(record, claim, at(15), at(15));
    let mut early = candidate.clone();
    assert_eq!(early.release(at(24)), None);
    assert_eq!(early.term(), None);
    let released = candidate.release(at(25));
    assert_eq!(released.map(|record| record.holder), Some(String::new()));
}

fn held_by(holder: &str, since: u64) -> Record {
    Record {
        holder: holder.into(),
        seconds: 15,
        transitions: 3,
        acquired: Some(at(0).wall),
        renewed: Some(at(since).wall),
        version: Some("7".into()),
    }
}

#[test]
fn a_new_or_released_lease_is_taken_at_once_and_calls_do_not_wait() {
    let (record, claim, term) = elected(None, 0);
    assert_eq!(
        (record.transitions, record.version, claim),
        (0, None, Claim::Free)
    );
    assert_eq!(term.quiet_for(at(0)), None);
    let (record, claim, term) = elected(Some(held_by("", 0)), 0);
    assert_eq!((record.transitions, claim), (4, Claim::Free));
    assert_eq!(record.version.as_deref(), Some("7"));
    assert_eq!(term.quiet_for(at(0)), None);
}

#[test]
fn an_expired_lease_is_taken_after_its_duration_and_calls_wait() {
    let (record, claim, term) = elected(Some(held_by("other", 0)), 15);
    assert_eq!((record.holder.as_str(), record.transitions), ("me", 4));
    assert_eq!(claim, Claim::Expired);
    assert_eq!(term.quiet_for(at(15)), Some(TIMING.renew));
    assert_eq!(term.quiet_for(at(25)), None);
    let mut early = Candidate::new("me".into(), TIMING);
    early.read(Some(held_by("other", 0)), at(0));
    assert_eq!(early.next(at(14)), Step::Wait);
}

#[test]
fn a_deleted_lease_is_created_when_its_holder_must_have_ended() {
    let mut candidate = Candidate::new("me".into(), TIMING);
    candidate.read(Some(held_by("other", 0)), at(0));
    candidate.read(None, at(5));
    assert_eq!(candidate.next(at(19)), Step::Wait);
    candidate.read(None, at(20));
    let Step::Write(record, Claim::Expired) = candidate.next(at(20)) else {
        panic!("it is expired");
    };
    assert_eq!((record.version, record.transitions), (None, 4));
}

#[test]
fn the_next_container_of_the_same_pod_renews_at_once() {
    let (record, claim, term) = elected(Some(held_by("me", 60)), 0);
    assert_eq!((record.transitions, claim), (3, Claim::Held));
    assert_eq!(term.quiet_for(at(0)), None);
    // Its earlier container may have taken over an expired Lease a moment before.
    let (.., term) = elected(Some(held_by("me", 4)), 0);
    assert_eq!(term.quiet_for(at(0)), Some(TIMING.renew));
}

#[test]
fn a_term_needs_both_clocks() {
    let (.., term) = elected(None, 0);
    assert!(term.holds(at(9)));
    assert!(!term.holds(at(10)));
    let asleep = Moment {
        wall: at(3600).wall,
        ..at(1)
    };
    assert!(!term.holds(asleep));
    let mut set_back = at(1);
    set_back.wall = Timestamp::from_second(1).unwrap();
    assert!(!term.holds(set_back));
    assert!(!term.is_over(set_back));
}

#[test]
fn a_leader_whose_lease_names_another_is_lost() {
    let mut candidate = Candidate::new("me".into(), TIMING);
    candidate.read(None, at(0));
    let Step::Write(record, claim) = candidate.next(at(0)) else {
        panic!("it is free");
    };
    candidate.written(record, claim, at(0), at(0));
    candidate.read(Some(held_by("other", 0)), at(1));
    assert_eq!(
        candidate.next(at(1)),
        Step::Lost(Loss::HeldBy("other".into()))
    );
    assert_eq!(candidate.next(at(10)), Step::Lost(Loss::NotRenewed));
}

#[test]
fn periods_that_cannot_exclude_a_second_leader_are_refused() {
    assert_eq!(Timing::new(15, 10, 2), Ok(TIMING));
    assert_eq!(TIMING.request(), Duration::from_secs(5));
    for (lease, renew, retry) in [(10, 10, 2), (15, 2, 2), (15, 10, 0), (0, 0, 0)] {
        assert!(Timing::new(lease, renew, retry).is_err());
    }
}
