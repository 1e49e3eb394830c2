//! The time since a moment, by the clocks of the machine.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Tells how long ago a moment was.
pub(crate) type Elapsed = Box<dyn Fn() -> Duration + Send + Sync>;

/// Starts stop watches. Tests have one of their own.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> Elapsed + Send + Sync>);

impl Clock {
    pub(crate) fn new(start: impl Fn() -> Elapsed + Send + Sync + 'static) -> Self {
        Self(Arc::new(start))
    }

    /// The steady clock stands still while the machine is suspended, and the other one may be set back: the later one counts.
    pub(crate) fn system() -> Self {
        Self::new(|| {
            let (steady, wall) = (Instant::now(), SystemTime::now());
            Box::new(move || steady.elapsed().max(wall.elapsed().unwrap_or_default()))
        })
    }

    pub(crate) fn start(&self) -> Elapsed {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}
