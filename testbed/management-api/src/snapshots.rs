//! Snapshots, as they are on the disk of the node: by JMX Jolokia truncates the list of those that do not expire.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

const DATA: &str = "/var/lib/cassandra/data";

/// One entry for each snapshot and table; of these snapshots and keyspaces, if any are named.
pub fn list(names: &[String], keyspaces: &[String]) -> Value {
    let mut found = Vec::new();
    for keyspace in folders(Path::new(DATA)) {
        if !keyspaces.is_empty() && !keyspaces.contains(&name(&keyspace)) {
            continue;
        }
        for table in folders(&keyspace) {
            for snapshot in folders(&table.join("snapshots")) {
                if names.is_empty() || names.contains(&name(&snapshot)) {
                    found.push(entry(&name(&snapshot), &name(&keyspace), &name(&table)));
                }
            }
        }
    }
    Value::Array(found)
}

/// The folder of a table is its name and its id.
fn entry(snapshot: &str, keyspace: &str, table: &str) -> Value {
    let table = table.rsplit_once('-').map_or(table, |(table, _)| table);
    json!({
        "Column family name": table,
        "Ephemeral": "false",
        "Expiration time": "null",
        "Keyspace name": keyspace,
        "Snapshot name": snapshot,
    })
}

fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    folders.filter(|path| path.is_dir()).collect()
}
