//! Warning events of objects that wait for something: a StatefulSet without its pods, a pod that does not start, a
//! volume that is not bound or resized. The objects themselves do not name the cause: a quota or an admission policy
//! refuses the pod, a Secret to mount does not exist, a volume cannot be attached or provisioned.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::try_join_all;
use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{Event, Pod},
    },
    jiff::{SignedDuration, Timestamp},
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use tokio::{sync::Mutex as Lock, time::Instant};

use crate::kubernetes::objects::{error_text, in_time};

use casskop_core::observed::{NodePod, Volume, replicas};

/// Events of one namespace and kind that are read at most; the repetitions of an event are counted in one event.
const MAX_EVENTS: u32 = 500;
/// Age up to which a list is used again.
const RECENT: Duration = Duration::from_secs(2);
/// A pod that is younger has no events to read: most pods are scheduled and get their volumes in less.
const YOUNG: SignedDuration = SignedDuration::from_secs(2);

/// Objects that wait: kind and UID.
pub type Waiting = BTreeMap<&'static str, BTreeSet<String>>;

/// A pod, and whether it waits for something that only an event may name.
pub struct ListedPod {
    /// The pod.
    pub pod: NodePod,
    /// Whether it waits.
    pub waits: bool,
}

impl ListedPod {
    /// Reads a pod.
    pub fn of(pod: &Pod, now: Timestamp) -> Self {
        let made = pod.creation_timestamp();
        let is_young = made.is_none_or(|made| now.duration_since(made.0) < YOUNG);
        Self {
            waits: !is_young && NodePod::has_not_started(pod),
            pod: NodePod::of(pod),
        }
    }
}

/// The objects of a cluster that wait for something that only an event may name.
pub fn waiting(
    sets: &BTreeMap<String, StatefulSet>,
    pods: &BTreeMap<String, ListedPod>,
    volumes: &BTreeMap<String, Volume>,
) -> Waiting {
    let has_pod = |name: &str, ordinal| pods.contains_key(&format!("{name}-{ordinal}"));
    let is_complete = |(name, set): &(&String, &StatefulSet)| {
        (0..replicas(set)).all(|ordinal| has_pod(name, ordinal))
    };
    let sets = sets.iter().filter(|set| !is_complete(set));
    let pods = pods.values().filter(|listed| listed.waits);
    let volumes = volumes.values().filter(|volume| volume.waits());
    let kinds = [
        (
            "StatefulSet",
            sets.filter_map(|(_, set)| set.uid()).collect(),
        ),
        ("Pod", pods.map(|listed| listed.pod.uid.clone()).collect()),
        (
            "PersistentVolumeClaim",
            volumes.map(|volume| volume.uid.clone()).collect(),
        ),
    ];
    kinds
        .into_iter()
        .filter(|(_, uids): &(_, BTreeSet<String>)| !uids.is_empty())
        .collect()
}

/// The warnings of the namespaces, as they were read last. The clusters of a namespace share them: with hundreds of clusters
/// that wait, a list for each would keep the API server from its work.
#[derive(Default)]
pub struct Warnings(Mutex<Slots>);

/// By namespace and kind.
type Slots = BTreeMap<(String, &'static str), Slot>;

/// The last list of a namespace and kind, behind a lock that the others wait for while one reads.
type Slot = Arc<Lock<Option<List>>>;

/// The newest warning of each object, in Kubernetes' own words, by UID of the object.
type Newest = BTreeMap<String, String>;

struct List {
    /// The time before the request.
    asked_at: Instant,
    /// The warnings, or why they could not be read.
    newest: Result<Newest, String>,
}

impl List {
    /// Whether the list was recent at this time. Of those that wait for a slow API server, the first one reads for all.
    fn is_recent(&self, at: Instant) -> bool {
        self.asked_at + RECENT > at
    }
}

impl Warnings {
    /// The newest warning of each of these objects. It may be as old as [`RECENT`]. Kubernetes keeps events for an hour and
    /// repeats them while it retries.
    ///
    /// # Errors
    /// The API server does not respond.
    pub async fn of(
        &self,
        client: &Client,
        namespace: &str,
        waiting: &Waiting,
    ) -> Result<Newest, kube::Error> {
        let now = Instant::now();
        self.forget_all_but_recent(now);
        let reads = waiting.iter().map(|(kind, uids)| async move {
            let slot = self.slot(namespace, kind);
            let mut slot = slot.lock().await;
            let list = match slot.take().filter(|list| list.is_recent(now)) {
                Some(list) => list,
                None => read(client, namespace, kind).await,
            };
            let newest = slot.insert(list).newest.as_ref();
            let newest = newest.map_err(|why| kube::Error::Service(why.as_str().into()))?;
            let found = uids.iter().filter_map(|uid| newest.get_key_value(uid));
            let found = found.map(|(uid, words)| (uid.clone(), words.clone()));
            Ok::<Newest, kube::Error>(found.collect())
        });
        let found = try_join_all(reads).await?;
        Ok(found.into_iter().flatten().collect())
    }

    fn slot(&self, namespace: &str, kind: &'static str) -> Slot {
        let key = (namespace.to_owned(), kind);
        self.slots().entry(key).or_default().clone()
    }

    /// Drops the lists that nobody uses.
    fn forget_all_but_recent(&self, now: Instant) {
        let is_recent = |list: &Option<List>| list.as_ref().is_some_and(|list| list.is_recent(now));
        self.slots().retain(|_, slot| {
            Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|list| is_recent(&list))
        });
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(client: &Client, namespace: &str, kind: &str) -> List {
    let warnings = ListParams::default()
        .fields(&format!("type=Warning,involvedObject.kind={kind}"))
        .limit(MAX_EVENTS);
    let asked_at = Instant::now();
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let list = in_time(api.list(&warnings)).await;
    List {
        asked_at,
        newest: list
            .map(|list| newest(list.items))
            .map_err(|error| format!("list events: {}", error_text(&error))),
    }
}

fn newest(events: Vec<Event>) -> Newest {
    let mut newest: BTreeMap<String, (Timestamp, String)> = BTreeMap::new();
    for event in events {
        let at = time(&event);
        let Event {
            involved_object,
            reason,
            message,
            ..
        } = event;
        let (Some(uid), Some(at), Some(message)) = (involved_object.uid, at, message) else {
            continue;
        };
        if newest.get(&uid).is_none_or(|(known, _)| *known < at) {
            newest.insert(uid, (at, words(&reason.unwrap_or_default(), &message)));
        }
    }
    newest
        .into_iter()
        .map(|(uid, (_, words))| (uid, words))
        .collect()
}

fn time(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref();
    series
        .and_then(|series| Some(series.last_observed_time.as_ref()?.0))
        .or_else(|| Some(event.last_timestamp.as_ref()?.0))
        .or_else(|| Some(event.event_time.as_ref()?.0))
}

/// Reason and message. The part of `create Pod demo-dc1-rack1-0 in StatefulSet demo-dc1-rack1 failed error: pods "…" is
/// forbidden: …` that names the cause needs no reason. A message of another form stays whole.
fn words(reason: &str, message: &str) -> String {
    message.split_once(" failed error: ").map_or_else(
        || format!("{reason}: {message}"),
        |(_, cause)| cause.to_owned(),
    )
}

#[cfg(test)]
mod tests;
