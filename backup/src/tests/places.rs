//! Files of a node of a backup for the node at the same place in a new ring.

use std::fs;
use std::path::{Path, PathBuf};

use casskop_backup_protocol::{FetchJob, NodePlace, Outcome, RackShape, RestoreMarker};

use crate::testing::{
    Fake, Folder, TABLE, Work, complete_job, fetch_job, list_data, name, node_job, snapshot,
};
use crate::{Failure, complete, fetch, node};

/// Nodes of the backup: host id, pod and rack. The order of the host ids is not that of the pods.
const NODES: [(&str, &str, &str); 3] = [
    ("h1", "old-dc1-r1-10", "r1"),
    ("h2", "old-dc1-r1-2", "r1"),
    ("h3", "old-dc1-r2-0", "r2"),
];

/// A table of another keyspace in the snapshot.
fn table(data: &Path, keyspace: &str, tag: &str) {
    let folder = data.join(keyspace).join(TABLE).join("snapshots").join(tag);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("nb-1-big-Data.db"), keyspace).unwrap();
    list_data(&folder);
}

async fn made(keyspaces: &[&str]) -> Fake {
    made_of(keyspaces, &[]).await
}

/// A backup of a ring of which these nodes require logins.
async fn made_of(keyspaces: &[&str], with_logins: &[&str]) -> Fake {
    made_with(keyspaces, |host| Some(with_logins.contains(&host))).await
}

async fn made_with(keyspaces: &[&str], logins: impl Fn(&str) -> Option<bool>) -> Fake {
    let fake = Fake::new();
    for (host, pod, rack) in NODES {
        let data = Folder::new();
        snapshot(data.path(), "b1", &[("nb-1-big-Data.db", host.as_bytes())]);
        for keyspace in keyspaces {
            table(data.path(), keyspace, "b1");
        }
        let mut job = node_job(data.path(), "b1", host);
        job.node.pod = Some(name(pod));
        job.node.rack = rack.to_owned();
        job.node.logins = logins(host);
        job.node.tokens = vec![format!("-7-{host}"), format!("7-{host}")];
        node(&fake.bucket(), &job).await.unwrap();
    }
    let hosts = NODES.map(|(host, ..)| host);
    complete(&fake.bucket(), &complete_job("b1", &hosts))
        .await
        .unwrap();
    fake
}

fn shape(racks: &[(&str, u32)]) -> Vec<RackShape> {
    let racks = racks.iter();
    racks
        .map(|(rack, nodes)| RackShape {
            dc: "dc1".to_owned(),
            rack: (*rack).to_owned(),
            nodes: *nodes,
        })
        .collect()
}

/// The volume of a new node, and the job of its files.
fn job(volume: &Folder, rack: &str, ordinal: u32) -> FetchJob {
    let into = volume.path().join("data");
    FetchJob {
        host_id: None,
        place: Some(NodePlace {
            dc: "dc1".to_owned(),
            rack: rack.to_owned(),
            ordinal,
            ring: shape(&[("r1", 2), ("r2", 1), ("empty", 0)]),
            logins: false,
        }),
        marker: Some(marker_file(volume)),
        ..fetch_job("b1", "h1", &into)
    }
}

fn marker_file(volume: &Folder) -> String {
    let file = volume.path().join(RestoreMarker::FILE);
    file.to_str().unwrap().to_owned()
}

fn marker(volume: &Folder) -> Option<RestoreMarker> {
    let content = fs::read(marker_file(volume)).ok()?;
    Some(serde_json::from_slice(&content).unwrap())
}

async fn refused(fake: &Fake, job: &FetchJob) -> Failure {
    let failure = fetch(&fake.bucket(), job).await.unwrap_err();
    assert_eq!(failure.outcome, Outcome::Failed, "{failure}");
    failure
}

#[tokio::test]
async fn each_place_gets_its_node_and_nothing_of_the_local_keyspace() {
    let fake = made(&["system", "system_schema"]).await;
    for (rack, ordinal, host) in [("r1", 0, "h2"), ("r1", 1, "h1"), ("r2", 0, "h3")] {
        let volume = Folder::new();
        fs::create_dir(volume.path().join("lost+found")).unwrap();
        // Another volume is mounted there.
        fs::create_dir_all(volume.path().join("commitlog/lost+found")).unwrap();
        let job = job(&volume, rack, ordinal);
        fetch(&fake.bucket(), &job).await.unwrap();
        let marker = marker(&volume).expect("a marker");
        assert_eq!(marker.host_id, name(host));
        assert_eq!((marker.tokens.len(), marker.num_tokens), (2, 2));
        let data = volume.path().join("data");
        let file = data.join("shop").join(TABLE).join("nb-1-big-Data.db");
        assert_eq!(fs::read_to_string(file).unwrap(), host);
        assert!(data.join("system_schema").is_dir());
        assert!(!data.join("system").exists());
    }
}

