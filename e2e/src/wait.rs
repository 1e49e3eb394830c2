//! Waiting for a condition.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Deadline of a wait; far more than anything here takes, because the machine is busy with other tests.
pub const LONG: Duration = Duration::from_secs(600);
/// Time between two looks.
const EVERY: Duration = Duration::from_millis(300);

/// Looks until `look` has found what is waited for; it tells what it sees instead. The longer a look takes, the longer is
/// the pause behind it: a test that waits keeps no processor busy, not even with a Java program in a container.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    until_every(EVERY, what, || {
        let begun = Instant::now();
        look().inspect_err(|_| thread::sleep(2 * begun.elapsed()))
    })
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
