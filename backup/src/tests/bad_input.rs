//! Damaged, hostile and mistaken input: a clear error, and nothing half done.

use std::fs;

use casskop_backup_protocol::Outcome;
use object_store::ObjectStoreExt;
use object_store::path::Path as Key;

use super::hostile::{b1, fetched, made, replace, restored};
use crate::files::digest_of;
use crate::testing::{
    Fake, Folder, TABLE, complete_job, fetch_job, name, node_job, purge_job, snapshot,
};
use crate::{complete, delete, fetch, list, node, purge, verify};

#[tokio::test]
async fn one_flipped_bit() {
    let fake = Fake::new();
    made(&fake).await;
    let object = digest_of(b"data").to_string();
    replace(&fake, &object, |mut content| {
        content[2] ^= 1;
        content
    })
    .await;
    assert_eq!(
        verify(&fake.bucket(), &b1(), false).await.unwrap().outcome,
        Outcome::Done
    );
    let deep = verify(&fake.bucket(), &b1(), true).await.unwrap();
    assert_eq!((deep.outcome, deep.problems.len()), (Outcome::Damaged, 1));
    let (failure, files) = fetched(&fake).await;
    assert_eq!(
        (failure.outcome, files.len()),
        (Outcome::Damaged, 0),
        "{failure} {files:?}"
    );
    assert!(
        failure.to_string().contains("its content has the digest"),
        "{failure}"
    );
}

#[tokio::test]
async fn an_object_cut_short_is_sent_again() {
    let fake = Fake::new();
    let data = made(&fake).await;
    replace(&fake, &digest_of(b"data").to_string(), |content| {
        content[..2].to_vec()
    })
    .await;
    assert_eq!(
        verify(&fake.bucket(), &b1(), false).await.unwrap().outcome,
        Outcome::Damaged
    );
    assert_eq!(fetched(&fake).await.0.outcome, Outcome::Damaged);
    snapshot(data.path(), "b2", &[("nb-1-big-Data.db", b"data")]);
    let summary = node(&fake.bucket(), &node_job(data.path(), "b2", "h1"))
        .await
        .unwrap();
    assert_eq!(summary.sent_objects, 1);
    assert_eq!(
        verify(&fake.bucket(), &b1(), true).await.unwrap().outcome,
        Outcome::Done
    );
}

#[tokio::test]
async fn manifests_cut_short() {
    for part in ["/backups/", "/nodes/"] {
        let fake = Fake::new();
        let data = made(&fake).await;
        // An object that no backup has, and that an earlier pass has found.
        snapshot(data.path(), "b2", &[("nb-1-big-Data.db", b"orphan")]);
        node(&fake.bucket(), &node_job(data.path(), "b2", "h1"))
            .await
            .unwrap();
        delete(&fake.bucket(), &name("b2"), true).await.unwrap();
        assert_eq!(
            purge(&fake.bucket(), &purge_job(Some(1)))
                .await
                .unwrap()
                .orphans,
            1
        );
        fake.advance(48 * 3600);
        replace(&fake, part, |content| content[..content.len() / 2].to_vec()).await;
        let objects = fake.sent().len();
        let failure = purge(&fake.bucket(), &purge_job(Some(1)))
            .await
            .unwrap_err();
        assert_eq!(failure.outcome, Outcome::Damaged, "{failure}");
        let keys = fake.keys().await;
        assert_eq!(
            keys.iter().filter(|key| key.contains("/objects/")).count(),
            objects,
            "nothing was swept"
        );
        assert!(!keys.iter().any(|key| key.contains("/sweeping/")));
        let (failure, files) = fetched(&fake).await;
        assert_eq!(
            (failure.outcome, files.len()),
            (Outcome::Damaged, 0),
            "{failure}"
        );
        let listed = list(&fake.bucket()).await.unwrap().backups;
        assert_eq!(listed[0].problem.is_some(), part == "/backups/");
        delete(&fake.bucket(), &b1(), false).await.unwrap();
    }
}