#[tokio::test]
async fn a_node_that_may_run_gets_no_file_again() {
    let fake = made(&["system_schema"]).await;
    let volume = Folder::new();
    let job = job(&volume, "r2", 0);
    fetch(&fake.bucket(), &job).await.unwrap();
    // Cassandra runs, and has compacted the table.
    let file = volume.path().join("data/shop").join(TABLE);
    let file = file.join("nb-1-big-Data.db");
    fs::remove_file(&file).unwrap();
    fs::create_dir(volume.path().join("commitlog")).unwrap();
    // The backup may be gone by now.
    let summary = fetch(&Fake::new().bucket(), &job).await.unwrap();
    assert_eq!(summary.files, 0);
    assert!(!file.exists());
    // Another node, or another backup, does not take its place.
    let mut other = job.clone();
    other.place.as_mut().unwrap().rack = "r1".to_owned();
    let failure = refused(&fake, &other).await;
    assert!(failure.to_string().contains("h3"), "{failure}");
}

#[tokio::test]
async fn a_node_of_another_number_of_tokens_is_refused() {
    let fake = made(&["system_schema"]).await;
    let volume = Folder::new();
    let mut job = job(&volume, "r2", 0);
    job.num_tokens = Some(16);
    let failure = refused(&fake, &job).await;
    assert!(failure.to_string().contains("num_tokens"), "{failure}");
    assert!(!volume.path().join("data").exists(), "nothing was written");
    job.num_tokens = Some(2);
    fetch(&fake.bucket(), &job).await.unwrap();
    // Changed after the files were there.
    job.num_tokens = Some(3);
    refused(&fake, &job).await;
}

/// With a superuser that everybody knows nobody is kept out, and data that was kept from everybody stays so.
#[tokio::test]
async fn roles_are_restored_into_a_ring_that_is_as_closed() {
    let hosts = NODES.map(|(host, ..)| host);
    for with_logins in [&hosts[..], &hosts[..1], &[]] {
        let fake = made_of(&["system_schema"], with_logins).await;
        for logins in [true, false] {
            let volume = Folder::new();
            let mut job = job(&volume, "r2", 0);
            job.place.as_mut().unwrap().logins = logins;
            if with_logins.len() == if logins { hosts.len() } else { 0 } {
                fetch(&fake.bucket(), &job).await.unwrap();
                let place = marker(&volume).and_then(|marker| marker.place);
                assert_eq!(place.map(|place| place.logins), Some(logins));
            } else {
                let failure = refused(&fake, &job).await.to_string();
                let is_mixed = with_logins.len() == 1;
                assert_ne!(
                    failure.contains("spec.authentication"),
                    is_mixed,
                    "{failure}"
                );
                assert_eq!(failure.contains("make a new backup"), is_mixed);
                assert!(!volume.path().join("data").exists(), "nothing was written");
            }
        }
    }
}

/// An earlier program has written the manifests: data of a ring with logins is not opened by a guess.
#[tokio::test]
async fn nodes_of_which_nothing_is_known_are_not_restored() {
    let fake = made_with(&["system_schema"], |host| (host != "h1").then_some(false)).await;
    for logins in [true, false] {
        let volume = Folder::new();
        let mut job = job(&volume, "r2", 0);
        job.place.as_mut().unwrap().logins = logins;
        let failure = refused(&fake, &job).await.to_string();
        assert!(failure.contains("make a new backup"), "{failure}");
        assert!(!failure.contains("spec.authentication"), "{failure}");
    }
}

