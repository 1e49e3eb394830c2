//! A backup and a purge beside each other: each way in which one stands still while the other goes on.

use casskop_backup_protocol::Outcome;

use crate::testing::{Fake, Folder, Work, complete_job, name, node_job, purge_job, snapshot};
use crate::{complete, delete, list, node, purge, verify};

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
    let begun = Fake::new();
    let bucket = begun.bucket();
    // The objects of the backup are there, and an earlier pass has found that nothing has them.
    node(&bucket, &node_job(data.path(), "b1", "h1"))
        .await
        .unwrap();
    delete(&bucket, &name("b1"), true).await.unwrap();
    purge(&bucket, &purge_job(None)).await.unwrap();
    begun.advance(25 * 3600);
    let mut listed = 0;
    for first in 0..24 {
        for second in 0..24 {
            let fake = begun.fork();
            let (job, last) = (
                node_job(data.path(), "b2", "h1"),
                complete_job("b2", &["h1"]),
            );
            let bucket = fake.bucket();
            let mut backup = Work::new(async move {
                node(&bucket, &job).await?;
                complete(&bucket, &last).await.map(drop)
            });
            let bucket = fake.bucket();
            let mut purges =
                Work::new(async move { purge(&bucket, &purge_job(None)).await.map(drop) });
            backup.go_on(&fake, first).await;
            purges.go_on(&fake, second).await;
            backup.end(&fake).await;
            purges.end(&fake).await;

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
