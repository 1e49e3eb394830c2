//! Each command is killed at each of its requests, with and without the answer, and run again.

use casskop_backup_protocol::Outcome;

use crate::testing::{Fake, Fault, Folder, complete_job, fetch_job, node_job, purge_job, snapshot};
use crate::{Result, complete, delete, fetch, list, node, purge, verify};

const FAULTS: [Fault; 2] = [Fault::Refused, Fault::AnswerLost];

fn files(data: &Folder, tag: &str) {
    let large = vec![7; (6 << 20) + 3];
    let files: [(&str, &[u8]); 5] = [
        ("nb-1-big-Data.db", &large),
        ("nb-1-big-Statistics.db", b"statistics"),
        ("nb-2-big-Data.db", b"data"),
        (".by_city/nb-1-big-Data.db", b"index"),
        ("schema.cql", b"CREATE TABLE shop.users"),
    ];
    snapshot(data.path(), tag, &files);
}

async fn whole(fake: &Fake, data: &Folder) -> Result<()> {
    let bucket = fake.bucket();
    node(&bucket, &node_job(data.path(), "b1", "h1")).await?;
    node(&bucket, &node_job(data.path(), "b1", "h2")).await?;
    complete(&bucket, &complete_job("b1", &["h1", "h2"])).await?;
    Ok(())
}

/// Wherever it dies: no cluster manifest before everything is there, and the second run sends nothing that was acknowledged.
#[tokio::test]
async fn a_backup_continues() {
    let data = Folder::new();
    files(&data, "b1");
    for fault in FAULTS {
        for request in 0.. {
            let fake = Fake::new();
            fake.dies_at(request, fault);
            let first = whole(&fake, &data).await;
            fake.lives();
            for listed in list(&fake.bucket()).await.unwrap().backups {
                let verified = verify(&fake.bucket(), &listed.backup, true).await.unwrap();
                assert_eq!(
                    verified.outcome,
                    Outcome::Done,
                    "{fault:?} at {request}: {verified:?}"
                );
            }
            if let Err(failure) = &first {
                assert_eq!(
                    failure.outcome,
                    Outcome::Retry,
                    "{fault:?} at {request}: {failure}"
                );
                whole(&fake, &data).await.unwrap();
            }
            assert!(
                fake.sent().values().all(|sent| *sent == 1),
                "{fault:?} at {request}: {:?}",
                fake.sent()
            );
            let verified = verify(&fake.bucket(), &"b1".parse().unwrap(), true)
                .await
                .unwrap();
            assert_eq!((verified.outcome, verified.files), (Outcome::Done, 10));
            assert!(
                !fake
                    .keys()
                    .await
                    .iter()
                    .any(|key| key.contains("/running/"))
            );
            if first.is_ok() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_purge_continues() {
    let data = Folder::new();
    for tag in ["b1", "b2", "b3"] {
        snapshot(
            data.path(),
            tag,
            &[
                ("nb-1-big-Data.db", tag.as_bytes()),
                ("nb-2-big-Data.db", b"same"),
            ],
        );
    }
    for fault in FAULTS {
        for request in 0.. {
            let fake = Fake::new();
            let bucket = fake.bucket();
            for tag in ["b1", "b2", "b3"] {
                node(&bucket, &node_job(data.path(), tag, "h1"))
                    .await
                    .unwrap();
                complete(&bucket, &complete_job(tag, &["h1"]))
                    .await
                    .unwrap();
            }
            purge(&bucket, &purge_job(Some(2))).await.unwrap();
            fake.advance(25 * 3600);
            fake.dies_at(request, fault);
            let first = purge(&bucket, &purge_job(Some(1))).await;
            fake.lives();
            for hours in [1, 25, 25] {
                fake.advance(hours * 3600);
                purge(&bucket, &purge_job(Some(1))).await.unwrap();
            }
            let keys = fake.keys().await;
            let number = |part: &str| keys.iter().filter(|key| key.contains(part)).count();
            let all = [
                number("/objects/"),
                number("/nodes/"),
                number("/backups/"),
                number("/running/"),
                number("/sweeping/"),
            ];
            assert_eq!(all, [2, 1, 1, 0, 0], "{fault:?} at {request}: {keys:?}");
            assert_eq!(
                verify(&bucket, &"b3".parse().unwrap(), true)
                    .await
                    .unwrap()
                    .outcome,
                Outcome::Done
            );
            if first.is_ok() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_restore_continues() {
    let data = Folder::new();
    files(&data, "b1");
    let fake = Fake::new();
    whole(&fake, &data).await.unwrap();
    for fault in FAULTS {
        for request in 0.. {
            let into = Folder::new();
            let job = fetch_job("b1", "h2", into.path());
            fake.dies_at(request, fault);
            let first = fetch(&fake.bucket(), &job).await;
            fake.lives();
            let again = fetch(&fake.bucket(), &job).await.unwrap();
            // Four of the table, and its schema.
            assert_eq!(again.files, 5);
            let table = into.path().join("shop").join(crate::testing::TABLE);
            assert_eq!(
                std::fs::read(table.join("nb-1-big-Data.db")).unwrap().len(),
                (6 << 20) + 3
            );
            assert_eq!(
                std::fs::read(table.join(".by_city/nb-1-big-Data.db")).unwrap(),
                b"index"
            );
            assert!(!table.join("schema.cql").exists());
            let schema = into.path().join(".casskop-restore/schema/shop");
            assert_eq!(
                std::fs::read(schema.join(crate::testing::TABLE).join("schema.cql")).unwrap(),
                b"CREATE TABLE shop.users"
            );
            if first.is_ok() {
                assert_eq!((again.sent_objects, again.skipped_objects), (0, 5));
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_deletion_continues() {
    let data = Folder::new();
    snapshot(data.path(), "b1", &[("nb-1-big-Data.db", b"data")]);
    for fault in FAULTS {
        for request in 0.. {
            let fake = Fake::new();
            let bucket = fake.bucket();
            node(&bucket, &node_job(data.path(), "b1", "h1"))
                .await
                .unwrap();
            complete(&bucket, &complete_job("b1", &["h1"]))
                .await
                .unwrap();
            fake.dies_at(request, fault);
            let first = delete(&bucket, &"b1".parse().unwrap(), false).await;
            fake.lives();
            // Gone already, if only the answer was lost.
            let _ = delete(&bucket, &"b1".parse().unwrap(), false).await;
            let kept = |key: &String| key.contains("/objects/") || key.contains("/gone/");
            assert!(fake.keys().await.iter().all(kept));
            if first.is_ok() {
                break;
            }
        }
    }
}
