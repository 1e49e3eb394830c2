//! The Jobs of a backup.

use std::collections::BTreeSet;

use casskop_common::{api::BackupVolume, names::RackId};

use super::{operation, parts, pod, ring, work};
use crate::{
    node::Reading,
    objects::{
        backup_job::{self, BackupCommand, LeftOut, NodeFacts, Parts},
        data_job::{self, Beside, NoJob},
    },
    operations::backup::taken,
};

#[test]
fn a_job_reads_the_volumes_of_the_pod_on_its_node() {
    let world = ring();
    let pod = pod(&world);
    let beside = Beside {
        pod: &pod,
        node: "node-1",
    };
    let upload = work(BackupCommand::Upload);
    let job = backup_job::build(&parts(&upload), &beside).expect("a Job");
    insta::assert_yaml_snapshot!(job);
    assert_eq!(data_job::node_of(&job), Some("node-1"));
    let complete = work(BackupCommand::Complete);
    let job = backup_job::build(&parts(&complete), &beside).expect("a Job");
    assert_eq!(data_job::node_of(&job), None);
    let text = serde_json::to_string(&job).expect("JSON");
    assert!(
        !text.contains("data-demo") && text.contains("complete"),
        "{text}"
    );
}

#[test]
fn a_store_that_is_a_volume_is_mounted_and_may_have_an_account() {
    let world = ring();
    let pod = pod(&world);
    let mut upload = work(BackupCommand::Upload);
    let store = upload.store.as_mut().expect("a store");
    (store.s3, store.secret) = (None, None);
    store.volume = Some(BackupVolume {
        claim_name: "backups".into(),
    });
    store.service_account_name = Some("backup".into());
    let job = backup_job::build(
        &parts(&upload),
        &Beside {
            pod: &pod,
            node: "n",
        },
    );
    let text = serde_json::to_string(&job.expect("a Job")).expect("JSON");
    for part in [
        r#""claimName":"backups""#,
        r#""mountPath":"/casskop/store""#,
        r#""serviceAccountName":"backup""#,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("--credentials"), "{text}");
}

#[test]
fn no_job_is_made_without_a_volume_or_a_store() {
    let world = ring();
    let mut pod = pod(&world);
    let mut upload = work(BackupCommand::Upload);
    pod.spec.as_mut().expect("a spec").volumes = None;
    let beside = Beside {
        pod: &pod,
        node: "n",
    };
    let built = backup_job::build(&parts(&upload), &beside);
    assert_eq!(built, Err(NoJob::NoVolume("demo-dc1-rack1-0".into())));
    upload.store = None;
    let built = backup_job::build(&parts(&upload), &beside);
    assert_eq!(built, Err(NoJob::NoStore("s3".into())));
}

#[test]
fn a_job_has_one_name_for_a_step_which_fits_a_label() {
    let upload = work(BackupCommand::Upload);
    let complete = work(BackupCommand::Complete);
    let long = format!("{}.x", "a".repeat(60));
    let mut names = BTreeSet::new();
    for cluster in [
        ("ns", "demo", "u-1"),
        ("ns", "demo", "u-2"),
        ("ns", long.as_str(), "u-1"),
    ] {
        for (id, pod) in [("b1", "p"), ("b2", "p"), ("b1", "q")] {
            for work in [&upload, &complete] {
                let name = backup_job::name(cluster, id, pod, work);
                assert!(name.len() <= 63 && !name.contains('.'), "{name}");
                assert_eq!(name, backup_job::name(cluster, id, pod, work));
                names.insert(name);
            }
        }
    }
    assert_eq!(names.len(), 18);
}

#[test]
fn a_description_says_what_the_operator_has_read() {
    let operation = operation([4, 4, 4]);
    let rack = RackId::new("dc1", "rack1");
    let reading = Reading {
        local_host_id: "6799ee6c-3588-4dfa-9842-091edc5e9706".into(),
        version: "5.0.9".into(),
        schema_version: "s".into(),
        ..Reading::default()
    };
    let facts = NodeFacts {
        pod: "demo-dc1-rack1-0",
        rack: &rack,
        logins: true,
        reading: &reading,
        tokens: vec!["-3".into(), "7".into()],
        data_directories: vec!["/var/lib/cassandra/data".into()],
        taken: taken(&operation).map(str::to_owned).collect(),
    };
    let upload = work(BackupCommand::Upload);
    let job = backup_job::upload(("demo", "u-1"), &operation, &upload, &facts, Some("b0"));
    let complete = work(BackupCommand::Complete);
    let left_out = LeftOut {
        pods: vec!["x-0".into()],
        elsewhere: vec!["9e1d0b5c-0000-4000-8000-000000000001".into()],
    };
    let last = backup_job::complete(("demo", "u-1"), &operation, &complete, &left_out);
    insta::assert_yaml_snapshot!((job.expect("a description"), last.expect("a description")));
    let named = NodeFacts {
        data_directories: Vec::new(),
        pod: "../etc",
        ..facts
    };
    let bad = backup_job::upload(("demo", "u-1"), &operation, &upload, &named, None);
    assert!(matches!(bad, Err(NoJob::Name(_))));
}

#[test]
fn a_job_of_another_author_is_told_apart() {
    let world = ring();
    let pod = pod(&world);
    let complete = work(BackupCommand::Complete);
    let beside = Beside {
        pod: &pod,
        node: "n",
    };
    let described = backup_job::complete(
        ("demo", "u-1"),
        &operation([7, 7, 6]),
        &complete,
        &LeftOut {
            pods: vec!["x-0".into()],
            elsewhere: vec!["h".into()],
        },
    );
    let described = serde_json::to_string(&described.expect("a description")).expect("JSON");
    let job = backup_job::build(
        &Parts {
            description: described,
            ..parts(&complete)
        },
        &beside,
    );
    let mut job = job.expect("a Job");
    let left_out = backup_job::left_out(&job).expect("a description");
    assert_eq!((left_out.pods.len(), left_out.elsewhere.len()), (1, 1));
    assert!(data_job::is_of(&job, "u-1", "b1"));
    assert!(!data_job::is_of(&job, "u-1", "b2"));
    assert!(!data_job::is_of(&job, "u-2", "b1"));
    job.metadata.owner_references = None;
    assert!(!data_job::is_of(&job, "u-1", "b1"));
}
