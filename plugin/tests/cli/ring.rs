//! `ring`: one line for each node.

use crate::{
    operations::of,
    run::{fixture, run},
};

#[test]
fn a_ring() {
    let mut cluster = fixture("growing.yaml");
    cluster["status"]["cassandraNodeStatus"]["demo-dc1-rack1-0"]["cleanupRequiredSince"] =
        "2026-11-22T15:05:18Z".into();
    let shown = [vec!["ring", "demo"], vec!["ring", "demo", "-o", "json"]]
        .map(|arguments| run(&of(cluster.clone()), &arguments));
    insta::assert_snapshot!(shown.join("\n"));
}
