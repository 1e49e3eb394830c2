//! Pods that Kubernetes does not create: a quota, a `LimitRange` or an admission policy refuses the pod, and not the
//! StatefulSet. Only an event of the StatefulSet controller says so.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{apps::v1::StatefulSet, core::v1::Event},
    jiff::Timestamp,
};
use kube::{Api, api::ListParams};

use crate::kubernetes::Kube;

/// Events of one namespace that are read at most; those of a StatefulSet are repeated in one event.
const MAX_EVENTS: u32 = 500;

/// The refusal of the next pod of each of these StatefulSets, in the words of the API server, by name of the
/// StatefulSet. Kubernetes keeps events for an hour and repeats them while it tries again.
///
/// # Errors
/// The API server does not respond.
pub async fn read(
    kube: &Kube,
    namespace: &str,
    incomplete: &BTreeMap<String, &StatefulSet>,
) -> Result<BTreeMap<String, String>, kube::Error> {
    if incomplete.is_empty() {
        return Ok(BTreeMap::new());
    }
    let api: Api<Event> = Api::namespaced(kube.client.clone(), namespace);
    let of_sets = ListParams::default()
        .fields("reason=FailedCreate,involvedObject.kind=StatefulSet")
        .limit(MAX_EVENTS);
    let events = api.list(&of_sets).await?;
    Ok(newest(&events.items, incomplete))
}

fn newest(events: &[Event], sets: &BTreeMap<String, &StatefulSet>) -> BTreeMap<String, String> {
    let mut newest: BTreeMap<String, (Timestamp, &str)> = BTreeMap::new();
    for event in events {
        let object = &event.involved_object;
        let Some((name, set)) = object
            .name
            .as_deref()
            .and_then(|name| sets.get_key_value(name))
        else {
            continue;
        };
        let (Some(at), Some(message)) = (time(event), event.message.as_deref()) else {
            continue;
        };
        let is_same = object.uid == set.metadata.uid;
        let is_newer = newest.get(name).is_none_or(|(known, _)| *known < at);
        if is_same && is_newer {
            newest.insert(name.clone(), (at, message));
        }
    }
    newest
        .into_iter()
        .map(|(name, (_, message))| (name, cause(message).to_owned()))
        .collect()
}

fn time(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref();
    series
        .and_then(|series| Some(series.last_observed_time.as_ref()?.0))
        .or_else(|| Some(event.last_timestamp.as_ref()?.0))
        .or_else(|| Some(event.event_time.as_ref()?.0))
}

/// The part of `create Pod demo-dc1-rack1-0 in StatefulSet demo-dc1-rack1 failed error: pods "…" is forbidden: …` that
/// names the cause. A message of another form stays whole.
fn cause(message: &str) -> &str {
    message
        .split_once(" failed error: ")
        .map_or(message, |(_, cause)| cause)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(set: &str, uid: &str, second: u8, message: &str) -> Event {
        serde_json::from_value(json!({
            "metadata": { "name": format!("{set}.{second}"), "namespace": "shop" },
            "involvedObject": { "kind": "StatefulSet", "name": set, "uid": uid },
            "reason": "FailedCreate",
            "lastTimestamp": format!("2026-11-28T10:00:{second:02}Z"),
            "message": message,
        }))
        .unwrap()
    }

    #[test]
    fn the_newest_refusal_of_the_same_stateful_set_counts() {
        let set: StatefulSet =
            serde_json::from_value(json!({ "metadata": { "name": "a", "uid": "1" } })).unwrap();
        let refused = |why: &str| format!("create Pod a-0 in StatefulSet a failed error: {why}");
        let events = [
            event(
                "a",
                "1",
                5,
                &refused("pods \"a-0\" is forbidden: exceeded quota: small"),
            ),
            event("a", "1", 1, &refused("pods \"a-0\" is forbidden: older")),
            event("a", "0", 9, &refused("of a StatefulSet that was deleted")),
            event("b", "2", 9, &refused("of another cluster")),
        ];
        let found = newest(&events, &BTreeMap::from([("a".to_owned(), &set)]));
        let expected = "pods \"a-0\" is forbidden: exceeded quota: small".to_owned();
        assert_eq!(found, BTreeMap::from([("a".to_owned(), expected)]));
    }
}
