//! The API `db.orange.com/v2`: resources written by users, with a status written by the operator.
//!
//! Group, version, kind and field names are those of the Go `CassKop`, so that its manifests apply unchanged.

mod authentication;
mod backup;
mod cluster;
mod debt;
mod metrics;
mod multi;
mod operation;
mod pods;
mod schedules;
mod status;
mod tls;
mod topology;

use schemars::{Schema, SchemaGenerator, json_schema};

pub use crate::conditions as condition;
pub use authentication::{
    Authentication, Grant, GrantTarget, LoginStep, Permission, RoleReplicas, User, UserOrigin,
    UserRemoval, UserStatus,
};
pub use backup::{
    Backup, BackupRetention, BackupStatus, BackupStore, BackupVolume, Restore, RestorePhase,
    RestoreStatus, RestoredCluster, STORE_FOLDER,
};
pub use cluster::{CassandraCluster, CassandraClusterSpec};
pub use debt::{CleanupReason, SeenReplication};
pub use metrics::Metrics;
pub use multi::{
    ChildStatus, Drift, MultiCasskop, MultiCasskopSpec, MultiCasskopStatus, MultiOperation,
    Reachability, SiteOperation, SiteStatus,
};
pub use operation::{
    Check, NodeCounts, NodeJob, NodePhase, OperationMode, OperationNode, OperationPhase,
    OperationPlan, OperationReason, OperationStatus, Progress, Requester, VolumeRef, Work,
};
pub use pods::{
    BackRestSidecar, JmxConfiguration, NodeApi, NodeApiKind, NodeTls, NodeTransport, PodPolicy,
    ServicePolicy, StorageConfig,
};
pub use schedules::{Schedule, ScheduleStatus};
pub use status::{
    CassandraClusterStatus, IntentError, LastAction, NodeStatus, Phase, PodLastOperation,
    RackStatus, RackWrite, UNOBSERVED,
};
pub use tls::{ClientMode, ClientTls, InternodeMode, InternodeTls, Tls};
pub use topology::{Dc, Rack, Topology};

/// API group of all CassKop resources.
pub const GROUP: &str = "db.orange.com";
/// The served and stored version.
pub const VERSION: &str = "v2";

/// Schema of a free-form JSON object: the API server keeps unknown fields.
fn free_form(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
