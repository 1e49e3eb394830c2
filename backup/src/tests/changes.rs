//! Files that change between backups, and a purge that meets a backup.

use std::fs;

use casskop_backup_protocol::Outcome;
use object_store::ObjectStoreExt;

use crate::testing::{Fake, Folder, TABLE, complete_job, name, node_job, purge_job, snapshot};
use crate::{complete, delete, node, purge, verify};

/// Cassandra writes Statistics.db again under its name.
#[tokio::test]
async fn a_file_that_changed_is_sent_alone() {
    let fake = Fake::new();
    let data = Folder::new();
    let bucket = fake.bucket();
    let made = |tag: &str, statistics: &[u8]| {
        snapshot(
            data.path(),
            tag,
            &[
                ("nb-1-big-Data.db", b"data"),
                ("nb-1-big-Statistics.db", statistics),
                ("nb-2-big-Data.db", b"two"),
            ],
        );
    };
    made("b1", b"level 0");
    node(&bucket, &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap();
    made("b2", b"level 1");
    let summary = node(&bucket, &node_job(data.path(), "b2", "h1"))
        .await
        .unwrap();
    assert_eq!((summary.sent_objects, summary.skipped_objects), (1, 2));

    // With the earlier manifest, what is the same file is not read: snapshots are hard links.
    let (from, to) = ("b2", "b3");
    let tags = data.path().join("shop").join(TABLE).join("snapshots");
    fs::create_dir(tags.join(to)).unwrap();
    for file in fs::read_dir(tags.join(from)).unwrap() {
        let file = file.unwrap();
        fs::hard_link(file.path(), tags.join(to).join(file.file_name())).unwrap();
    }
    fs::remove_file(tags.join(to).join("nb-1-big-Statistics.db")).unwrap();
    fs::write(tags.join(to).join("nb-1-big-Statistics.db"), b"level 2").unwrap();
    let mut job = node_job(data.path(), to, "h1");
    job.previous = Some(name(from));
    let summary = node(&bucket, &job).await.unwrap();
    assert_eq!((summary.sent_objects, summary.hashed_bytes), (1, 7));
    complete(&bucket, &complete_job(to, &["h1"])).await.unwrap();
    assert_eq!(
        verify(&bucket, &name(to), true).await.unwrap().outcome,
        Outcome::Done
    );
}

#[tokio::test]
async fn a_purge_waits_for_a_backup_and_a_backup_for_a_purge() {
    let fake = Fake::new();
    let data = Folder::new();
    let bucket = fake.bucket();
    snapshot(
        data.path(),
        "b1",
        &[("nb-1-big-Data.db", b"data"), ("schema.cql", b"CREATE")],
    );
    node(&bucket, &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap();
    complete(&bucket, &complete_job("b1", &["h1"]))
        .await
        .unwrap();
    delete(&bucket, &name("b1"), false).await.unwrap();
    purge(&bucket, &purge_job(None)).await.unwrap();
    fake.advance(48 * 3600);
    // It counts on the orphan that it has found.
    snapshot(data.path(), "b2", &[("nb-1-big-Data.db", b"data")]);
    assert_eq!(
        node(&bucket, &node_job(data.path(), "b2", "h1"))
            .await
            .unwrap()
            .skipped_objects,
        1
    );
    let summary = purge(&bucket, &purge_job(None)).await.unwrap();
    assert_eq!(
        (summary.deleted_objects, summary.waits_for),
        (0, vec![name("b2")])
    );
    complete(&bucket, &complete_job("b2", &["h1"]))
        .await
        .unwrap();
    assert_eq!(
        purge(&bucket, &purge_job(None))
            .await
            .unwrap()
            .deleted_objects,
        1,
        "schema.cql of b1"
    );
    assert_eq!(
        verify(&bucket, &name("b2"), true).await.unwrap().outcome,
        Outcome::Done
    );

    // A purge that died holds backups up until its announcement is old.
    fake.put(&bucket.folder("sweeping/0.json"), "{}".into())
        .await
        .unwrap();
    snapshot(data.path(), "b3", &[("nb-1-big-Data.db", b"data")]);
    let failure = node(&bucket, &node_job(data.path(), "b3", "h1"))
        .await
        .unwrap_err();
    assert_eq!(failure.outcome, Outcome::Retry, "{failure}");
    fake.advance(660);
    node(&bucket, &node_job(data.path(), "b3", "h1"))
        .await
        .unwrap();
}

#[tokio::test]
async fn nothing_to_back_up() {
    let fake = Fake::new();
    let data = Folder::new();
    snapshot(data.path(), "other", &[("nb-1-big-Data.db", b"data")]);
    let failure = node(&fake.bucket(), &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap_err();
    assert!(failure.to_string().contains("no table in"), "{failure}");
    let mut job = node_job(data.path(), "other", "h1");
    job.keyspaces = vec![name("typo")];
    assert_eq!(
        node(&fake.bucket(), &job).await.unwrap_err().outcome,
        Outcome::Failed
    );
    job.data_directories = vec!["/nowhere/at/all".to_owned()];
    assert_eq!(
        node(&fake.bucket(), &job).await.unwrap_err().outcome,
        Outcome::Failed
    );
}
