//! The last failures about the superusers of clusters. A password that no node accepts would otherwise be tried with each
//! reconciliation.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Time after a failure in which no node is asked again.
const PAUSE: Duration = Duration::from_secs(30);

/// Failures by the UID of the resource. They last until an exchange succeeds, or nothing is left to do.
#[derive(Clone, Default)]
pub struct Failures(Arc<Mutex<BTreeMap<String, (Instant, String)>>>);

impl Failures {
    /// The last failure: it lasts.
    pub fn last(&self, uid: &str) -> Option<String> {
        self.lock().get(uid).map(|(_, message)| message.clone())
    }

    /// Whether nodes may be asked at this time.
    pub fn may_ask(&self, uid: &str, now: Instant) -> bool {
        let failures = self.lock();
        let since = failures.get(uid).map(|(at, _)| now.duration_since(*at));
        since.is_none_or(|since| since >= PAUSE)
    }

    /// Keeps a failure of this time.
    pub fn failed(&self, uid: &str, now: Instant, message: String) {
        self.lock().insert(uid.to_owned(), (now, message));
    }

    /// There is no failure any more.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_until_it_is_over_and_holds_back_for_a_while() {
        let (failures, now) = (Failures::default(), Instant::now());
        assert!(failures.may_ask("a", now));
        failures.failed("a", now, "refused".into());
        assert!(!failures.may_ask("a", now));
        assert!(!failures.may_ask("a", now + PAUSE / 2));
        assert!(failures.may_ask("b", now));
        assert!(failures.may_ask("a", now + PAUSE));
        assert_eq!(failures.last("a").as_deref(), Some("refused"));
        failures.forget("a");
        assert!(failures.may_ask("a", now));
        assert_eq!(failures.last("a"), None);
    }
}