#[tokio::test]
async fn an_id_twice() {
    let fake = Fake::new();
    let data = made(&fake).await;
    let bucket = fake.bucket();
    let mut job = node_job(data.path(), "b1", "h1");
    job.started_at = "2026-11-29T00:00:00Z".parse().unwrap();
    let failure = node(&bucket, &job).await.unwrap_err();
    assert!(
        failure.outcome == Outcome::Failed && failure.to_string().contains("never used"),
        "{failure}"
    );
    let failure = node(&bucket, &node_job(data.path(), "b1", "h2"))
        .await
        .unwrap_err();
    assert!(
        failure.to_string().contains("complete already"),
        "{failure}"
    );
    let failure = complete(&bucket, &complete_job("b1", &["h1", "h2"]))
        .await
        .unwrap_err();
    assert!(
        failure.to_string().contains("another backup with this id"),
        "{failure}"
    );
    // The same jobs again are the same backup.
    assert_eq!(
        node(&bucket, &node_job(data.path(), "b1", "h1"))
            .await
            .unwrap()
            .files,
        2
    );
    assert_eq!(
        complete(&bucket, &complete_job("b1", &["h1"]))
            .await
            .unwrap()
            .files,
        2
    );
}

#[tokio::test]
async fn incomplete_backups_do_not_exist() {
    let fake = Fake::new();
    let data = Folder::new();
    snapshot(data.path(), "b1", &[("nb-1-big-Data.db", b"data")]);
    let bucket = fake.bucket();
    node(&bucket, &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap();
    for hosts in [&["h1", "h2"][..], &["h1", "h1"], &[]] {
        let failure = complete(&bucket, &complete_job("b1", hosts))
            .await
            .unwrap_err();
        assert_eq!(failure.outcome, Outcome::Failed, "{failure}");
    }
    let object = Key::from(
        fake.keys()
            .await
            .into_iter()
            .find(|key| key.contains("/objects/"))
            .unwrap(),
    );
    fake.inner.delete(&object).await.unwrap();
    let failure = complete(&bucket, &complete_job("b1", &["h1"]))
        .await
        .unwrap_err();
    assert!(
        failure.to_string().contains("1 objects are missing"),
        "{failure}"
    );
    assert_eq!(list(&bucket).await.unwrap().backups.len(), 0);
    // The node's job sends it again.
    assert_eq!(
        node(&bucket, &node_job(data.path(), "b1", "h1"))
            .await
            .unwrap()
            .sent_objects,
        1
    );
    complete(&bucket, &complete_job("b1", &["h1"]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_restore_replaces_nothing() {
    let fake = Fake::new();
    made(&fake).await;
    let into = Folder::new();
    fs::write(into.path().join("mine"), "mine").unwrap();
    let failure = fetch(&fake.bucket(), &fetch_job("b1", "h1", into.path()))
        .await
        .unwrap_err();
    assert!(failure.to_string().contains("it holds mine"), "{failure}");
    assert_eq!(restored(&into).len(), 1);

    // Another job in a folder that one has filled, and a file that has changed since.
    let into = Folder::new();
    fetch(&fake.bucket(), &fetch_job("b1", "h1", into.path()))
        .await
        .unwrap();
    let mut other = fetch_job("b1", "h1", into.path());
    other.keyspaces = vec![name("shop")];
    assert!(
        fetch(&fake.bucket(), &other)
            .await
            .unwrap_err()
            .to_string()
            .contains("is filled from")
    );
    let file = into
        .path()
        .join("shop")
        .join(TABLE)
        .join("nb-1-big-Data.db");
    fs::write(&file, "mine").unwrap();
    let failure = fetch(&fake.bucket(), &fetch_job("b1", "h1", into.path()))
        .await
        .unwrap_err();
    assert!(
        failure.to_string().contains("another file has the name"),
        "{failure}"
    );
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

/// A folder of a table that is a link to somewhere else.
#[tokio::test]
async fn a_restore_follows_no_link() {
    let fake = Fake::new();
    made(&fake).await;
    let (into, elsewhere) = (Folder::new(), Folder::new());
    fetch(&fake.bucket(), &fetch_job("b1", "h1", into.path()))
        .await
        .unwrap();
    fs::remove_dir_all(into.path().join("shop")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), into.path().join("shop")).unwrap();
    assert!(
        fetch(&fake.bucket(), &fetch_job("b1", "h1", into.path()))
            .await
            .is_err()
    );
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
