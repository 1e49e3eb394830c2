//! Which checks hold an operation back. Pure.

use casskop_common::api::Check;

/// What the operator writes before what a waived check saw.
pub const WAIVED: &str = "waived; ";

/// Whether a check holds an operation back.
pub fn holds_back(check: &Check) -> bool {
    !check.passed && !is_waived(check)
}

/// Whether a check is waived.
pub fn is_waived(check: &Check) -> bool {
    check.evidence.starts_with(WAIVED)
}
