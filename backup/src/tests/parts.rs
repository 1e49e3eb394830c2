//! Snapshots in part, and what is no snapshot: none of it is backed up as a whole one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use casskop_backup_protocol::{Outcome, TableName};

use crate::testing::{
    Fake, Folder, TABLE, complete_job, list_data, name, node_job, purge_job, snapshot,
};
use crate::{complete, delete, list, node, purge};

const HOUR: Duration = Duration::from_secs(3600);

fn two() -> Folder {
    let data = Folder::new();
    snapshot(
        data.path(),
        "b1",
        &[
            ("nb-1-big-Data.db", b"one"),
            ("nb-1-big-Filter.db", b"filter"),
            (".by_city/nb-1-big-Data.db", b"index"),
        ],
    );
    data
}

fn tag(data: &Folder) -> PathBuf {
    data.path().join("shop").join(TABLE).join("snapshots/b1")
}

async fn refused(fake: &Fake, data: &Folder, words: &str) {
    let failure = node(&fake.bucket(), &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap_err();
    assert_eq!(failure.outcome, Outcome::Failed, "{failure}");
    assert!(failure.to_string().contains(words), "{failure}");
    let keys = fake.keys().await;
    assert!(!keys.iter().any(|key| key.contains("/nodes/")), "{keys:?}");
}

#[tokio::test]
async fn files_that_cassandra_names() {
    for (gone, words) in [
        (
            "nb-1-big-Data.db",
            "nb-1-big-Data.db of table shop/users-0123456789abcdef0123456789abcdef is missing",
        ),
        (".by_city/nb-1-big-Data.db", "by_city"),
        ("manifest.json", "has no manifest.json"),
    ] {
        let data = two();
        fs::remove_file(tag(&data).join(gone)).unwrap();
        refused(&Fake::new(), &data, words).await;
    }
}

/// The snapshot ends while the node's files are sent.
#[tokio::test]
async fn a_snapshot_that_ends_meanwhile() {
    let changes: [fn(PathBuf); 3] = [
        |tag| fs::remove_file(tag.join("nb-1-big-Filter.db")).unwrap(),
        |tag| {
            fs::write(tag.join("nb-2-big-Data.db"), "more").unwrap();
            list_data(&tag);
        },
        |tag| {
            fs::remove_file(tag.join("nb-1-big-Filter.db")).unwrap();
            fs::write(tag.join("nb-1-big-Filter.db"), "filter").unwrap();
        },
    ];
    for change in changes {
        let (fake, data) = (Fake::new(), two());
        let folder = tag(&data);
        // All three are open or sent by then.
        fake.before("/objects/", 2, move || change(folder));
        refused(&fake, &data, "its files have changed").await;
    }
    let (fake, data) = (Fake::new(), two());
    let folder = tag(&data);
    fake.before("/objects/", 2, move || fs::remove_dir_all(folder).unwrap());
    refused(&fake, &data, "no table in").await;
}

#[tokio::test]
async fn tables_and_keyspaces_of_the_job() {
    let data = two();
    let bucket = Fake::new().bucket();
    let mut job = node_job(data.path(), "b1", "h1");
    let table = |keyspace: &str| TableName {
        keyspace: name(keyspace),
        directory: name(TABLE),
    };
    job.tables = vec![table("shop"), table("bank")];
    let failure = node(&bucket, &job).await.unwrap_err();
    assert!(failure.to_string().contains("table bank/"), "{failure}");
    job.tables.pop();
    // One of the two is there.
    job.keyspaces = vec![name("shop"), name("bank")];
    let failure = node(&bucket, &job).await.unwrap_err();
    assert!(failure.to_string().contains("keyspace bank"), "{failure}");
    job.keyspaces.pop();
    node(&bucket, &job).await.unwrap();
    // It is told for ever that it has this one only.
    complete(&bucket, &complete_job("b1", &["h1"]))
        .await
        .unwrap();
    let listed = list(&bucket).await.unwrap().backups;
    assert_eq!(listed[0].keyspaces, [name("shop")]);
}

/// A whole backup names no keyspace to send: what the snapshot was taken of tells that one is missing.
#[tokio::test]
async fn keyspaces_of_the_snapshot() {
    let data = two();
    let bucket = Fake::new().bucket();
    let mut job = node_job(data.path(), "b1", "h1");
    let bank = data.path().join("bank").join(TABLE);
    fs::create_dir_all(&bank).unwrap();
    job.taken = vec![name("shop"), name("bank"), name("dropped")];
    node(&bucket, &job).await.unwrap();

    // A table that is missing in a keyspace of which others are there, and one of which the drop keeps the files.
    let file = bank.join("nb-1-big-Data.db");
    fs::write(&file, "rows").unwrap();
    let (later, before) = (SystemTime::now() + HOUR, SystemTime::now() - HOUR);
    let dropped = bank.join("snapshots/dropped-1-users");
    fs::create_dir_all(&dropped).unwrap();
    node(&Fake::new().bucket(), &job).await.unwrap();
    fs::remove_dir(&dropped).unwrap();
    let set = |at| fs::File::open(&file).unwrap().set_modified(at).unwrap();
    set(later);
    node(&Fake::new().bucket(), &job).await.unwrap();
    set(before);
    let (bucket, mut again) = (Fake::new().bucket(), job.clone());
    let failure = node(&bucket, &again).await.unwrap_err();
    assert!(
        failure.to_string().contains("has files of that time"),
        "{failure}"
    );
    // A folder that is not one of the node's data has nothing of the schema either.
    again.taken = vec![name("shop"), name("system_schema")];
    let failure = node(&bucket, &again).await.unwrap_err();
    assert!(
        failure.to_string().contains("keyspace system_schema"),
        "{failure}"
    );
}

/// However many newer ones in part there are.
#[tokio::test]
async fn a_backup_in_part_takes_no_place() {
    let (fake, data) = (Fake::new(), Folder::new());
    let bucket = fake.bucket();
    for (id, part) in [("b1", false), ("b2", true), ("b3", true)] {
        snapshot(data.path(), id, &[("nb-1-big-Data.db", id.as_bytes())]);
        let mut job = node_job(data.path(), id, "h1");
        let mut last = complete_job(id, &["h1"]);
        if part {
            job.keyspaces = vec![name("shop")];
            last.left_out = vec![name("ring-dc1-rack1-2")];
        }
        node(&bucket, &job).await.unwrap();
        complete(&bucket, &last).await.unwrap();
    }
    let listed = list(&bucket).await.unwrap().backups;
    let part = listed
        .iter()
        .find(|found| found.backup == name("b3"))
        .unwrap();
    assert_eq!(part.left_out, [name("ring-dc1-rack1-2")]);
    let summary = purge(&bucket, &purge_job(Some(1))).await.unwrap();
    assert_eq!(summary.deleted_backups, [name("b2")]);
    // An answer that was lost, and a backup that something else has deleted.
    let mut later = purge_job(Some(1));
    later.known = ["b1", "b2", "b3", "b4"].map(name).into();
    let summary = purge(&bucket, &later).await.unwrap();
    assert_eq!(summary.deleted_backups, [name("b2"), name("b4")]);
}

/// Its request has ended, and nothing of it comes any more: the space is not kept for its sake.
#[tokio::test]
async fn a_backup_that_failed_holds_no_deletion_up() {
    let (fake, data) = (Fake::new(), two());
    let bucket = fake.bucket();
    node(&bucket, &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap();
    let mut job = purge_job(Some(1));
    let summary = purge(&bucket, &job).await.unwrap();
    assert_eq!(summary.waits_for, [name("b1")]);
    job.over = vec![name("b1")];
    let summary = purge(&bucket, &job).await.unwrap();
    assert_eq!(
        (summary.waits_for, summary.abandoned),
        (vec![], vec![name("b1")])
    );
    // A Job that is late.
    complete(&bucket, &complete_job("b1", &["h1"]))
        .await
        .unwrap_err();
}

/// The Job of a deletion that has died runs again.
#[tokio::test]
async fn a_deletion_that_was_done_already() {
    let (fake, data) = (Fake::new(), two());
    let bucket = fake.bucket();
    node(&bucket, &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap();
    complete(&bucket, &complete_job("b1", &["h1"]))
        .await
        .unwrap();
    for _ in 0..2 {
        let summary = delete(&bucket, &name("b1"), false).await.unwrap();
        assert_eq!(summary.deleted_backups, [name("b1")]);
    }
    delete(&bucket, &name("b2"), false).await.unwrap_err();
}

#[tokio::test]
async fn folders_and_links() {
    // A name that no manifest can have: it would be missing in the backup.
    let data = two();
    let strange = data.path().join("shop/us ers");
    fs::create_dir_all(strange.join("snapshots/b1")).unwrap();
    refused(&Fake::new(), &data, "us ers has a name").await;
    // Without the snapshot it does not matter, and neither does a folder of the file system.
    fs::remove_dir(strange.join("snapshots/b1")).unwrap();
    fs::create_dir_all(data.path().join("lost+found/x/snapshots/b1")).unwrap();
    node(&Fake::new().bucket(), &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap();

    let elsewhere = two();
    for link in [
        PathBuf::from("bank"),
        "shop/other-1".into(),
        format!("shop/{TABLE}/snapshots/b1").into(),
        format!("shop/{TABLE}/snapshots/b1/nb-1-big-Filter.db").into(),
    ] {
        let data = two();
        let path = data.path().join(&link);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else if path.is_file() {
            fs::remove_file(&path).unwrap();
        }
        symlink(elsewhere.path(), &path).unwrap();
        refused(&Fake::new(), &data, "neither a file nor a folder").await;
    }
}

/// A file that became a link, or another one, after the walk has seen it.
#[tokio::test]
async fn a_file_that_is_another_one() {
    use crate::files::{Source, digest};
    let data = two();
    let path = tag(&data).join("nb-1-big-Filter.db");
    let source = Source::new(path.clone(), &fs::symlink_metadata(&path).unwrap());
    let pace = crate::pace::Pace::new(None);
    digest(&source, &pace).await.unwrap();
    let other = tag(&data).join("other");
    fs::rename(&path, &other).unwrap();
    // The same inode behind a link.
    symlink(&other, &path).unwrap();
    digest(&source, &pace).await.unwrap_err();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "filter").unwrap();
    let failure = digest(&source, &pace).await.unwrap_err();
    assert!(failure.to_string().contains("another file"), "{failure}");
}

/// The store has the object, and the answer to its last request was lost.
#[tokio::test]
async fn a_lost_answer_to_the_end_of_an_upload() {
    let (fake, data) = (Fake::new(), Folder::new());
    let large = vec![7; (6 << 20) + 3];
    snapshot(data.path(), "b1", &[("nb-1-big-Data.db", &large)]);
    fake.loses_completion();
    let summary = node(&fake.bucket(), &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap();
    assert_eq!(summary.sent_objects, 1);
}
