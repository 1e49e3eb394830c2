//! From the slot of a schedule to the condition.

use casskop_backup_protocol::S3;
use casskop_common::api::{Backup, BackupStore};

use super::*;

#[test]
fn a_slot_makes_the_backup_that_the_condition_asks_for() {
    let mut world = World::formed(THREE_RACKS);
    world.now = time("2026-12-01T12:00:00Z");
    world.edit(|cluster| {
        cluster.spec.backup = Some(Backup {
            stores: vec![BackupStore {
                name: "s3".into(),
                s3: Some(S3 {
                    bucket: "backups".into(),
                    ..S3::default()
                }),
                ..BackupStore::default()
            }],
            ..Backup::default()
        });
        cluster.spec.schedules = vec![nightly()];
    });
    world.settle();
    let mut told = Vec::new();
    for now in [
        "2026-12-01T12:00:00Z",
        "2026-12-02T02:00:10Z",
        "2026-12-02T12:00:00Z",
    ] {
        world.now = time(now);
        world.settle();
        told.push(world.condition(condition::BACKUPS_CURRENT));
    }
    world.edit(|cluster| cluster.spec.backup = None);
    world.now = time("2026-12-03T02:00:10Z");
    world.settle();
    told.push(world.condition(condition::BACKUPS_CURRENT));
    insta::assert_snapshot!(told.join("\n"));
    assert!(world.is_settled());
}
