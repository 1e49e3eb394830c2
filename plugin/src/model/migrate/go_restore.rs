//! `CassandraRestore` of the Go `CassKop`: a backup of this operator becomes a new ring, by a field of its `CassandraCluster`.

use super::table::{Row, Rule};

const NONE: &str = "a backup is restored into a new CassandraCluster, and only one that this operator has made; those of the Go CassKop are read by their own tools";
const NEW: &str =
    "spec.restore of a new CassandraCluster of the same shape, which stays the same in Git";
const TABLES: &str = "restore all into a new CassandraCluster, and copy the tables from there; or put the files into the folders of the tables, then: kubectl casskop refresh CLUSTER --keyspace KEYSPACE --table TABLE; or load them with sstableloader";
const STORE: &str = "spec.backup.stores of the new CassandraCluster, with the same Secret";

/// The rows.
pub const ROWS: [Row; 14] = [
    ("apiVersion", Rule::Refused(NONE, NEW)),
    ("kind", Rule::Refused(NONE, NEW)),
    ("metadata.name", Rule::Refused(NONE, NEW)),
    ("spec.cassandraCluster", Rule::Refused(NONE, NEW)),
    ("spec.cassandraBackup", Rule::Refused(NONE, NEW)),
    ("spec.datacenter", Rule::Refused(NONE, NEW)),
    ("spec.entities", Rule::Refused(NONE, TABLES)),
    ("spec.rename", Rule::Refused(NONE, TABLES)),
    ("spec.concurrentConnection", Rule::Refused(NONE, NEW)),
    ("spec.cassandraDirectory", Rule::Refused(NONE, NEW)),
    ("spec.noDeleteTruncates", Rule::Refused(NONE, TABLES)),
    ("spec.schemaVersion", Rule::Refused(NONE, NEW)),
    ("spec.exactSchemaVersion", Rule::Refused(NONE, NEW)),
    ("spec.secret", Rule::Refused(NONE, STORE)),
];
