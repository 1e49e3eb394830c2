//! Waits for conditions.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Deadline of a wait; much longer than any wait takes, because the machine is busy with other tests.
pub const LONG: Duration = Duration::from_secs(600);
/// Time between two polls.
const EVERY: Duration = Duration::from_millis(300);
/// Time between two polls of a value that is gone soon.
pub const POLL: Duration = Duration::from_millis(50);

/// Polls until `look` returns a result; its error describes the observed state. The longer a poll takes, the longer
/// is the pause after it, so that a waiting test does not keep a processor busy, not even with a Java program in a
/// container.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    until_every(EVERY, what, || {
        let begun = Instant::now();
        look().inspect_err(|_| thread::sleep(2 * begun.elapsed()))
    })
}

/// The same, with a specified interval.
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
