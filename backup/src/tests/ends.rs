//! Backups that are deleted or given up while a job completes them: what has ended stays so, and what was told as done exists.

use casskop_backup_protocol::Outcome;

use crate::testing::{Fake, Folder, Work, complete_job, fetch_job, name, node_job, purge_job};
use crate::testing::{TABLE, snapshot};
use crate::{complete, delete, fetch, list, node, purge, verify};

async fn begun() -> (Fake, Folder) {
    let (fake, data) = (Fake::new(), Folder::new());
    snapshot(data.path(), "b1", &[("nb-1-big-Data.db", b"data")]);
    node(&fake.bucket(), &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap();
    (fake, data)
}

fn completion(fake: &Fake) -> Work<casskop_backup_protocol::Summary> {
    let bucket = fake.bucket();
    Work::new(async move { complete(&bucket, &complete_job("b1", &["h1"])).await })
}

/// The backups in the list, each of which is whole.
async fn listed(fake: &Fake, told: &str) -> usize {
    let listed = list(&fake.bucket()).await.unwrap().backups;
    for found in &listed {
        let verified = verify(&fake.bucket(), &found.backup, true).await.unwrap();
        assert_eq!(verified.outcome, Outcome::Done, "{told}: {verified:?}");
    }
    listed.len()
}

#[tokio::test]
async fn a_deletion_beside_a_completion() {
    let (begun, _data) = begun().await;
    for abandon in [false, true] {
        for order in [false, true] {
            for first in 0..20 {
                for second in 0..10 {
                    let fake = begun.fork();
                    let mut completes = completion(&fake);
                    let bucket = fake.bucket();
                    let mut deletes =
                        Work::new(async move { delete(&bucket, &name("b1"), abandon).await });
                    if order {
                        deletes.go_on(&fake, second).await;
                    }
                    completes.go_on(&fake, first).await;
                    deletes.go_on(&fake, second).await;
                    completes.end(&fake).await;
                    deletes.end(&fake).await;
                    let told = format!("{abandon}, {order}, {first}, {second}");
                    let listed = listed(&fake, &told).await;
                    if deletes.succeeded() {
                        assert_eq!(listed, 0, "{told}");
                    } else {
                        assert_eq!(listed, usize::from(completes.succeeded()), "{told}");
                    }
                }
            }
        }
    }
}

/// One of two jobs that complete a backup stands still while the other one ends, and the backup is deleted.
#[tokio::test]
async fn a_second_completion_brings_nothing_back() {
    let (begun, _data) = begun().await;
    for requests in 0..20 {
        for deleted in [true, false] {
            let fake = begun.fork();
            let mut late = completion(&fake);
            late.go_on(&fake, requests).await;
            complete(&fake.bucket(), &complete_job("b1", &["h1"]))
                .await
                .unwrap();
            if deleted {
                delete(&fake.bucket(), &name("b1"), false).await.unwrap();
            }
            late.end(&fake).await;
            let told = format!("{requests}, {deleted}: {:?}", late.result);
            assert_eq!(listed(&fake, &told).await, usize::from(!deleted), "{told}");
            // Beside one that has written the manifest, it succeeds.
            assert!(deleted || late.succeeded(), "{told}");
        }
    }
}

/// The request was on its way when its sender gave up.
#[tokio::test]
async fn a_late_request_brings_nothing_back() {
    for purges in [false, true] {
        let (fake, data) = begun().await;
        fake.holds("/backups/");
        let failure = complete(&fake.bucket(), &complete_job("b1", &["h1"]))
            .await
            .unwrap_err();
        assert_eq!(failure.outcome, Outcome::Retry, "{failure}");
        if purges {
            fake.advance(8 * 24 * 3600);
            let summary = purge(&fake.bucket(), &purge_job(None)).await.unwrap();
            assert_eq!(summary.abandoned, [name("b1")]);
        } else {
            delete(&fake.bucket(), &name("b1"), true).await.unwrap();
        }
        fake.deliver().await;
        assert_eq!(listed(&fake, "late").await, 0);
        for failure in [
            complete(&fake.bucket(), &complete_job("b1", &["h1"])).await,
            node(&fake.bucket(), &node_job(data.path(), "b1", "h1")).await,
        ] {
            let failure = failure.unwrap_err();
            assert_eq!(failure.outcome, Outcome::Failed, "{failure}");
            assert!(failure.to_string().contains("was deleted"), "{failure}");
        }
        // The tombstone stays while anything is left, and for some time.
        for days in [0, 1, 31, 31] {
            fake.advance(days * 24 * 3600);
            purge(&fake.bucket(), &purge_job(None)).await.unwrap();
        }
        let keys = fake.keys().await;
        assert!(
            keys.iter().all(|key| key.contains("/purge/")),
            "{purges}: {keys:?}"
        );
    }
}

/// A job stands still for eight days, and completes the backup while a purge gives it up.
#[tokio::test]
async fn what_was_told_as_done_is_not_given_up() {
    let (begun, _data) = begun().await;
    for first in 0..20 {
        for second in 0..20 {
            let fake = begun.fork();
            let mut completes = completion(&fake);
            completes.go_on(&fake, first).await;
            fake.advance(8 * 24 * 3600);
            let bucket = fake.bucket();
            let mut purges = Work::new(async move { purge(&bucket, &purge_job(None)).await });
            purges.go_on(&fake, second).await;
            completes.end(&fake).await;
            purges.end(&fake).await;
            let told = format!("{first}, {second}");
            let listed = listed(&fake, &told).await;
            assert!(!completes.succeeded() || listed == 1, "{told}");
        }
    }
}

#[tokio::test]
async fn a_purge_gives_up_no_backup_of_today() {
    let (fake, _data) = begun().await;
    let mut job = purge_job(None);
    job.abandon_after_days = 0;
    let failure = purge(&fake.bucket(), &job).await.unwrap_err();
    assert_eq!(failure.outcome, Outcome::Failed, "{failure}");
    complete(&fake.bucket(), &complete_job("b1", &["h1"]))
        .await
        .unwrap();
}

/// A second pod of a node's Job that goes on after the backup was completed, with other files.
#[tokio::test]
async fn a_late_node_changes_nothing() {
    for requests in 2..12 {
        let (fake, data) = begun().await;
        let (elsewhere, bucket) = (Folder::new(), fake.bucket());
        snapshot(elsewhere.path(), "b1", &[("nb-1-big-Data.db", b"late")]);
        let job = node_job(elsewhere.path(), "b1", "h1");
        let mut late = Work::new(async move { node(&bucket, &job).await });
        late.go_on(&fake, requests).await;
        complete(&fake.bucket(), &complete_job("b1", &["h1"]))
            .await
            .unwrap();
        late.end(&fake).await;
        for _ in 0..3 {
            fake.advance(25 * 3600);
            purge(&fake.bucket(), &purge_job(Some(1))).await.unwrap();
        }
        assert_eq!(listed(&fake, "late").await, 1);
        let into = Folder::new();
        fetch(&fake.bucket(), &fetch_job("b1", "h1", into.path()))
            .await
            .unwrap();
        let file = into
            .path()
            .join("shop")
            .join(TABLE)
            .join("nb-1-big-Data.db");
        let content = std::fs::read(file).unwrap();
        // The newest one that there was.
        assert!(content == b"data" || content == b"late");
        let keys = fake.keys().await;
        for part in ["/objects/", "/nodes/"] {
            let number = keys.iter().filter(|key| key.contains(part)).count();
            assert_eq!(number, 1, "{requests}: {keys:?}");
        }
        drop(data);
    }
}
