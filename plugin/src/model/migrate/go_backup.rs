//! `CassandraBackup` of the Go `CassKop`: this operator has no backups.

use super::table::{Row, Rule};

const NONE: &str = "backups are not part of this operator";
const SNAPSHOT: &str = "kubectl casskop snapshot CLUSTER --name NAME makes a snapshot on the volumes; a sidecar (sidecarConfigs) or a program beside the ring stores it elsewhere";
const SCHEDULE: &str = "a CronJob that runs kubectl casskop snapshot CLUSTER --name NAME";
const STORE: &str = "keep it with the program that stores the snapshots";

/// The rows.
pub const ROWS: [Row; 13] = [
    ("apiVersion", Rule::Refused(NONE, SNAPSHOT)),
    ("kind", Rule::Refused(NONE, SNAPSHOT)),
    ("metadata.name", Rule::Refused(NONE, SNAPSHOT)),
    ("spec.cassandraCluster", Rule::Refused(NONE, SNAPSHOT)),
    ("spec.datacenter", Rule::Refused(NONE, SNAPSHOT)),
    ("spec.entities", Rule::Refused(NONE, SNAPSHOT)),
    ("spec.snapshotTag", Rule::Refused(NONE, SNAPSHOT)),
    ("spec.schedule", Rule::Refused(NONE, SCHEDULE)),
    ("spec.storageLocation", Rule::Refused(NONE, STORE)),
    ("spec.duration", Rule::Refused(NONE, STORE)),
    ("spec.bandwidth", Rule::Refused(NONE, STORE)),
    ("spec.concurrentConnections", Rule::Refused(NONE, STORE)),
    ("spec.secret", Rule::Refused(NONE, STORE)),
];
