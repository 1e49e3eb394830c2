//! Views of the ring that many nodes have in common.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    hash::Hash,
    sync::Arc,
};

use super::Reading;

/// The different views of the ring among the readings of one cluster.
///
/// Each node of a ring reports the addresses and host ids of all nodes. In a ring of 300 nodes these are 300 copies of
/// the same 300 entries; equal views are kept once.
#[derive(Debug, Default)]
pub struct SharedViews {
    addresses: HashSet<Arc<BTreeSet<String>>>,
    host_ids: HashSet<Arc<BTreeMap<String, String>>>,
    keyspaces: HashSet<Arc<Vec<String>>>,
}

impl SharedViews {
    /// Replaces the views of a reading that an earlier reading has too by those of the earlier reading.
    pub fn share(&mut self, reading: &mut Reading) {
        one_of(&mut self.addresses, &mut reading.live);
        one_of(&mut self.addresses, &mut reading.unreachable);
        one_of(&mut self.host_ids, &mut reading.host_ids);
        one_of(&mut self.keyspaces, &mut reading.keyspaces);
    }
}

fn one_of<T: Eq + Hash>(known: &mut HashSet<Arc<T>>, view: &mut Arc<T>) {
    if let Some(earlier) = known.get(view) {
        *view = earlier.clone();
    } else {
        known.insert(view.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(live: &[&str]) -> Reading {
        Reading {
            live: Arc::new(live.iter().map(|ip| (*ip).to_owned()).collect()),
            host_ids: Arc::new([("10.0.0.1".to_owned(), "a".to_owned())].into()),
            keyspaces: Arc::new(vec!["orders".to_owned()]),
            ..Reading::default()
        }
    }

    #[test]
    fn equal_views_are_kept_once_and_different_views_apart() {
        let mut readings = [
            reading(&["10.0.0.1", "10.0.0.2"]),
            reading(&["10.0.0.1"]),
            reading(&["10.0.0.1", "10.0.0.2"]),
        ];
        let before = readings.clone();
        let mut views = SharedViews::default();
        for reading in &mut readings {
            views.share(reading);
        }
        assert_eq!(readings, before);
        let [first, second, third] = &readings;
        assert!(Arc::ptr_eq(&first.live, &third.live));
        assert!(!Arc::ptr_eq(&first.live, &second.live));
        assert!(Arc::ptr_eq(&first.host_ids, &second.host_ids));
        assert!(Arc::ptr_eq(&first.keyspaces, &third.keyspaces));
        assert!(Arc::ptr_eq(&first.unreachable, &second.unreachable));
    }
}
