//! Slots of a cron expression in a time zone.

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions};
use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{TimeZone, TimeZoneDatabase},
};

/// Time zone of a schedule that names none.
const DEFAULT_TIME_ZONE: &str = "Etc/UTC";

/// No clock is put forward or back by more.
const SHIFT: jiff::SignedDuration = jiff::SignedDuration::from_hours(2);

/// The slots of a cron expression. The expression is about the time on the wall; each such time has one instant.
pub(super) struct Slots {
    cron: Crontab,
    zone: TimeZone,
}

impl Slots {
    /// # Errors
    /// The error in the expression or in the name of the time zone.
    pub(super) fn parse(cron: &str, time_zone: Option<&str>) -> Result<Self, String> {
        let name = time_zone.unwrap_or(DEFAULT_TIME_ZONE);
        // Never that of the machine, which two instances of the operator may have in two versions.
        let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| {
            format!(
                "timeZone: '{name}' is not in the IANA database: write a name such as Europe/Paris"
            )
        })?;
        let fields: Vec<&str> = cron.split_whitespace().collect();
        if fields.len() != 5 || fields.iter().any(|field| !is_plain(field)) {
            return Err(format!(
                "cron: '{cron}' does not have the five fields minute, hour, day of month, month, day of week, of numbers or names with * , - /: an example is '0 2 * * SUN'"
            ));
        }
        // Vixie's cron takes both fields together there, and Kubernetes either of them.
        if is_step(fields[2]) && fields[4] != "*" || is_step(fields[4]) && fields[2] != "*" {
            return Err(format!(
                "cron: '{cron}': */n in the day of the month or of the week means different days in different crons beside the other one: write the days as a list"
            ));
        }
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let cron = cronexpr::parse_crontab_with(cron, options)
            .map_err(|error| format!("cron: '{cron}': {}", reason(&error.to_string())))?;
        Ok(Self { cron, zone })
    }

    /// The first slot after a time; none if there is none within four years.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let mut found: Option<(DateTime, Timestamp)> = None;
        for (wall, instant) in self.from(self.wall(after).checked_sub(SHIFT).ok()?) {
            if found.is_some_and(|(first, _)| first.duration_until(wall) > SHIFT) {
                break;
            }
            if instant > after && found.is_none_or(|(_, best)| instant < best) {
                found = Some((found.map_or(wall, |(first, _)| first), instant));
            }
        }
        found.map(|(_, instant)| instant)
    }

    /// The last slot that is not after a time; none if there was none within the last four years.
    pub(super) fn newest(&self, now: Timestamp) -> Option<Timestamp> {
        let wall = self.wall(now);
        let (start, end) = (wall.checked_sub(SHIFT).ok()?, wall.checked_add(SHIFT).ok()?);
        let before = self.newest_wall(start).and_then(|wall| self.instant(wall));
        let near = self.from(start).take_while(|(wall, _)| *wall <= end);
        let instants = near.map(|(_, instant)| instant);
        instants
            .chain(before)
            .filter(|instant| *instant <= now)
            .max()
    }

    /// The slots after a time on the wall, with their instants. Where clocks are put forward or back, walls and instants are in
    /// another order, as far apart as the clocks are shifted.
    fn from(&self, wall: DateTime) -> impl Iterator<Item = (DateTime, Timestamp)> {
        let next = move |wall: &DateTime| self.next_wall(*wall);
        let walls = std::iter::successors(self.next_wall(wall), next);
        walls.filter_map(|wall| Some((wall, self.instant(wall)?)))
    }

    fn next_wall(&self, after: DateTime) -> Option<DateTime> {
        let after = after.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(self.cron.find_next(after).ok()?.datetime())
    }

    /// The last wall that is not after another: by halves, because the expression is read forwards only.
    fn newest_wall(&self, end: DateTime) -> Option<DateTime> {
        let mut low = end.checked_sub(jiff::Span::new().years(4)).ok()?;
        let mut found = None;
        let mut high = end;
        while low < high {
            let half = low.duration_until(high) / 2;
            let middle = low.checked_add(half).ok()?;
            match self.next_wall(middle).filter(|wall| *wall <= end) {
                Some(wall) => {
                    found = Some(wall);
                    low = wall;
                }
                None => high = middle,
            }
            if half.as_secs() == 0 {
                break;
            }
        }
        found
    }

    fn wall(&self, time: Timestamp) -> DateTime {
        time.to_zoned(self.zone.clone()).datetime()
    }

    fn instant(&self, wall: DateTime) -> Option<Timestamp> {
        Some(wall.to_zoned(self.zone.clone()).ok()?.timestamp())
    }
}

/// Whether a field is `*/n`, also as part of a list.
fn is_step(field: &str) -> bool {
    field.contains('*') && field != "*"
}

/// The reason in an error of the library, which draws the place of the error in the lines before.
fn reason(error: &str) -> &str {
    let last = error.lines().next_back().unwrap_or_default();
    last.trim_start_matches([' ', '^'])
}

