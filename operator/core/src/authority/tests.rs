//! The steps of a renewal, and the trust between the operator and the nodes.

mod steps;
mod trust;

use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn start() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().expect("a time")
}

fn authority(id: &str, issued_at: Timestamp) -> Authority {
    Authority {
        id: id.to_owned(),
        validity: Validity::new(issued_at, AUTHORITY_LIFE),
    }
}

fn certificate(issuer: &str, trusted: &[&str], written_at: Timestamp) -> Certificate {
    Certificate {
        issuer: issuer.to_owned(),
        trusted: trusted.iter().map(|&id| id.to_owned()).collect(),
        validity: Validity::new(written_at, CERTIFICATE_LIFE),
        written_at,
    }
}

#[test]
fn times_at_the_end_of_the_calendar_are_no_error() {
    for now in [Timestamp::MIN, Timestamp::MAX] {
        let authorities = [authority("a", now)];
        let present = certificate("a", &["a"], start());
        let _ = decide(&authorities, Some(&present), now);
        let _ = decide(&authorities, None, start());
    }
}

#[test]
fn a_certificate_that_is_not_renewed_in_time_is_noticed() {
    let hour = SignedDuration::from_hours(1);
    let validity = Validity::new(start(), DAY * 90);
    assert!(!validity.ends_soon(start() + DAY * 76 - hour));
    assert!(validity.ends_soon(start() + DAY * 76));
    assert!(validity.ends_soon(start() + DAY * 100));
    let short = Validity::new(start(), DAY);
    assert!(!short.ends_soon(start() + hour * 17));
    assert!(short.ends_soon(start() + hour * 18));
}
