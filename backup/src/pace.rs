//! A rate in bytes per second: the decision, and the waiting.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bucket of tokens: one for each byte, filled at a rate, with a quarter of a second of them at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    rate: u64,
    /// When the debt is paid, in nanoseconds of the caller's clock.
    paid: u64,
}

const SECOND: u128 = 1_000_000_000;
const BURST: u64 = 250_000_000;

impl Tokens {
    /// A full bucket at the time 0.
    pub fn new(bytes_per_second: u64) -> Self {
        Self {
            rate: bytes_per_second.max(1),
            paid: 0,
        }
    }

    /// Takes bytes at this time, and returns the nanoseconds to wait before they are used. A piece larger than the bucket
    /// is taken at once and paid by those that follow.
    pub fn take(&mut self, now: u64, bytes: u64) -> u64 {
        let wait = self.paid.saturating_sub(now);
        let cost =
            u64::try_from(u128::from(bytes) * SECOND / u128::from(self.rate)).unwrap_or(u64::MAX);
        self.paid = self
            .paid
            .max(now.saturating_sub(BURST))
            .saturating_add(cost);
        wait
    }
}

/// Waits so that a rate is kept; all transfers of a job share one.
#[derive(Debug)]
pub(crate) struct Pace {
    began: Instant,
    tokens: Option<Mutex<Tokens>>,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: Option<u64>) -> Self {
        Self {
            began: Instant::now(),
            tokens: bytes_per_second.map(|rate| Mutex::new(Tokens::new(rate))),
        }
    }

    pub(crate) async fn take(&self, bytes: usize) {
        let Some(tokens) = &self.tokens else { return };
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let wait = tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(now, bytes);
        if wait > 0 {
            tokio::time::sleep(Duration::from_nanos(wait)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// With any pieces and pauses: in no window are there more bytes than the rate, a burst and one piece.
        #[test]
        fn the_rate_is_kept(rate in 1_000u64..1_000_000_000, steps in prop::collection::vec((0u64..2_000_000_000, 0u64..10_000_000), 1..60)) {
            let mut tokens = Tokens::new(rate);
            let mut now = 0;
            let mut used: Vec<(u64, u64)> = Vec::new();
            for (pause, bytes) in steps {
                now += pause;
                now += tokens.take(now, bytes);
                used.push((now, bytes));
            }
            for (first, (from, _)) in used.iter().enumerate() {
                let mut sum = 0u128;
                for (to, bytes) in &used[first..] {
                    let allowed = u128::from(rate) * u128::from(to - from + BURST) / SECOND + 60;
                    prop_assert!(sum <= allowed, "{sum} bytes before {to}, allowed {allowed}");
                    sum += u128::from(*bytes);
                }
            }
        }
    }

    #[test]
    fn nothing_waits_without_need() {
        let mut tokens = Tokens::new(1_000);
        assert_eq!(tokens.take(0, 1_000), 0);
        assert_eq!(tokens.take(0, 1_000), 1_000_000_000);
        assert_eq!(tokens.take(9_000_000_000, 1), 0);
    }
}
