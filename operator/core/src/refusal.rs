//! Why something that was requested is not carried out.

use casskop_common::conditions::Reason;

/// Why a spec is not carried out, or, with the reasons of operations, why a request is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal<R = Reason> {
    /// One word for machines.
    pub reason: R,
    /// A sentence for people, with the next step.
    pub message: String,
}
