//! Why something that was requested is not carried out.

/// Why a spec or a request is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One word for machines, in CamelCase as reasons of conditions are.
    pub reason: &'static str,
    /// A sentence for people, with the next step.
    pub message: String,
}
