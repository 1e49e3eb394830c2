//! The decisions of a purge: which backups end, and which objects.

use std::collections::BTreeSet;

use casskop_backup_protocol::Name;
use jiff::{SignedDuration, Timestamp};

/// A backup that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its id.
    pub backup: Name,
    /// When its cluster manifest was written, by the clock of the store.
    pub written: Timestamp,
    /// Keyspaces that it has, without the others; all if there is none.
    pub keyspaces: Vec<Name>,
    /// Nodes of the cluster that it does not have.
    pub left_out: BTreeSet<Name>,
}

impl Held {
    /// Whether this one can take the place of the other: it has all of its keyspaces and nodes.
    fn covers(&self, other: &Self) -> bool {
        let has_keyspaces = self.keyspaces.is_empty() || self.keyspaces == other.keyspaces;
        has_keyspaces && self.left_out.is_subset(&other.left_out)
    }
}

/// The backups that neither the number nor the days keep; none if nothing is asked for. A backup ends if so many newer ones cover
/// it: one in part takes the place of no whole one, so that the newest whole one stays.
pub fn expired(
    mut held: Vec<Held>,
    now: Timestamp,
    count: Option<u32>,
    days: Option<u32>,
) -> Vec<Name> {
    if count.is_none() && days.is_none() {
        return Vec::new();
    }
    held.sort_by(|left, right| (right.written, &right.backup).cmp(&(left.written, &left.backup)));
    let wanted = count.map_or(1, |count| {
        usize::try_from(count).unwrap_or(usize::MAX).max(1)
    });
    let fresh = |held: &Held| {
        days.is_some_and(|days| {
            now.duration_since(held.written) < SignedDuration::from_hours(i64::from(days) * 24)
        })
    };
    let over = |number: usize, one: &Held| {
        let newer = held[..number].iter().filter(|newer| newer.covers(one));
        newer.count() >= wanted && !fresh(one)
    };
    held.iter()
        .enumerate()
        .filter(|(number, one)| over(*number, one))
        .map(|(_, one)| one.backup.clone())
        .collect()
}

/// The end of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A backup has it.
    Kept,
    /// No backup has it since this time.
    Orphan(Timestamp),
    /// No backup had it in an earlier pass and none has it now.
    Swept,
}

