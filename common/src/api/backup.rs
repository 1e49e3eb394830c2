//! Backups: where they go, and what is known of them.

use casskop_backup_protocol::{Azure, Gcs, S3, Store};
use k8s_openapi::{
    api::core::v1::LocalObjectReference, apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Folder in which a Job has the volume of a store.
pub const STORE_FOLDER: &str = "/casskop/store";

/// Stores of backups, and bounds of the Jobs that make them. Nothing runs in the Cassandra pods, and no change here rolls them.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Stores, by the names that requests have for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub stores: Vec<BackupStore>,
    /// Most bytes per second that the Job of each node reads from the volume, such as `20Mi` (default `40Mi`; `0`: no limit).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("isQuantity(self) && !quantity(self).isLessThan(quantity('0'))")
        .message("rate is a Kubernetes quantity of bytes per second, such as 40Mi"))]
    pub rate: Option<String>,
}

/// A store: exactly one of `s3`, `gcs`, `azure` and `volume`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = Rule::new("[has(self.s3), has(self.gcs), has(self.azure), has(self.volume)].filter(one, one).size() == 1")
    .message("a store has exactly one of s3, gcs, azure and volume"))]
#[serde(rename_all = "camelCase")]
pub struct BackupStore {
    /// Name of the store.
    #[schemars(length(min = 1, max = 40), pattern("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// A bucket of Amazon S3, or of a server that speaks its protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
    /// A bucket of Google Cloud Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcs: Option<Gcs>,
    /// A container of Azure Blob Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<Azure>,
    /// A volume that every node of Kubernetes can mount, such as NFS. NFS needs the mount options
    /// `sync,lookupcache=none,noac`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<BackupVolume>,
    /// Secret with the credentials, mounted into the Jobs only: keys such as `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `GOOGLE_SERVICE_ACCOUNT_KEY`, `AZURE_STORAGE_ACCOUNT_KEY`, or those of the Go `CassKop` (default: none, for a workload
    /// identity).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<LocalObjectReference>,
    /// Backups that stay. After each backup, the others are deleted, and later the objects that no backup has (default: all
    /// stay). The newest backup of everything stays always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<BackupRetention>,
    /// Service account of the Jobs, for a workload identity (default: that of the Cassandra pods).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
}

/// Backups that stay: a backup that either field keeps is not deleted.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = Rule::new("has(self.count) || has(self.days)").message("retention has count, days, or both"))]
#[serde(rename_all = "camelCase")]
pub struct BackupRetention {
    /// The newest so many backups stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub count: Option<u32>,
    /// Backups stay for so many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub days: Option<u32>,
}

/// A volume of a store.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BackupVolume {
    /// `PersistentVolumeClaim` in the namespace of the cluster, with the access mode `ReadWriteMany`.
    #[schemars(length(min = 1, max = 253))]
    pub claim_name: String,
}

impl BackupStore {
    /// The store as the Jobs see it.
    pub fn place(&self) -> Store {
        Store {
            s3: self.s3.clone(),
            gcs: self.gcs.clone(),
            azure: self.azure.clone(),
            path: self.volume.as_ref().map(|_| STORE_FOLDER.to_owned()),
        }
    }

    /// The place of the backups: with another one, the store is another one. The way there, such as a region or a Secret, has no
    /// part in it.
    pub fn location(&self) -> String {
        let folder = |prefix: &Option<String>| {
            let folder = prefix.as_deref().map(|prefix| prefix.trim_matches('/'));
            let folder = folder.filter(|folder| !folder.is_empty());
            folder.map_or_else(String::new, |folder| format!("/{folder}"))
        };
        if let Some(S3 {
            bucket,
            prefix,
            endpoint,
            ..
        }) = &self.s3
        {
            let endpoint = endpoint.as_deref().map(|url| url.trim_end_matches('/'));
            let server = endpoint.map_or_else(|| "s3:/".to_owned(), str::to_owned);
            return format!("{server}/{bucket}{}", folder(prefix));
        }
        if let Some(Gcs { bucket, prefix }) = &self.gcs {
            return format!("gs://{bucket}{}", folder(prefix));
        }
        if let Some(azure) = &self.azure {
            let account = azure.account.as_deref().unwrap_or_default();
            let (container, folder) = (&azure.container, folder(&azure.prefix));
            return format!("azure://{account}/{container}{folder}");
        }
        let claim = self.volume.as_ref().map(|volume| &*volume.claim_name);
        format!("claim://{}", claim.unwrap_or_default())
    }
}

impl Backup {
    /// The store of a name.
    pub fn store(&self, name: &str) -> Option<&BackupStore> {
        self.stores.iter().find(|store| store.name == name)
    }
}

/// A backup that a new ring begins with. Only a ring that was never formed is restored: later this has no effect.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// Store that has the backup, by its name in `backup.stores`.
    #[schemars(length(min = 1, max = 40))]
    pub store: String,
    /// The cluster that the backup is of.
    pub cluster: RestoredCluster,
    /// Id of the backup. It has every keyspace of every node, and the new ring has its data centers, racks, and nodes per rack.
    #[schemars(length(min = 1, max = 250))]
    pub backup: String,
}

/// A `CassandraCluster`, which may be gone, as the store knows it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct RestoredCluster {
    /// Its name.
    #[schemars(length(min = 1, max = 250))]
    pub name: String,
    /// Its UID: a folder of the store, in the folder of its name.
    #[schemars(length(min = 1, max = 250))]
    pub uid: String,
}

/// The restore of a ring.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RestoreStatus {
    /// Name of the cluster that the backup is of.
    pub cluster: String,
    /// UID of that cluster.
    pub uid: String,
    /// Id of the backup.
    pub backup: String,
    /// How far the restore is.
    pub phase: RestorePhase,
    /// Nodes of the ring.
    #[serde(default)]
    pub nodes: i32,
    /// Nodes that have all their files.
    #[serde(default)]
    pub done: i32,
}

/// How far a restore is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestorePhase {
    /// Jobs bring the files of the nodes, and no node runs.
    Fetching,
    /// All nodes have their files, and start.
    Starting,
    /// The ring was formed from them.
    Restored,
}

/// A backup that is complete, as the last Job of it reported.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// Its id: that of the request.
    pub id: String,
    /// The store that has it.
    pub store: String,
    /// Where that store was, such as `s3://bucket/folder`; empty if it was recorded by an earlier version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// When it began. Each row that was acknowledged before is in it.
    pub started_at: MicroTime,
    /// When everything of it was seen to be in the store.
    pub completed_at: MicroTime,
    /// Its nodes.
    #[serde(default)]
    pub nodes: i64,
    /// Files of all nodes.
    #[serde(default)]
    pub files: i64,
    /// Bytes of all files. Those that an earlier backup has are in the store once.
    #[serde(default)]
    pub bytes: i64,
    /// Its keyspaces; none if it has all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyspaces: Vec<String>,
    /// Pods of the ring that it does not have, because the request left them out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Members of the ring that run in other Kubernetes clusters, of which it has nothing.
    #[serde(default)]
    pub nodes_elsewhere: i64,
}

impl BackupStatus {
    /// Whether a store has it, as the spec describes the store now.
    pub fn is_in(&self, store: &BackupStore) -> bool {
        let is_there = || self.location.is_empty() || self.location == store.location();
        self.store == store.name && is_there()
    }

    /// Whether it has every keyspace of every node.
    pub fn is_whole(&self) -> bool {
        self.keyspaces.is_empty() && self.left_out.is_empty() && self.nodes_elsewhere == 0
    }
}
