//! What each kind of operation means: pure functions that turn a request into steps and node calls.
//! The interpreter is elsewhere and the same for all ([`crate::cluster`]).
//!
//! To add a kind: a file here, its arguments in `common`, and its line in [`behaviour`].

mod checks;
mod cleanup;
mod flush;
mod tables;

use casskop_common::{
    api::{CassandraClusterSpec, Check},
    operations::Operation,
};

use crate::nodes::{Call, Compaction, Reading};

/// Looks at the ring and says whether an operation may begin on these pods.
pub type CheckFn = fn(&Ring<'_>) -> Check;

/// The ring as an operation sees it.
pub struct Ring<'a> {
    /// Pods of the whole cluster with what their nodes say, or why they say nothing.
    pub nodes: Vec<(&'a str, Result<&'a Reading, String>)>,
    /// Pods that the operation works on.
    pub targets: &'a [String],
}

/// Why an operation is not begun, in words for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One word for machines.
    pub reason: &'static str,
    /// A sentence for people, with the next step.
    pub message: String,
}

/// The meaning of one requested operation.
pub trait Behaviour: Send + Sync {
    /// Steps on each node, in order.
    ///
    /// # Errors
    /// When the request names something that the ring does not have.
    fn steps(&self, ring: &Ring<'_>) -> Result<Vec<String>, Refusal>;

    /// What is counted by the steps, such as `keyspaces`.
    fn unit(&self) -> &'static str;

    /// The node call of a step.
    fn call(&self, step: &str, spec: &CassandraClusterSpec) -> Call;

    /// What a step calls, for people who read the plan.
    fn describe(&self) -> &'static str;

    /// Named checks that hold the operation back until they pass.
    fn checks(&self) -> &'static [CheckFn];

    /// Whether the node works on a step, as far as it shows: nothing for a kind whose work shows nowhere.
    fn is_busy(&self, step: &str, compactions: &[Compaction]) -> Option<bool>;
}

/// The behaviour of an operation.
pub fn behaviour(operation: &Operation) -> &dyn Behaviour {
    match operation {
        Operation::Cleanup(cleanup) => cleanup,
        Operation::Flush(flush) => flush,
    }
}

impl Ring<'_> {
    /// Readings of the nodes that answered.
    pub fn readings(&self) -> impl Iterator<Item = &Reading> {
        self.nodes
            .iter()
            .filter_map(|(_, reading)| reading.as_ref().ok().copied())
    }
}
