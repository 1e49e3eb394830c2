//! The Jobs that bring the files of the nodes of a ring that is restored.

use casskop_common::names;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube_core::ResourceExt;

/// The inputs of a Job: one with other inputs counts for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreInputs {
    /// Digest of its work.
    pub work: String,
    /// Digest of the volumes that it writes to, by their UIDs: a volume that was replaced is empty.
    pub volumes: String,
}

impl RestoreInputs {
    /// Those in the annotations of a Job.
    pub fn of(job: &Job) -> Self {
        let annotation = |key| job.annotations().get(key).cloned().unwrap_or_default();
        Self {
            work: annotation(names::INPUTS_DIGEST),
            volumes: annotation(names::RESTORED_VOLUMES),
        }
    }
}

/// A Job, as it was found by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreJob {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Whether it is of the cluster, and not of another author with its name.
    pub is_ours: bool,
    /// Its inputs.
    pub inputs: RestoreInputs,
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
