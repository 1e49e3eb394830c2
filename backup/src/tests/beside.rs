//! A backup and a purge beside each other: each way in which one stands still while the other goes on.

use std::pin::Pin;

use casskop_backup_protocol::Outcome;
use futures::poll;

use crate::testing::{Fake, Folder, complete_job, name, node_job, purge_job, snapshot};
use crate::{complete, delete, list, node, purge, verify};

type Work = Pin<Box<dyn Future<Output = crate::Result<()>>>>;

/// Goes on until the store has had so many requests more, or to the end: then there is nothing left.
async fn go_on(work: &mut Option<Work>, fake: &Fake, requests: usize) {
    let until = fake.requests().saturating_add(requests);
    while let Some(running) = work
        && fake.requests() < until
    {
        if poll!(running).is_ready() {
            *work = None;
        }
        // What reads files is woken.
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn no_listed_backup_lacks_an_object() {
    let data = Folder::new();
    for tag in ["b1", "b2"] {
        snapshot(
            data.path(),
            tag,
            &[("nb-1-big-Data.db", b"one"), ("nb-2-big-Data.db", b"two")],
        );
    }
    let mut listed = 0;
    for first in 0..24 {
        for second in 0..24 {
            let fake = Fake::new();
            let bucket = fake.bucket();
            // The objects of the backup are there, and an earlier pass has found that nothing has them.
            node(&bucket, &node_job(data.path(), "b1", "h1"))
                .await
                .unwrap();
            delete(&bucket, &name("b1"), true).await.unwrap();
            purge(&bucket, &purge_job(None)).await.unwrap();
            fake.advance(25 * 3600);

            let (job, last) = (
                node_job(data.path(), "b2", "h1"),
                complete_job("b2", &["h1"]),
            );
            let bucket = fake.bucket();
            let mut backup: Option<Work> = Some(Box::pin(async move {
                node(&bucket, &job).await?;
                complete(&bucket, &last).await.map(drop)
            }));
            let bucket = fake.bucket();
            let mut purges: Option<Work> = Some(Box::pin(async move {
                purge(&bucket, &purge_job(None)).await.map(drop)
            }));
            go_on(&mut backup, &fake, first).await;
            go_on(&mut purges, &fake, second).await;
            go_on(&mut backup, &fake, usize::MAX).await;
            go_on(&mut purges, &fake, usize::MAX).await;

            for found in list(&fake.bucket()).await.unwrap().backups {
                listed += 1;
                let verified = verify(&fake.bucket(), &found.backup, true).await.unwrap();
                assert_eq!(
                    verified.outcome,
                    Outcome::Done,
                    "{first}, {second}: {verified:?}"
                );
            }
        }
    }
    assert!(listed > 100, "most backups are made: {listed}");
}
