//! Warnings of objects that wait.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use hyper::{Request, Response};
use kube::client::Body;
use std::sync::atomic::{AtomicUsize, Ordering};

fn event(uid: &str, reason: &str, second: u8, message: &str) -> Event {
    serde_json::from_value(json!({
        "metadata": { "name": format!("{uid}.{second}"), "namespace": "shop" },
        "involvedObject": { "uid": uid },
        "reason": reason,
        "lastTimestamp": format!("2026-11-28T10:00:{second:02}Z"),
        "message": message,
    }))
    .unwrap()
}

#[test]
fn the_newest_warning_of_each_object_counts() {
    let refused = |uid, second, why: &str| {
        let message = format!("create Pod a-0 in StatefulSet a failed error: {why}");
        event(uid, "FailedCreate", second, &message)
    };
    let events = vec![
        refused("1", 5, "pods \"a-0\" is forbidden: exceeded quota: small"),
        refused("1", 1, "pods \"a-0\" is forbidden: older"),
        refused("0", 9, "of a StatefulSet that was deleted"),
        event("2", "FailedMount", 3, "secret \"tls\" not found"),
    ];
    let expected = [
        ("0", "of a StatefulSet that was deleted"),
        ("1", "pods \"a-0\" is forbidden: exceeded quota: small"),
        ("2", "FailedMount: secret \"tls\" not found"),
    ];
    let expected = expected.map(|(uid, words)| (uid.to_owned(), words.to_owned()));
    assert_eq!(newest(events), expected.into());
}

/// An API server without events that takes its time, and the number of lists that it was asked for.
fn server(delay: Duration) -> (Client, Arc<AtomicUsize>) {
    let lists = Arc::new(AtomicUsize::new(0));
    let counted = lists.clone();
    let service = tower::service_fn(move |_: Request<Body>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(delay).await;
            let list =
                json!({ "apiVersion": "v1", "kind": "EventList", "metadata": {}, "items": [] });
            let body = Body::from(list.to_string().into_bytes());
            Ok::<_, tower::BoxError>(Response::new(body))
        }
    });
    (Client::new(service, "ns"), lists)
}

fn waits(kind: &'static str, uid: &str) -> Waiting {
    BTreeMap::from([(kind, BTreeSet::from([uid.to_owned()]))])
}

#[tokio::test(start_paused = true)]
async fn clusters_of_a_namespace_share_a_list() {
    let (client, lists) = server(Duration::ZERO);
    let warnings = Warnings::default();
    let asked = || lists.load(Ordering::Relaxed);
    let (one, two, set) = (
        waits("Pod", "1"),
        waits("Pod", "2"),
        waits("StatefulSet", "3"),
    );
    let found = futures::join!(
        warnings.of(&client, "ns", &one),
        warnings.of(&client, "ns", &two),
    );
    assert_eq!(
        (found.0.unwrap(), found.1.unwrap()),
        (Newest::new(), Newest::new())
    );
    assert_eq!(asked(), 1);
    warnings.of(&client, "ns", &set).await.unwrap();
    assert_eq!(asked(), 2, "of another kind");
    warnings.of(&client, "other", &set).await.unwrap();
    assert_eq!(asked(), 3, "of another namespace");
    tokio::time::advance(RECENT).await;
    warnings.of(&client, "ns", &one).await.unwrap();
    assert_eq!(asked(), 4, "it is read again");
    assert_eq!(warnings.slots().len(), 1, "the others are dropped");
    tokio::time::advance(RECENT).await;
    let nothing = Waiting::default();
    warnings.of(&client, "ns", &nothing).await.unwrap();
    assert!(warnings.slots().is_empty());
}

/// Each list takes longer than it is recent.
#[tokio::test(start_paused = true)]
async fn one_reads_for_all_that_wait_for_a_slow_api_server() {
    let (client, lists) = server(2 * RECENT);
    let (warnings, pod) = (Warnings::default(), waits("Pod", "1"));
    let all = (0..24).map(|_| warnings.of(&client, "ns", &pod));
    futures::future::try_join_all(all).await.unwrap();
    assert_eq!(lists.load(Ordering::Relaxed), 1);
}

fn of<K: DeserializeOwned>(name: &str, rest: &Value) -> (String, K) {
    let mut object = json!({ "metadata": {
        "name": name, "uid": name, "creationTimestamp": "2026-11-28T10:00:00Z" } });
    for (key, value) in rest.as_object().unwrap() {
        object[key] = value.clone();
    }
    (name.to_owned(), serde_json::from_value(object).unwrap())
}

#[test]
fn only_what_waits_is_looked_up() {
    let set = |name, replicas| {
        of::<StatefulSet>(
            name,
            &json!({ "spec": { "replicas": replicas, "serviceName": "s", "selector": {},
            "template": { "metadata": {} } } }),
        )
    };
    let pod = |name, state: &Value| {
        let status = json!({ "containerStatuses": [{ "name": "cassandra", "image": "", "imageID": "",
            "ready": false, "restartCount": 0, "state": state }] });
        of::<Pod>(name, &json!({ "status": status }))
    };
    let claim = |name, phase, size, wanted| {
        of::<PersistentVolumeClaim>(
            name,
            &json!({
                "spec": { "resources": { "requests": { "storage": wanted } } },
                "status": { "phase": phase, "capacity": { "storage": size } },
            }),
        )
    };
    let sets = [set("full", 2), set("short", 2)].into();
    let creating = json!({ "waiting": { "reason": "ContainerCreating" } });
    let pods = [
        pod("full-0", &json!({ "running": {} })),
        pod("full-1", &creating),
        pod("short-0", &json!({ "terminated": { "exitCode": 1 } })),
        of::<Pod>("short-00", &json!({})),
    ];
    let claims = [
        claim("bound", "Bound", "1Gi", "1Gi"),
        claim("grows", "Bound", "1Gi", "2Gi"),
        of("unbound", &json!({ "status": { "phase": "Pending" } })),
    ];
    let volumes = claims
        .map(|(name, claim)| (name, Volume::of(&claim)))
        .into();
    let at = |time: &str| {
        let now = time.parse().unwrap();
        let pods = pods.iter().cloned();
        let pods = pods.map(|(name, pod)| (name, ListedPod::of(&pod, now)));
        waiting(&sets, &pods.collect(), &volumes)
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let expected = BTreeMap::from([
        ("PersistentVolumeClaim", names(&["grows", "unbound"])),
        ("Pod", names(&["full-1", "short-00"])),
        ("StatefulSet", names(&["short"])),
    ]);
    assert_eq!(at("2026-11-28T10:01:00Z"), expected);
    assert!(!at("2026-11-28T10:00:01Z").contains_key("Pod"), "young");
}
