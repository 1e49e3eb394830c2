//! A purge that was held up: backups take it for dead, and it deletes nothing more.

use casskop_backup_protocol::Outcome;

use crate::testing::{Fake, Folder, Work, complete_job, name, node_job, purge_job, snapshot};
use crate::{complete, delete, list, node, purge, verify};

/// Objects without a backup that the next purge may delete.
async fn orphans(fake: &Fake, data: &Folder, number: usize) {
    let files: Vec<(String, Vec<u8>)> = (0..number)
        .map(|number| {
            (
                format!("nb-{number}-big-Data.db"),
                number.to_string().into_bytes(),
            )
        })
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice()))
        .collect();
    for tag in ["b1", "b2"] {
        snapshot(data.path(), tag, &files);
    }
    let bucket = fake.bucket();
    node(&bucket, &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap();
    delete(&bucket, &name("b1"), true).await.unwrap();
    purge(&bucket, &purge_job(None)).await.unwrap();
    fake.advance(25 * 3600);
}

async fn objects(fake: &Fake) -> usize {
    let keys = fake.keys().await;
    keys.iter().filter(|key| key.contains("/objects/")).count()
}

/// Wherever the purge is held up, and however far the backup has come when it goes on.
#[tokio::test]
async fn a_purge_that_was_held_up_beside_a_backup() {
    let data = Folder::new();
    let begun = Fake::new();
    orphans(&begun, &data, 2).await;
    let mut made = 0;
    for first in 1..22 {
        for second in 0..24 {
            let fake = begun.fork();
            let bucket = fake.bucket();
            let mut purges = Work::new(async move { purge(&bucket, &purge_job(None)).await });
            let (job, last) = (
                node_job(data.path(), "b2", "h1"),
                complete_job("b2", &["h1"]),
            );
            let bucket = fake.bucket();
            let mut backup = Work::new(async move {
                node(&bucket, &job).await?;
                complete(&bucket, &last).await
            });
            purges.go_on(&fake, first).await;
            fake.advance(660);
            backup.go_on(&fake, second).await;
            purges.end(&fake).await;
            backup.end(&fake).await;
            let listed = list(&fake.bucket()).await.unwrap().backups;
            if backup.succeeded() {
                made += 1;
                assert_eq!(listed.len(), 1, "{first}, {second}");
            }
            for found in listed {
                let verified = verify(&fake.bucket(), &found.backup, true).await.unwrap();
                assert_eq!(
                    verified.outcome,
                    Outcome::Done,
                    "{first}, {second}: {verified:?}"
                );
            }
        }
    }
    assert!(made > 300, "most backups are made: {made}");
}

#[tokio::test]
async fn no_deletion_is_sent_after_the_lease() {
    let (fake, data) = (Fake::new(), Folder::new());
    orphans(&fake, &data, 100).await;
    fake.deletions_take(100);
    let failure = purge(&fake.bucket(), &purge_job(None)).await.unwrap_err();
    assert_eq!(failure.outcome, Outcome::Retry, "{failure}");
    // Three within 300 seconds, and those that were on their way.
    let deleted = 100 - objects(&fake).await;
    assert!((1..=11).contains(&deleted), "{deleted}");
}

/// The clock of the machine stood still: that of the store did not.
#[tokio::test]
async fn a_machine_that_was_suspended() {
    let (fake, data) = (Fake::new(), Folder::new());
    orphans(&fake, &data, 10).await;
    let sleeper = fake.clone();
    // The second sign of life, which is that before the deletions.
    fake.before("/sweeping/", 1, move || sleeper.suspend(700));
    let failure = purge(&fake.bucket(), &purge_job(None)).await.unwrap_err();
    assert_eq!(failure.outcome, Outcome::Retry, "{failure}");
    assert_eq!(objects(&fake).await, 10);
    let summary = purge(&fake.bucket(), &purge_job(None)).await.unwrap();
    assert_eq!(summary.deleted_objects, 10);
}
