//! The complete backups of a cluster. Pure.

use casskop_common::api::{BackupStatus, CassandraCluster, RestorePhase};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use crate::{
    terminal::{
        colors::{Style, Tone},
        columns::{self, Cell},
    },
    text::{self, PROGRAM, bytes, plain},
    time::between,
};

const TITLES: [&str; 6] = ["ID", "STORE", "AGE", "NODES", "SIZE", "HAS"];

/// One line a backup.
pub fn list(cluster: &CassandraCluster, now: Timestamp, style: Style) -> String {
    let mut rows = vec![columns::header(&TITLES)];
    rows.extend(all(cluster).map(|backup| row(backup, place(cluster, backup), now)));
    columns::lay(&rows, 2, style)
}

fn all(cluster: &CassandraCluster) -> impl Iterator<Item = &BackupStatus> {
    let status = cluster.status.iter();
    status.flat_map(|status| &status.backups)
}

/// The store of a backup: by its place if the store of that name is at another one by now.
fn place<'a>(cluster: &CassandraCluster, backup: &'a BackupStatus) -> &'a str {
    let stores = cluster.spec.backup.as_ref();
    match stores.and_then(|stores| stores.store(&backup.store)) {
        Some(store) if !backup.is_in(store) => &backup.location,
        _ => &backup.store,
    }
}

fn row(backup: &BackupStatus, place: &str, now: Timestamp) -> Vec<Cell> {
    let (has, tone) = content(backup);
    let text = |text: &str| (plain(text).into_owned(), Tone::Plain);
    vec![
        text(&backup.id),
        text(place),
        text(&between(backup.started_at.0, now)),
        text(&backup.nodes.to_string()),
        text(&bytes(backup.bytes)),
        (has, tone),
    ]
}

/// The content of a backup.
fn content(backup: &BackupStatus) -> (String, Tone) {
    if backup.is_whole() {
        return ("everything".into(), Tone::Good);
    }
    let keyspaces = match backup.keyspaces.as_slice() {
        [] => "all keyspaces".to_owned(),
        some => format!("only {}", text::list(some)),
    };
    let left_out = match backup.left_out.as_slice() {
        [] => String::new(),
        some => format!(", without {}", text::list(some)),
    };
    let elsewhere = match backup.nodes_elsewhere {
        0 => String::new(),
        1 => ", without 1 node of another Kubernetes cluster".to_owned(),
        many => format!(", without {many} nodes of other Kubernetes clusters"),
    };
    (
        plain(&format!("{keyspaces}{left_out}{elsewhere}")).into_owned(),
        Tone::Busy,
    )
}

/// The ids, one on each line.
pub fn ids(cluster: &CassandraCluster) -> String {
    let ids = all(cluster).map(|backup| plain(&backup.id).into_owned() + "\n");
    ids.collect()
}

/// The backups for programs; the schema is in the documentation and only grows.
#[derive(Serialize)]
pub struct Listed<'a> {
    cluster: String,
    namespace: String,
    backups: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    backup: &'a BackupStatus,
    whole: bool,
}

/// The backups for programs.
pub fn data(cluster: &CassandraCluster) -> Listed<'_> {
    let row = |backup| Row {
        backup,
        whole: BackupStatus::is_whole(backup),
    };
    Listed {
        cluster: cluster.name_any(),
        namespace: cluster.namespace().unwrap_or_default(),
        backups: all(cluster).map(row).collect(),
    }
}

/// The newest backup, on one line: a whole one, if there is any.
pub fn newest(cluster: &CassandraCluster, now: Timestamp) -> Option<String> {
    // One that is where the store is today counts before one that is not.
    let is_there = |backup: &BackupStatus| place(cluster, backup) == backup.store;
    let rank = |backup: &&BackupStatus| (is_there(backup), backup.is_whole(), backup.started_at.0);
    let newest = all(cluster).max_by_key(rank)?;
    let part = if newest.is_whole() {
        String::new()
    } else {
        format!(", {}", content(newest).0)
    };
    Some(format!(
        "Last complete backup {} in store {}: begun {} ago{part}.",
        plain(&newest.id),
        plain(place(cluster, newest)),
        between(newest.started_at.0, now)
    ))
}

/// The backup that the ring begins with, or began with, on one line.
pub fn restored(cluster: &CassandraCluster) -> Option<String> {
    let restore = cluster.status.as_ref()?.restore.as_ref()?;
    let (backup, from) = (plain(&restore.backup), plain(&restore.cluster));
    let from = format!("backup {backup} of cluster {from}");
    Some(match restore.phase {
        RestorePhase::Fetching => format!(
            "Restore of {from}: {} of {} have their files.",
            restore.done,
            text::count(usize::try_from(restore.nodes).unwrap_or_default(), "node")
        ),
        RestorePhase::Starting => {
            format!("Restore of {from}: all nodes have their files, and start.")
        }
        RestorePhase::Restored => format!("Restored from {from}."),
    })
}

/// The way to a first backup.
pub fn first(cluster: &CassandraCluster, connection_args: &str) -> String {
    let backup = cluster.spec.backup.as_ref();
    let store = backup.and_then(|backup| backup.stores.first());
    match store {
        None => "declare a store in spec.backup.stores, then request one".into(),
        Some(store) => format!(
            "{PROGRAM} backup {} --to {}{connection_args} makes one",
            cluster.name_any(),
            plain(&store.name)
        ),
    }
}
