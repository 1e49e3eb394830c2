//! The messages between the operator and `casskop-backup`: where backups are kept ([`Store`]), what a Job has to do
//! ([`NodeJob`] and others), what it did ([`Summary`]), and the manifests in the store ([`NodeManifest`],
//! [`ClusterManifest`]).
//!
//! Types and parsers only. Everything that is read from a store is checked when it is parsed: a name is a [`Name`], a path
//! is a [`FilePath`], and neither can leave the folder that it is meant for.

mod job;
mod manifest;
mod names;
mod store;
mod summary;

pub use job::{
    CompleteJob, FetchJob, Limits, LimitsError, NodeJob, NodePlace, PurgeJob, RackShape,
    RestoreMarker, StoreJob, TableName,
};
pub use manifest::{
    ClusterManifest, FORMAT, FileEntry, MAX_CLUSTER_MANIFEST, MAX_NODE_MANIFEST, ManifestError,
    NodeEntry, NodeManifest, NodeSummary, TableEntry,
};
pub use names::{Cluster, Digest, FilePath, InvalidName, Name};
pub use store::{Azure, Gcs, S3, Store, StoreError, StoreKind};
pub use summary::{BackupListing, Outcome, Problem, Summary, TERMINATION_LIMIT, exit};
