//! Manifests in the store: one for each node, and one for the cluster, written last. A backup without the latter does not
//! exist.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Cluster, Digest, FilePath, Name};

/// The format that this version writes, and the only one that it reads.
pub const FORMAT: u32 = 1;
/// Bytes of the largest manifest of a node that is read: some 200,000 files.
pub const MAX_NODE_MANIFEST: u64 = 32 << 20;
/// Bytes of the largest cluster manifest that is read: a thousand nodes with 256 tokens each.
pub const MAX_CLUSTER_MANIFEST: u64 = 16 << 20;

/// A node as Cassandra knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeEntry {
    /// Its host id.
    pub host_id: Name,
    /// Its pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Name>,
    /// Its data center.
    pub dc: String,
    /// Its rack.
    pub rack: String,
    /// Its tokens, as the partitioner writes them.
    pub tokens: Vec<String>,
    /// Its version of Cassandra.
    pub cassandra_version: String,
    /// Its version of the schema when the snapshot was made.
    pub schema_version: String,
    /// Whether it requires logins of its clients: the superuser that everybody knows is shut out. Nothing where an earlier program
    /// has written the manifest: then it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logins: Option<bool>,
}

/// The manifest of one node, `nodes/<backup>/<host id>/<digest>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeManifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The cluster.
    pub cluster: Cluster,
    /// Id of the backup.
    pub backup: Name,
    /// When the backup began.
    pub started_at: Timestamp,
    /// Tag of the snapshot.
    pub snapshot: Name,
    /// The node.
    pub node: NodeEntry,
    /// Keyspaces that were asked for; all if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyspaces: Vec<Name>,
    /// Its tables.
    pub tables: Vec<TableEntry>,
}

/// A table on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableEntry {
    /// Its keyspace.
    pub keyspace: Name,
    /// Its folder, `<table>-<id>`.
    pub directory: Name,
    /// `schema.cql` of the snapshot; a table of Cassandra's own may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<FileEntry>,
    /// The files of its SSTables, those of secondary indexes included.
    pub files: Vec<FileEntry>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileEntry {
    /// Its path in the folder of the table.
    pub path: FilePath,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of its content.
    pub digest: Digest,
    /// `<inode>-<nanoseconds of its last change>`: while they and the length stay, the node's next backup trusts the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// The manifest of a backup, `backups/<backup>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterManifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The cluster.
    pub cluster: Cluster,
    /// Id of the backup.
    pub backup: Name,
    /// When the backup began.
    pub started_at: Timestamp,
    /// When everything was seen to be there.
    pub completed_at: Timestamp,
    /// Its nodes.
    pub nodes: Vec<NodeSummary>,
    /// Keyspaces that it has, without the others; all if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyspaces: Vec<Name>,
    /// Nodes that the request left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Name>,
    /// Host ids of members of the ring that run in other Kubernetes clusters: no backup of this one has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Name>,
    /// Files of all nodes.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// A node in the cluster manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSummary {
    /// The node.
    #[serde(flatten)]
    pub node: NodeEntry,
    /// SHA-256 of the manifest of the node.
    pub manifest: Digest,
    /// Its files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Cut short, or not one.
    #[error("it is not a manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by a newer version.
    #[error(
        "it has format {0}, and this version reads format {FORMAT}: use the version that wrote it, or a newer one"
    )]
    Format(u64),
    /// Two files with one path.
    #[error("it names {0} twice")]
    Twice(String),
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ManifestError> {
    #[derive(Deserialize)]
    struct Format {
        format: u64,
    }
    // First of all, so that a newer format is told as such and not by the field that it lacks.
    let Format { format } = serde_json::from_slice(bytes)?;
    if format != u64::from(FORMAT) {
        return Err(ManifestError::Format(format));
    }
    Ok(serde_json::from_slice(bytes)?)
}

impl NodeManifest {
    /// Reads a manifest and checks its names.
    ///
    /// # Errors
    /// It is cut short, of another format, or names a file or table twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = parse(bytes)?;
        let mut tables = BTreeSet::new();
        for table in &manifest.tables {
            if !tables.insert((&table.keyspace, &table.directory)) {
                return Err(ManifestError::Twice(format!(
                    "{}/{}",
                    table.keyspace, table.directory
                )));
            }
            let mut files = BTreeSet::new();
            for file in &table.files {
                if !files.insert(&file.path) {
                    return Err(ManifestError::Twice(format!(
                        "{}/{}/{}",
                        table.keyspace, table.directory, file.path
                    )));
                }
            }
        }
        Ok(manifest)
    }

    /// All its files, those of the schema included.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.tables
            .iter()
            .flat_map(|table| table.files.iter().chain(&table.schema))
    }
}

impl ClusterManifest {
    /// Reads a manifest and checks its names.
    ///
    /// # Errors
    /// It is cut short, of another format, or names a node twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = parse(bytes)?;
        let mut nodes = BTreeSet::new();
        for node in &manifest.nodes {
            if !nodes.insert(&node.node.host_id) {
                return Err(ManifestError::Twice(format!("node {}", node.node.host_id)));
            }
        }
        Ok(manifest)
    }
}
