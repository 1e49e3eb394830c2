//! Manifests of someone else, and what the tests of bad input share.

use std::fs;

use bytes::Bytes;
use casskop_backup_protocol::{Name, Outcome};
use object_store::ObjectStoreExt;
use object_store::path::Path as Key;

use crate::files::digest_of;
use crate::testing::{Fake, Folder, TABLE, complete_job, fetch_job, name, node_job, snapshot};
use crate::{Failure, complete, fetch, node, show};

pub(super) async fn made(fake: &Fake) -> Folder {
    let data = Folder::new();
    snapshot(
        data.path(),
        "b1",
        &[("nb-1-big-Data.db", b"data"), ("schema.cql", b"CREATE")],
    );
    node(&fake.bucket(), &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap();
    complete(&fake.bucket(), &complete_job("b1", &["h1"]))
        .await
        .unwrap();
    data
}

pub(super) fn b1() -> Name {
    name("b1")
}

/// Everything below the folder but what the program keeps for itself.
pub(super) fn restored(into: &Folder) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![into.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.display().to_string());
            }
        }
    }
    files.retain(|file| !file.contains("/.casskop-restore/"));
    files
}

pub(super) async fn replace(fake: &Fake, part: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let key = Key::from(
        fake.keys()
            .await
            .into_iter()
            .find(|key| key.contains(part))
            .unwrap(),
    );
    let content = fake.inner.get(&key).await.unwrap().bytes().await.unwrap();
    fake.inner
        .put(&key, Bytes::from(change(content.to_vec())).into())
        .await
        .unwrap();
}

pub(super) async fn fetched(fake: &Fake) -> (Failure, Vec<String>) {
    let into = Folder::new();
    let failure = fetch(&fake.bucket(), &fetch_job("b1", "h1", into.path()))
        .await
        .unwrap_err();
    (failure, restored(&into))
}

/// An object gets another name.
async fn rename(fake: &Fake, from: &str, to: &str) {
    let keys = fake.keys().await;
    let old = keys.iter().find(|key| key.contains(from)).unwrap();
    let content = fake.inner.get(&Key::from(old.as_str())).await.unwrap();
    let content = content.bytes().await.unwrap();
    fake.inner
        .put(&Key::from(old.replace(from, to)), content.into())
        .await
        .unwrap();
    fake.inner.delete(&Key::from(old.as_str())).await.unwrap();
}

/// A manifest that was written by someone else: its digest is right, and its names are not.
#[tokio::test]
async fn a_hostile_manifest_stays_in_the_folder() {
    for hostile in [
        "../../../evil",
        "/etc/evil",
        ".i/../../evil",
        "..",
        "a\\u0000b",
        ".hidden",
    ] {
        for from in ["nb-1-big-Data.db", TABLE, "\"shop\""] {
            let fake = Fake::new();
            made(&fake).await;
            let digests = std::cell::RefCell::new((String::new(), String::new()));
            let hostile_name = if from == "\"shop\"" {
                format!("\"{hostile}\"")
            } else {
                hostile.to_owned()
            };
            replace(&fake, "/nodes/", |content| {
                let new = String::from_utf8(content.clone())
                    .unwrap()
                    .replace(from, &hostile_name)
                    .into_bytes();
                *digests.borrow_mut() =
                    (digest_of(&content).to_string(), digest_of(&new).to_string());
                new
            })
            .await;
            let (old, new) = digests.into_inner();
            rename(&fake, &old, &new).await;
            replace(&fake, "/backups/", |content| {
                String::from_utf8(content)
                    .unwrap()
                    .replace(&old, &new)
                    .into_bytes()
            })
            .await;
            let before = fake.keys().await;
            let (failure, files) = fetched(&fake).await;
            assert_eq!(
                (failure.outcome, files.len()),
                (Outcome::Damaged, 0),
                "{hostile}: {failure}"
            );
            assert!(failure.to_string().contains("not a manifest"), "{failure}");
            assert_eq!(fake.keys().await, before);
        }
    }
}

#[tokio::test]
async fn another_cluster_has_the_folder() {
    let fake = Fake::new();
    made(&fake).await;
    for part in ["/backups/", "/nodes/"] {
        replace(&fake, part, |content| {
            String::from_utf8(content)
                .unwrap()
                .replace("uid-1", "uid-2")
                .into_bytes()
        })
        .await;
        let (failure, files) = fetched(&fake).await;
        assert_eq!(
            (failure.outcome, files.len()),
            (Outcome::Damaged, 0),
            "{failure}"
        );
    }
    // By its UID, a new cluster with the old name has no backup.
    let mut cluster = crate::testing::cluster();
    cluster.uid = name("uid-3");
    let bucket = crate::Bucket::new(
        std::sync::Arc::new(fake),
        "pre/fix",
        &cluster,
        &casskop_backup_protocol::Limits::default(),
    );
    let failure = show(&bucket, &b1()).await.unwrap_err();
    assert!(failure.to_string().contains("does not exist"), "{failure}");
}
