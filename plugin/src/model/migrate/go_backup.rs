//! `CassandraBackup` of the Go `CassKop`: backups are requests and schedules of the `CassandraCluster`.

use super::table::{Row, Rule};

const NONE: &str = "a backup is a request on the CassandraCluster; those of the Go CassKop stay in their bucket, in their own format";
const REQUEST: &str = "declare the store in spec.backup.stores of the CassandraCluster, then: kubectl casskop backup CLUSTER --to STORE";
const KEYSPACES: &str = "kubectl casskop backup CLUSTER --to STORE --keyspace KEYSPACE";
const SCHEDULE: &str = "spec.schedules of the CassandraCluster, with request: backup --to STORE";
const STORE: &str = "spec.backup.stores of the CassandraCluster, with the same Secret";
const RATE: &str = "spec.backup.rate of the CassandraCluster";

/// The rows.
pub const ROWS: [Row; 13] = [
    ("apiVersion", Rule::Refused(NONE, REQUEST)),
    ("kind", Rule::Refused(NONE, REQUEST)),
    ("metadata.name", Rule::Refused(NONE, REQUEST)),
    ("spec.cassandraCluster", Rule::Refused(NONE, REQUEST)),
    ("spec.datacenter", Rule::Refused(NONE, REQUEST)),
    ("spec.entities", Rule::Refused(NONE, KEYSPACES)),
    ("spec.snapshotTag", Rule::Refused(NONE, REQUEST)),
    ("spec.schedule", Rule::Refused(NONE, SCHEDULE)),
    ("spec.storageLocation", Rule::Refused(NONE, STORE)),
    ("spec.duration", Rule::Refused(NONE, RATE)),
    ("spec.bandwidth", Rule::Refused(NONE, RATE)),
    ("spec.concurrentConnections", Rule::Refused(NONE, RATE)),
    ("spec.secret", Rule::Refused(NONE, STORE)),
];
