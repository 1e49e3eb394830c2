//! Conditions as kstatus (Flux, Helm 4) interprets them, and the invariants that hold after every reconciliation.

use casskop_common::conditions::{
    AVAILABLE, PROGRESSING, READY, RECONCILING, Reason, SPEC_ACCEPTED, STALLED, TYPES,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// Status of a resource according to kstatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The resource does not match its spec yet.
    InProgress,
    /// The resource does not match its spec until an administrator acts.
    Failed,
    /// The resource matches its spec.
    Current,
}

/// Rules of the generic reader of kstatus, in the same order.
pub fn status(conditions: &[Condition], observed: Option<i64>, generation: Option<i64>) -> Status {
    let of = |kind: &str| {
        let mut known = conditions.iter();
        known
            .find(|known| known.type_ == kind)
            .map(|known| known.status.as_str())
    };
    let is_older = observed.is_some() && observed != generation;
    if is_older || of(RECONCILING) == Some("True") {
        Status::InProgress
    } else if of(STALLED) == Some("True") {
        Status::Failed
    } else if matches!(of(READY), Some("False" | "Unknown")) {
        Status::InProgress
    } else {
        Status::Current
    }
}

/// Checks the invariants that hold after every reconciliation.
pub fn check(conditions: &[Condition], generation: Option<i64>) {
    let of = |kind: &str| {
        let mut all = conditions.iter().filter(|known| known.type_ == kind);
        let found = all.next().map(|known| known.status == "True");
        assert!(all.next().is_none(), "two of {kind}: {conditions:#?}");
        found
    };
    for condition in conditions {
        assert!(TYPES.contains(&condition.type_.as_str()), "{condition:?}");
        assert!(
            Reason::from_word(&condition.reason).is_some(),
            "{condition:?}"
        );
        assert_eq!(condition.observed_generation, generation, "{condition:?}");
    }
    let ready = of(READY).expect("Ready is always there");
    let (available, progressing) = (of(AVAILABLE), of(PROGRESSING));
    let (accepted, reconciling, stalled) = (of(SPEC_ACCEPTED), of(RECONCILING), of(STALLED));
    assert_ne!(reconciling, Some(false), "{conditions:#?}");
    assert_ne!(stalled, Some(false), "{conditions:#?}");
    let is_there = available == Some(true) && accepted == Some(true);
    assert_eq!(
        ready,
        is_there && progressing == Some(false),
        "{conditions:#?}"
    );
    // A refused spec is never reported as settled.
    if accepted == Some(false) {
        assert!(stalled == Some(true), "{conditions:#?}");
    }
    let is_known = status(conditions, generation, generation);
    assert_eq!(is_known == Status::Current, ready, "{conditions:#?}");
    assert_eq!(
        is_known == Status::Failed,
        stalled == Some(true),
        "{conditions:#?}"
    );
}
