//! The record of a change of a rack before its write (`docs/adr/0024-one-rack-after-the-other.md`).

use std::sync::Arc;

use casskop_common::names;
use kube::runtime::controller::Action;
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, Lost, Rival},
    cluster::{
        AFTER_CONFLICT,
        tests::{CLUSTER, RACK, condition, edit, manifest, operator, pass},
    },
    context::Context,
};

/// A ring that was formed, and whose pods are all down.
async fn ring() -> (ApiServer, Arc<Context>) {
    let server = ApiServer::default();
    server.with(|state| state.put(CLUSTER, manifest()));
    let ctx = operator(&server);
    pass(&server, &ctx).await.unwrap();
    edit(&server, CLUSTER, |cluster| {
        cluster["status"]["phase"] = json!("Running");
    });
    for _ in 0..5 {
        pass(&server, &ctx).await.unwrap();
    }
    server.asked();
    (server, ctx)
}

fn set_image(server: &ApiServer) {
    edit(server, CLUSTER, |cluster| {
        cluster["spec"]["cassandraImage"] = json!("cassandra:5.0.9-new");
    });
}

fn version(server: &ApiServer) -> String {
    let rack = server.with(|state| state.objects[RACK].clone());
    rack["metadata"]["resourceVersion"].as_str().unwrap().into()
}

fn writes(server: &ApiServer) -> usize {
    let asked = server.asked();
    let is_write = |asked: &&String| asked.starts_with("PATCH") && asked.contains("/statefulsets/");
    asked.iter().filter(is_write).count()
}

#[tokio::test]
async fn a_rack_is_written_after_its_record() {
    let (server, ctx) = ring().await;
    set_image(&server);
    let seen = version(&server);
    server.with(|state| state.lost = Some(Lost::Write));
    pass(&server, &ctx).await.unwrap_err();
    assert_eq!(writes(&server), 0);
    pass(&server, &ctx).await.unwrap();
    assert_eq!(writes(&server), 1);
    let cluster = server.with(|state| state.objects[CLUSTER].clone());
    let record = &cluster["status"]["lastRackWrite"];
    let expected = json!({ "statefulSet": "demo-dc1-rack1", "resourceVersion": seen });
    assert_eq!(*record, expected);
}

#[tokio::test]
async fn no_rack_is_written_if_the_record_is_not_kept() {
    let (server, ctx) = ring().await;
    server.with(|state| state.taken_out = Some("/status.lastRackWrite"));
    set_image(&server);
    pass(&server, &ctx).await.unwrap_err();
    assert_eq!(writes(&server), 0);
    insta::assert_snapshot!(condition(&server, "Degraded")["message"].as_str().unwrap(), @"write the status of CassandraCluster demo: the API server does not keep lastRackWrite, and no rack changes without it; apply manifests/crds of this version");
}

/// A change that was recorded may still be written by another process, unless the StatefulSet has another version.
fn record(server: &ApiServer, version: &str) {
    let record = json!({ "statefulSet": "demo-dc1-rack1", "resourceVersion": version });
    edit(server, CLUSTER, |cluster| {
        cluster["status"]["lastRackWrite"] = record;
    });
}

#[tokio::test]
async fn a_change_that_may_still_be_written_is_fenced_once() {
    // The version of a status that was restored from another API server may be larger than any.
    for recorded in [None, Some("999999999".to_owned())] {
        let (server, ctx) = ring().await;
        let recorded = recorded.unwrap_or_else(|| version(&server));
        record(&server, &recorded);
        server.with(|state| {
            state.rival = Some(Rival {
                object: "demo-dc1-rack1",
                change: |rack| rack["metadata"]["labels"]["changed"] = json!("yes"),
            });
        });
        let action = pass(&server, &ctx).await.unwrap();
        assert_eq!(action, Action::requeue(AFTER_CONFLICT));
        for _ in 0..3 {
            pass(&server, &ctx).await.unwrap();
        }
        let is_new = recorded != "999999999";
        // A version after the recorded one needs no annotation.
        assert_eq!(writes(&server), if is_new { 1 } else { 2 });
        let rack = server.with(|state| state.objects[RACK].clone());
        let fenced = &rack["metadata"]["annotations"][names::FENCED_VERSION];
        assert_eq!(*fenced, if is_new { Value::Null } else { json!(recorded) });
    }
}

#[tokio::test]
async fn a_webhook_that_takes_the_annotation_out_is_told() {
    let (server, ctx) = ring().await;
    record(&server, &version(&server));
    server.with(|state| {
        state.taken_out = Some("/metadata/annotations.db.orange.com/fenced-version");
    });
    pass(&server, &ctx).await.unwrap_err();
    insta::assert_snapshot!(condition(&server, "Degraded")["message"].as_str().unwrap(), @"write StatefulSet demo-dc1-rack1: the annotation db.orange.com/fenced-version did not change it: find the admission webhook that removes the annotation");
}
