//! Pictures of the clusters as JSON, each made once for all pages that show the same.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::model::fleet::{Fleet, Key};

/// Shortest time between two pictures of the same: clusters may change many times per second.
pub const PAUSE: Duration = Duration::from_millis(250);

/// The content of a page with its chosen cluster, as JSON.
pub type Render = Box<dyn Fn(&Fleet, Option<&Key>) -> String + Send + Sync>;

/// The content of a page.
#[derive(Clone)]
pub struct Picture {
    /// The revision of the clusters that it shows.
    pub revision: u64,
    /// As JSON.
    pub text: Arc<str>,
    at: Instant,
}

/// The pictures that are recent, by the chosen cluster.
pub struct Pictures {
    render: Render,
    recent: Mutex<BTreeMap<Option<Key>, Picture>>,
}

impl Pictures {
    /// Made by `render`.
    pub fn new(render: Render) -> Self {
        Self {
            render,
            recent: Mutex::default(),
        }
    }

    /// A recent picture: of these clusters, or of those a moment before, which its revision tells.
    pub fn of(&self, fleet: &Fleet, chosen: Option<&Key>, now: Instant) -> Picture {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, one| now.duration_since(one.at) < PAUSE);
        let chosen = chosen.cloned();
        if let Some(one) = recent.get(&chosen) {
            return one.clone();
        }
        let picture = Picture {
            revision: fleet.revision,
            text: (self.render)(fleet, chosen.as_ref()).into(),
            at: now,
        };
        recent.insert(chosen, picture.clone());
        picture
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn many_pages_and_many_changes_are_few_pictures() {
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        let pictures = Pictures::new(Box::new(move |fleet, _| {
            count.fetch_add(1, Ordering::Relaxed);
            fleet.revision.to_string()
        }));
        let begin = Instant::now();
        let mut fleet = Fleet::default();
        for millisecond in 0..1000 {
            fleet.revision = millisecond;
            let now = begin + Duration::from_millis(millisecond);
            for _ in 0..32 {
                let picture = pictures.of(&fleet, None, now);
                assert_eq!(*picture.text, *picture.revision.to_string());
                assert!(fleet.revision - picture.revision < 250, "it is recent");
            }
        }
        assert_eq!(made.load(Ordering::Relaxed), 4);
        let other = ("shop".to_owned(), "demo".to_owned());
        let picture = pictures.of(&fleet, Some(&other), begin + Duration::from_millis(999));
        assert_eq!(picture.revision, 999, "another cluster is another picture");
    }
}
