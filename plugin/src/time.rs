//! Durations and points in time, as people read and type them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Freezes the clock, for tests.
const NOW: &str = "CASSKOP_NOW";

/// The current time.
pub fn now() -> Timestamp {
    std::env::var(NOW)
        .ok()
        .and_then(|now| now.parse().ok())
        .unwrap_or_else(Timestamp::now)
}

/// Parses `90s`, `30m`, `1h30m`.
///
/// # Errors
/// When it is no duration.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let no_duration = || format!("'{text}' is no duration; write 90s, 30m or 2h");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let duration: SignedDuration = text.parse().map_err(|_| no_duration())?;
    Duration::try_from(duration).map_err(|_| no_duration())
}

/// Time from `start` to `end`, as [`short`] writes it.
pub fn between(start: Timestamp, end: Timestamp) -> String {
    short(end.duration_since(start))
}

/// The two largest units that matter: `12s`, `4m12s`, `3h20m`, `5d4h`, `42d`.
pub fn short(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |large: i64, unit: char, small: i64, small_unit: char| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit}{small}{small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => two(minutes, 'm', seconds % 60, 's'),
        3600..86400 => two(hours, 'h', minutes % 60, 'm'),
        86400..864_000 => two(days, 'd', hours % 24, 'h'),
        _ => format!("{days}d"),
    }
}

/// Only the largest unit, for what is no more than a guess: `40s`, `5m`, `3h`.
pub fn about(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(1);
    let nearest = |unit: i64| (seconds + unit / 2) / unit;
    match seconds {
        0..55 => format!("{}s", (seconds + 4) / 5 * 5),
        55..5400 => format!("{}m", nearest(60)),
        5400..129_600 => format!("{}h", nearest(3600)),
        _ => format!("{}d", nearest(86400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        assert_eq!(parse_duration("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        for wrong in ["", "30", "-5s", "soon"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_as_people_read_them() {
        let written: Vec<String> = [-3, 0, 59, 60, 252, 3600, 12_000, 90_000, 864_000]
            .into_iter()
            .map(|seconds| short(SignedDuration::from_secs(seconds)))
            .collect();
        assert_eq!(
            written,
            [
                "0s", "0s", "59s", "1m", "4m12s", "1h", "3h20m", "1d1h", "10d"
            ]
        );
    }

    #[test]
    fn guesses() {
        let written: Vec<String> = [0, 12, 55, 498, 5400, 90_000, 200_000]
            .map(|seconds| about(SignedDuration::from_secs(seconds)))
            .into();
        assert_eq!(written, ["5s", "15s", "1m", "8m", "2h", "25h", "2d"]);
    }
}
