//! Restores that meet each other, and those of empty tables.

use std::fs;

use casskop_backup_protocol::Outcome;

use crate::testing::{
    Fake, Folder, TABLE, Work, complete_job, fetch_job, name, node_job, snapshot,
};
use crate::{complete, fetch, node};

async fn made(files: &[(&str, &[u8])]) -> Fake {
    let (fake, data) = (Fake::new(), Folder::new());
    snapshot(data.path(), "b1", files);
    node(&fake.bucket(), &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap();
    complete(&fake.bucket(), &complete_job("b1", &["h1"]))
        .await
        .unwrap();
    fake
}

/// The second job of a folder touches nothing while the first one runs.
#[tokio::test]
async fn two_jobs_in_one_folder() {
    let large = vec![7; 9 << 20];
    for requests in 4..9 {
        let fake = made(&[("nb-1-big-Data.db", &large), ("nb-2-big-Data.db", b"two")]).await;
        let into = Folder::new();
        let job = fetch_job("b1", "h1", into.path());
        let (bucket, first) = (fake.bucket(), job.clone());
        let mut first = Work::new(async move { fetch(&bucket, &first).await });
        first.go_on(&fake, requests).await;
        let failure = fetch(&fake.bucket(), &job).await.unwrap_err();
        assert_eq!(failure.outcome, Outcome::Retry, "{failure}");
        assert!(failure.to_string().contains("another job"), "{failure}");
        first.end(&fake).await;
        assert!(first.succeeded(), "{:?}", first.result);
        let table = into.path().join("shop").join(TABLE);
        assert_eq!(fs::read(table.join("nb-1-big-Data.db")).unwrap(), large);
        fetch(&fake.bucket(), &job).await.unwrap();
    }
}

/// Even without the lock, as on a file system that has none, no file is replaced.
#[tokio::test]
async fn a_name_that_something_else_got_meanwhile() {
    let large = vec![7; 9 << 20];
    let fake = made(&[("nb-1-big-Data.db", &large)]).await;
    let into = Folder::new();
    let (bucket, job) = (fake.bucket(), fetch_job("b1", "h1", into.path()));
    let mut works = Work::new(async move { fetch(&bucket, &job).await });
    let file = into
        .path()
        .join("shop")
        .join(TABLE)
        .join("nb-1-big-Data.db");
    while !file.parent().unwrap().exists() {
        works.go_on(&fake, 1).await;
    }
    works.go_on(&fake, 1).await;
    fs::write(&file, "mine").unwrap();
    works.end(&fake).await;
    assert!(!works.succeeded());
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[tokio::test]
async fn a_table_without_a_row() {
    let fake = made(&[("schema.cql", b"CREATE TABLE shop.users")]).await;
    let into = Folder::new();
    let mut job = fetch_job("b1", "h1", into.path());
    fetch(&fake.bucket(), &job).await.unwrap();
    assert!(into.path().join("shop").join(TABLE).is_dir());
    let schema = into.path().join(".casskop-restore/schema/shop");
    assert!(schema.join(TABLE).join("schema.cql").is_file());

    let fake = made(&[]).await;
    let into = Folder::new();
    job.into = into.path().to_str().unwrap().to_owned();
    assert_eq!(fetch(&fake.bucket(), &job).await.unwrap().files, 0);
    job.keyspaces = vec![name("bank")];
    let failure = fetch(&fake.bucket(), &job).await.unwrap_err();
    assert!(failure.to_string().contains("keyspace bank"), "{failure}");
}