/// Whether a field has nothing but what every cron has. The library has more (`L`, `W`, `#`, `H`), which Kubernetes has not.
fn is_plain(field: &str) -> bool {
    field.split(['*', ',', '-', '/']).all(|word| {
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_number || is_name
    })
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn slots(cron: &str, zone: &str) -> Slots {
        Slots::parse(cron, Some(zone)).unwrap()
    }

    /// The slots after a time, on the wall of Paris.
    fn walls(cron: &str, after: &str, count: usize) -> Vec<String> {
        let slots = slots(cron, "Europe/Paris");
        let mut at = time(after);
        let walls = (0..count).map(|_| {
            at = slots.next(at).unwrap();
            assert_eq!(slots.newest(at), Some(at));
            at.to_zoned(slots.zone.clone()).to_string()
        });
        walls.collect()
    }

    #[test]
    fn a_slot_of_the_hour_that_is_left_out_happens_an_hour_later() {
        let found = walls("30 2 * * *", "2026-03-28T00:00:00Z", 3);
        insta::assert_debug_snapshot!(found, @r#"
        [
            "2026-03-28T02:30:00+01:00[Europe/Paris]",
            "2026-03-29T03:30:00+02:00[Europe/Paris]",
            "2026-03-30T02:30:00+02:00[Europe/Paris]",
        ]
        "#);
    }

    #[test]
    fn a_slot_of_the_hour_that_comes_twice_happens_once() {
        let found = walls("30 2 * * *", "2026-10-24T00:00:00Z", 3);
        insta::assert_debug_snapshot!(found, @r#"
        [
            "2026-10-24T02:30:00+02:00[Europe/Paris]",
            "2026-10-25T02:30:00+02:00[Europe/Paris]",
            "2026-10-26T02:30:00+01:00[Europe/Paris]",
        ]
        "#);
        let slots = slots("30 2 * * *", "Europe/Paris");
        let second = time("2026-10-25T01:45:00Z");
        assert_eq!(slots.newest(second), Some(time("2026-10-25T00:30:00Z")));
        assert_eq!(slots.next(second), Some(time("2026-10-26T01:30:00Z")));
    }

    #[test]
    fn days_of_the_month_and_of_the_week_count_as_in_any_cron() {
        let found = walls("0 0 13 * FRI", "2026-02-01T00:00:00Z", 3);
        insta::assert_debug_snapshot!(found, @r#"
        [
            "2026-02-06T00:00:00+01:00[Europe/Paris]",
            "2026-02-13T00:00:00+01:00[Europe/Paris]",
            "2026-02-20T00:00:00+01:00[Europe/Paris]",
        ]
        "#);
    }

    #[test]
    fn a_slot_of_a_leap_day_is_found_in_both_directions() {
        let slots = slots("0 0 29 2 *", "Etc/UTC");
        let day = time("2028-02-29T00:00:00Z");
        assert_eq!(slots.next(time("2026-11-30T00:00:00Z")), Some(day));
        assert_eq!(slots.newest(time("2030-01-01T00:00:00Z")), Some(day));
    }

    #[test]
    fn slots_are_found_in_the_hour_that_comes_twice_and_after_the_one_that_is_left_out() {
        let often = slots("*/7 * * * *", "Europe/Paris");
        let second = time("2026-10-25T01:03:00Z");
        assert_eq!(often.newest(second), Some(time("2026-10-25T00:56:00Z")));
        let once = slots("56 2 * * *", "Europe/Paris");
        assert_eq!(once.newest(second), Some(time("2026-10-25T00:56:00Z")));
        let left_out = slots("30 2 * * *", "Europe/Paris");
        let after = time("2026-03-29T01:10:00Z");
        assert_eq!(left_out.next(after), Some(time("2026-03-29T01:30:00Z")));
        let half = slots("20,40 2 * * *", "Australia/Lord_Howe");
        let before = time("2026-10-03T15:25:00Z");
        let first = half.next(before).unwrap();
        let second = half.next(first).unwrap();
        assert_eq!(
            [first, second].map(|slot| slot.to_string()),
            ["2026-10-03T15:40:00Z", "2026-10-03T15:50:00Z"]
        );
    }

    proptest! {
        #![proptest_config(crate::testing::histories())]

        #[test]
        fn the_newest_and_the_next_slot_have_none_between_them(
            minute in prop::sample::select(&["0", "*", "*/7", "5-9,50"][..]),
            hour in prop::sample::select(&["*", "2", "1-3", "23"][..]),
            day in prop::sample::select(&["*", "31", "1,15"][..]),
            zone in prop::sample::select(&["Etc/UTC", "Europe/Paris", "Australia/Lord_Howe", "America/St_Johns"][..]),
            seconds in 1_700_000_000_i64..1_900_000_000,
        ) {
            let slots = slots(&format!("{minute} {hour} {day} * *"), zone);
            let now = Timestamp::from_second(seconds).unwrap();
            let newest = slots.newest(now).unwrap();
            let next = slots.next(now).unwrap();
            prop_assert!(newest <= now && now < next);
            prop_assert_eq!(slots.newest(next), Some(next));
            let before = next.checked_sub(SignedDuration::from_secs(1)).unwrap();
            prop_assert_eq!(slots.newest(before), Some(newest));
        }
    }
}
