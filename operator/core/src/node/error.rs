//! Errors in place of an answer of a node.

use serde::Serialize;

/// Why a node gave no answer that could be used.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq, Serialize)]
pub enum NodeError {
    /// Nothing listens at the port of the agent.
    #[error("the node does not answer (connection refused)")]
    Refused,
    /// No connection (reset, or none in time), or it broke before an answer came. Whether a call had begun is unknown.
    #[error("the node does not answer ({0})")]
    Unreachable(String),
    /// A connection, and no answer in time.
    #[error("the node did not answer within {0} s")]
    Timeout(u64),
    /// Wrong name or password.
    #[error(
        "the node refuses the Jolokia password (HTTP 401): it is not the one that the pod was started with; restart the pod, or restore the Secret"
    )]
    Unauthorized,
    /// The TLS certificates of the operator and of the node do not fit together.
    #[error(
        "the TLS handshake with the node failed ({0}): the certificates of the operator and of the pod are not of the same CA, have expired, or are not for this ring; compare ca.crt, tls.crt and its DNS names in the Secret that the pod mounts, and restart a pod that was started with other certificates"
    )]
    Untrusted(String),
    /// The operator has no secret that the node accepts: that of its pod is missing, or cannot be used. The reason names it.
    #[error("the operator cannot ask the node: {0}")]
    NoSecret(String),
    /// The node of another pod answers: the address was that of this pod before, or the agent claims to be another one.
    #[error(
        "the node with the host id {host_id} answers at its address, which is that of pod {pod}: nothing is read from it or called until its own node answers"
    )]
    AnotherNode {
        /// Host id that the answer names.
        host_id: String,
        /// Pod that the host id is recorded for.
        pod: String,
    },
    /// The agent's policy forbids the call.
    #[error(
        "the Jolokia policy of the node forbids the call ({0}); the pod was started by an older operator: restart it"
    )]
    Forbidden(String),
    /// An answer that is none.
    #[error("the node's answer is malformed ({0})")]
    Malformed(String),
    /// An answer that is longer than the operator reads.
    #[error(
        "the answer of the node at {address} to {request} has more than {limit} bytes and is not read; an agent that is not the operator's, or another process on its port, may answer: restart the pod"
    )]
    TooLarge {
        /// Address of the node.
        address: String,
        /// Name of the read or of the operation.
        request: &'static str,
        /// Longest answer that is read, in bytes.
        limit: u64,
    },
    /// Cassandra's process runs and does not answer: another call occupies its only connection to the agent. Seconds that
    /// the operator waited.
    #[error(
        "Cassandra runs, and did not answer within {0} s: another call, such as a drain, may occupy it; a node that never answers after its start may have an image whose Management API is older than 0.1.125"
    )]
    Occupied(u64),
    /// The agent of the image lacks what the operator needs.
    #[error(
        "the Management API of the image is too old, or does not fit this version of Cassandra ({0}): use an image with Management API 0.1.125 or later"
    )]
    OutdatedAgent(String),
    /// The transport to the node has no such call.
    #[error("the Management API has no way to {0}")]
    NotSupported(&'static str),
    /// The node does not know the job of the call any more: Cassandra was restarted. Whether its work was done is unknown.
    #[error(
        "the node has forgotten the job {0}: Cassandra was restarted, or the end of the job was not recorded"
    )]
    JobLost(String),
    /// Cassandra said no.
    #[error("{0}")]
    Cassandra(String),
    /// A rebuild: one of the node is still under way.
    #[error("{0}")]
    StillRebuilding(String),
    /// No member has the host id.
    #[error("{0}")]
    UnknownHostId(String),
    /// A removal of the node is under way.
    #[error("{0}")]
    RemovalInProgress(String),
    /// The node has a snapshot of that name.
    #[error("{0}")]
    SnapshotExists(String),
    /// The node has no tokens: it is no member of the ring (yet).
    #[error("{0}")]
    NotAMember(String),
    /// The call ended without having done its work, because something else works on the same tables.
    #[error(
        "the node is busy with other work of this kind, or could not stop the compactions of the same tables"
    )]
    Busy,
    /// A Job beside the node failed, and the next one may not.
    #[error("{0}")]
    JobFailedForNow(String),
    /// The API server does not answer a request about a Job, or refuses it, such as for a quota.
    #[error("{0}")]
    Kubernetes(String),
    /// A Job beside the node failed, or cannot be made, and would fail again.
    #[error("{0}")]
    JobFailed(String),
    /// The call was ended by a cancel.
    #[error("stopped, because the operation was cancelled")]
    Stopped,
    /// The call was answered, and what it should have done is not to be seen.
    #[error("Cassandra answered, but the work is not done; the reason is in its log")]
    Unfinished,
}

impl NodeError {
    /// Whether Cassandra itself said no.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Cassandra(_)
                | Self::StillRebuilding(_)
                | Self::UnknownHostId(_)
                | Self::RemovalInProgress(_)
                | Self::SnapshotExists(_)
                | Self::NotAMember(_)
        )
    }

    /// Whether nothing came from the node: it is down, hangs, or is not reachable.
    pub fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::Refused | Self::Unreachable(_) | Self::Timeout(_)
        )
    }

    /// Whether the node answered a read, but without the values: the node is there, and its state is unknown.
    pub fn is_unreadable(&self) -> bool {
        matches!(
            self,
            Self::Malformed(_) | Self::TooLarge { .. } | Self::Occupied(_) | Self::OutdatedAgent(_)
        ) || self.is_refusal()
    }

    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::Unreachable(_)
                | Self::Timeout(_)
                | Self::AnotherNode { .. }
                | Self::Malformed(_)
                | Self::TooLarge { .. }
                | Self::Occupied(_)
                | Self::JobLost(_)
                | Self::Busy
                | Self::Unfinished
                | Self::JobFailedForNow(_)
                | Self::Kubernetes(_)
        )
    }
}
