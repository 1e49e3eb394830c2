//! The Jobs that bring the files of the nodes of a ring that is restored.

use jiff::Timestamp;

/// A Job, as it was found by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreJob {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The Kubernetes node that it was made for.
    pub node: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Why no pod of it runs, in the words of Kubernetes.
    pub problem: Option<String>,
    /// Its end, if it has ended.
    pub end: Option<RestoreEnd>,
}

/// The end of a Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreEnd {
    /// All files are there.
    Complete,
    /// It failed.
    Failed {
        /// When.
        at: Timestamp,
        /// Whether the same Job would fail again.
        lasting: bool,
        /// Message: the error of its last pod.
        why: String,
    },
}