/// Decides about an object that was written at `written`. `seen` is when an earlier pass found it without a backup, and `after`
/// the time that has to be between the two passes. All times are of the store.
pub fn fate(
    marked: bool,
    written: Timestamp,
    seen: Option<Timestamp>,
    now: Timestamp,
    after: SignedDuration,
    may_sweep: bool,
) -> Fate {
    if marked {
        return Fate::Kept;
    }
    match seen {
        // Written again since: it belongs to a backup that has begun after the earlier pass.
        Some(seen) if written >= seen => Fate::Orphan(now),
        Some(seen) if may_sweep && seen < now && now.duration_since(seen) >= after => Fate::Swept,
        Some(seen) => Fate::Orphan(seen),
        None => Fate::Orphan(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn held(days: &[i64]) -> Vec<Held> {
        days.iter()
            .map(|day| Held {
                backup: format!("b{day}").parse().unwrap(),
                written: at(day * 86_400),
                keyspaces: Vec::new(),
                left_out: BTreeSet::new(),
            })
            .collect()
    }

    fn some_node() -> BTreeSet<Name> {
        ["demo-dc1-rack1-0".parse().unwrap()].into()
    }

    /// Two schedules, one for each data center, and one node by hand.
    #[test]
    fn a_backup_of_other_nodes_takes_no_place() {
        let node = |name: &str| -> Name { name.parse().unwrap() };
        let mut all = held(&[1, 2, 3, 4]);
        all[0].left_out = [node("dc2-0"), node("dc2-1")].into();
        all[1].left_out = [node("dc1-0")].into();
        all[2].left_out = [node("dc1-0"), node("dc2-0")].into();
        all[3].left_out = [node("dc2-0"), node("dc2-1")].into();
        let now = at(1000 * 86_400);
        assert_eq!(names_of(expired(all, now, Some(1), None)), ["b1"]);
    }

    fn names(names: &[Name]) -> Vec<&str> {
        names.iter().map(Name::as_str).collect()
    }

    #[test]
    fn number_and_days() {
        let now = at(10 * 86_400);
        let expired = |count, days| expired(held(&[1, 5, 3, 9]), now, count, days);
        assert_eq!(names(&expired(None, None)), [""; 0]);
        assert_eq!(names(&expired(Some(2), None)), ["b3", "b1"]);
        assert_eq!(names(&expired(None, Some(6))), ["b3", "b1"]);
        assert_eq!(names(&expired(Some(3), Some(2))), ["b1"]);
        assert_eq!(names(&expired(Some(0), Some(0))), ["b5", "b3", "b1"]);
    }

    #[test]
    fn a_backup_in_part_takes_no_place() {
        let mut all = held(&[1, 2, 3, 4, 5, 6]);
        // The newest ones lack a node, or have one keyspace only.
        all[5].left_out = some_node();
        for part in [1, 3, 4] {
            all[part].keyspaces = vec!["shop".parse().unwrap()];
        }
        let now = at(1000 * 86_400);
        let expired = |count| names_of(expired(all.clone(), now, count, Some(1)));
        // The whole b3 stays, and so do those in part that are newer than it: b5 and b6.
        assert_eq!(expired(None), ["b4", "b2", "b1"]);
        assert_eq!(expired(Some(2)), ["b2"]);
    }

    fn names_of(all: Vec<Name>) -> Vec<String> {
        all.into_iter().map(String::from).collect()
    }

    proptest! {
        /// However many backups in part are newer.
        #[test]
        fn the_newest_whole_one_stays(parts in prop::collection::vec((any::<bool>(), any::<bool>()), 1..20), count in prop::option::of(0u32..5), keep in prop::option::of(0u32..400)) {
            let days: Vec<i64> = (0..).take(parts.len()).collect();
            let mut all = held(&days);
            for (one, (keyspace, left_out)) in all.iter_mut().zip(parts) {
                one.left_out.extend(left_out.then(some_node).into_iter().flatten());
                one.keyspaces.extend(keyspace.then(|| "shop".parse().unwrap()));
            }
            let gone = expired(all.clone(), at(2000 * 86_400), count, keep);
            let whole = |one: &&Held| one.keyspaces.is_empty() && one.left_out.is_empty();
            let whole: Vec<&Held> = all.iter().filter(whole).collect();
            let kept = whole.iter().filter(|one| !gone.contains(&one.backup)).count();
            prop_assert!(kept >= whole.len().min(count.unwrap_or(1).max(1) as usize));
            prop_assert!(whole.last().is_none_or(|newest| !gone.contains(&newest.backup)));
        }

        #[test]
        fn the_newest_stays(days in prop::collection::btree_set(0i64..1000, 1..20), count in prop::option::of(0u32..5), keep in prop::option::of(0u32..400)) {
            let all: Vec<i64> = days.into_iter().collect();
            let gone = expired(held(&all), at(2000 * 86_400), count, keep);
            let newest: Name = format!("b{}", all.last().unwrap()).parse().unwrap();
            prop_assert!(!gone.contains(&newest));
            prop_assert!(all.len() - gone.len() >= all.len().min(count.unwrap_or(1) as usize));
        }

        #[test]
        fn one_pass_deletes_nothing(marked: bool, written in 0i64..100, seen in prop::option::of(0i64..100), now in 0i64..200, after in 0i64..50, may: bool) {
            let fate = fate(marked, at(written), seen.map(at), at(now), SignedDuration::from_secs(after), may);
            if fate == Fate::Swept {
                prop_assert!(may && !marked && seen.is_some_and(|seen| written < seen && seen < now && seen + after <= now));
            }
        }
    }
}
