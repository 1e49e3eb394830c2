//! Waiting for a condition.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Deadline of a wait; far more than anything here takes, because the machine may be busy.
pub const LONG: Duration = Duration::from_secs(300);
/// Time between two looks.
const EVERY: Duration = Duration::from_millis(300);

/// Looks until `look` has found what is waited for; it tells what it sees instead.
pub fn until<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    until_every(EVERY, what, look)
}

/// The same, looking as often as is said.
pub fn until_every<T>(
    every: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if begun.elapsed() > LONG => {
                panic!(
                    "waited {} s for {what}; seen at last: {seen}",
                    LONG.as_secs()
                )
            }
            Err(_) => thread::sleep(every),
        }
    }
}
