//! The last failures about the superusers and the roles of clusters. A password that no node accepts would otherwise be tried with each
//! reconciliation.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Time after a failure in which no node is asked again.
pub(super) const PAUSE: Duration = Duration::from_secs(30);

/// Subject of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// The superuser.
    Superuser,
    /// The replicas of the roles.
    Replicas,
    /// The roles of applications.
    Users,
}

/// Failures by the UID of the resource. They last until an exchange succeeds, or nothing is left to do.
#[derive(Clone, Default)]
pub struct Failures(Arc<Mutex<All>>);

/// Time and words of each failure.
type All = BTreeMap<(String, About), (Instant, String)>;

impl Failures {
    /// The last failure: it lasts.
    pub fn last(&self, uid: &str, about: About) -> Option<String> {
        self.lock()
            .get(&key(uid, about))
            .map(|(_, message)| message.clone())
    }

    /// Whether nodes may be asked at this time.
    pub fn may_ask(&self, uid: &str, about: About, now: Instant) -> bool {
        let failures = self.lock();
        let since = failures
            .get(&key(uid, about))
            .map(|(at, _)| now.duration_since(*at));
        since.is_none_or(|since| since >= PAUSE)
    }

    /// Keeps a failure of this time.
    pub fn failed(&self, uid: &str, about: About, now: Instant, message: String) {
        self.lock().insert(key(uid, about), (now, message));
    }

    /// There is no failure any more.
    pub fn forget(&self, uid: &str, about: About) {
        self.lock().remove(&key(uid, about));
    }

    /// The resource is gone.
    pub fn forget_all(&self, uid: &str) {
        self.lock().retain(|(other, _), _| other != uid);
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(uid: &str, about: About) -> (String, About) {
    (uid.to_owned(), about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_until_it_is_over_and_holds_back_for_a_while() {
        let (failures, now) = (Failures::default(), Instant::now());
        let may_ask = |uid, at| failures.may_ask(uid, About::Superuser, at);
        assert!(may_ask("a", now));
        failures.failed("a", About::Superuser, now, "refused".into());
        assert!(!may_ask("a", now));
        assert!(!may_ask("a", now + PAUSE / 2));
        assert!(may_ask("b", now));
        assert!(failures.may_ask("a", About::Replicas, now));
        assert!(may_ask("a", now + PAUSE));
        let last = || failures.last("a", About::Superuser);
        assert_eq!(last().as_deref(), Some("refused"));
        failures.forget("a", About::Replicas);
        assert!(last().is_some());
        failures.forget("a", About::Superuser);
        assert!(may_ask("a", now));
        assert_eq!(last(), None);
        failures.failed("a", About::Replicas, now, "refused".into());
        failures.forget_all("a");
        assert_eq!(failures.last("a", About::Replicas), None);
    }
}
