//! `CassandraRestore` of the Go `CassKop`: this operator has no backups.

use super::table::{Row, Rule};

const NONE: &str = "restoring a backup is not part of this operator";
const REFRESH: &str = "put the files into the folders of the tables, then: kubectl casskop refresh CLUSTER --keyspace KEYSPACE --table TABLE; or load them with sstableloader";

/// The rows.
pub const ROWS: [Row; 14] = [
    ("apiVersion", Rule::Refused(NONE, REFRESH)),
    ("kind", Rule::Refused(NONE, REFRESH)),
    ("metadata.name", Rule::Refused(NONE, REFRESH)),
    ("spec.cassandraCluster", Rule::Refused(NONE, REFRESH)),
    ("spec.cassandraBackup", Rule::Refused(NONE, REFRESH)),
    ("spec.datacenter", Rule::Refused(NONE, REFRESH)),
    ("spec.entities", Rule::Refused(NONE, REFRESH)),
    ("spec.rename", Rule::Refused(NONE, REFRESH)),
    ("spec.concurrentConnection", Rule::Refused(NONE, REFRESH)),
    ("spec.cassandraDirectory", Rule::Refused(NONE, REFRESH)),
    ("spec.noDeleteTruncates", Rule::Refused(NONE, REFRESH)),
    ("spec.schemaVersion", Rule::Refused(NONE, REFRESH)),
    ("spec.exactSchemaVersion", Rule::Refused(NONE, REFRESH)),
    ("spec.secret", Rule::Refused(NONE, REFRESH)),
];