/// The backup is of 5.0.9.
#[tokio::test]
async fn a_cassandra_that_does_not_read_the_files_is_refused() {
    let fake = made(&["system_schema"]).await;
    let volume = Folder::new();
    let mut job = job(&volume, "r2", 0);
    for wrong in ["4.1", "7.0"] {
        job.cassandra = Some(wrong.to_owned());
        let failure = refused(&fake, &job).await;
        assert!(failure.to_string().contains("5.0.9"), "{failure}");
    }
    assert!(!volume.path().join("data").exists(), "nothing was written");
    for reads in ["5.0", "6.1"] {
        job.cassandra = Some(reads.to_owned());
        fetch(&fake.bucket(), &job).await.unwrap();
        fs::remove_file(marker_file(&volume)).unwrap();
    }
}

#[tokio::test]
async fn a_volume_that_is_not_empty_is_refused() {
    let fake = made(&["system_schema"]).await;
    for there in [
        "commitlog/a",
        "data/system/local/a",
        "data/shop/a",
        ".casskop-joined",
        ".casskop-logins",
    ] {
        let volume = Folder::new();
        let path = volume.path().join(there);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        refused(&fake, &job(&volume, "r2", 0)).await;
        assert_eq!(marker(&volume), None, "{there}");
    }
}

/// The data is on a volume of its own, and so is the commit log.
#[tokio::test]
async fn each_volume_is_looked_at() {
    let fake = made(&["system_schema"]).await;
    for there in ["root/commitlog/a", "log/commitlog/a", "log/a"] {
        let volumes = Folder::new();
        let at = |name: &str| volumes.path().join(name).to_str().unwrap().to_owned();
        for name in ["root", "data", "data/.trash", "log", "log/lost+found"] {
            fs::create_dir(at(name)).unwrap();
        }
        let mut job = job(&volumes, "r2", 0);
        job.into = at("data/cassandra");
        job.marker = Some(at("root/marker.json"));
        job.volumes = vec![at("data"), at("log")];
        let path = PathBuf::from(at(there));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        let failure = refused(&fake, &job).await;
        assert!(failure.to_string().contains("may have run"), "{failure}");
        let top = path.strip_prefix(volumes.path()).unwrap();
        let top: PathBuf = top.components().take(2).collect();
        let top = volumes.path().join(top);
        if top.is_dir() {
            fs::remove_dir_all(&top).unwrap();
        } else {
            fs::remove_file(&top).unwrap();
        }
        fetch(&fake.bucket(), &job).await.unwrap();
        assert!(Path::new(&at("root/casskop-restore.begun")).exists());
    }
}

#[tokio::test]
async fn a_ring_of_another_shape_is_refused() {
    let fake = made(&["system_schema"]).await;
    let other: [&[(&str, u32)]; 4] = [
        &[("r1", 2)],
        &[("r1", 1), ("r2", 1)],
        &[("r1", 3), ("r2", 1)],
        &[("r1", 2), ("r2", 1), ("r3", 1)],
    ];
    for racks in other {
        let volume = Folder::new();
        let mut job = job(&volume, "r1", 0);
        job.place.as_mut().unwrap().ring = shape(racks);
        let failure = refused(&fake, &job).await;
        assert!(failure.to_string().contains("nodes in data"), "{failure}");
        assert!(!volume.path().join("data").exists(), "nothing was written");
    }
}

#[tokio::test]
async fn a_backup_without_definitions_and_a_job_without_a_node_are_refused() {
    let fake = made(&[]).await;
    let volume = Folder::new();
    let mut job = job(&volume, "r1", 0);
    let failure = refused(&fake, &job).await;
    assert!(failure.to_string().contains("system_schema"), "{failure}");
    job.host_id = Some(name("h1"));
    let failure = refused(&fake, &job).await;
    assert!(failure.to_string().contains("both"), "{failure}");
}

/// A job that ends at any request leaves no marker, and the next one continues.
#[tokio::test]
async fn the_marker_comes_last() {
    let fake = made(&["system_schema"]).await;
    for requests in 0.. {
        let volume = Folder::new();
        let job = job(&volume, "r1", 1);
        let (bucket, first) = (fake.bucket(), job.clone());
        let mut works = Work::new(async move { fetch(&bucket, &first).await });
        works.go_on(&fake, requests).await;
        if works.result.is_some() {
            break;
        }
        drop(works);
        assert_eq!(marker(&volume), None, "{requests}");
        let begun = volume.path().join(RestoreMarker::BEGUN);
        assert!(begun.exists() || !volume.path().join("data").exists());
        fetch(&fake.bucket(), &job).await.unwrap();
        assert_eq!(marker(&volume).unwrap().host_id, name("h1"));
    }
}
