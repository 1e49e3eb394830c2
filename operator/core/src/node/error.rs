//! What may come instead of an answer.

use serde::Serialize;

/// Why a node gave no answer that could be used.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq, Serialize)]
pub enum NodeError {
    /// No connection, or it broke before an answer came. Whether a call had begun is unknown.
    #[error("the node does not answer ({0})")]
    Unreachable(String),
    /// No answer in time.
    #[error("the node did not answer within {0} s")]
    Timeout(u64),
    /// Wrong name or password.
    #[error(
        "the node refuses the Jolokia password (HTTP 401): it is not the one that the pod was started with; restart the pod, or restore the Secret"
    )]
    Unauthorized,
    /// The agent's policy forbids the call.
    #[error(
        "the Jolokia policy of the node forbids the call ({0}); the pod was started by an older operator: restart it"
    )]
    Forbidden(String),
    /// An answer that is none.
    #[error("the node's answer makes no sense ({0})")]
    Malformed(String),
    /// Cassandra said no.
    #[error("{0}")]
    Cassandra(String),
    /// The call ended without having done its work, because something else works on the same tables.
    #[error(
        "the node is busy with other work of this kind, or could not stop the compactions of the same tables"
    )]
    Busy,
    /// The call was ended by a cancel.
    #[error("stopped, because the operation was cancelled")]
    Halted,
    /// The call was answered, and what it should have done is not to be seen.
    #[error("Cassandra answered, but it has not done what it was told; its log says why")]
    Unfinished,
}

impl NodeError {
    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::Timeout(_)
                | Self::Malformed(_)
                | Self::Busy
                | Self::Unfinished
        )
    }
}
