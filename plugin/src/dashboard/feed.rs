//! One watch for all pages.

use std::time::Duration;

use jiff::Timestamp;
use tokio::{sync::watch, time::sleep};

use crate::{
    client::{
        clusters::Clusters,
        fleet_watch::{Change, FleetWatch},
        operators,
    },
    error::Result,
    model::fleet::{Fleet, Source},
    time,
};

/// Time between two looks at the pods of the operator.
const OPERATORS: Duration = Duration::from_secs(30);

/// Keeps `fleet` as the clusters are; does not return.
pub async fn run(clusters: &Clusters, all: bool, fleet: &watch::Sender<Fleet>) {
    futures::join!(changes(clusters, all, fleet), pods(clusters, all, fleet));
}

async fn changes(clusters: &Clusters, all: bool, fleet: &watch::Sender<Fleet>) {
    let mut watch = FleetWatch::new(clusters, all);
    loop {
        let change = watch.next().await;
        let now = time::now();
        fleet.send_modify(|fleet| take(fleet, change, now));
    }
}

/// Takes over a change. Only the watch itself says that changes arrive: whoever may list may not be allowed to watch.
fn take(fleet: &mut Fleet, change: Result<Change>, now: Timestamp) {
    fleet.revision += 1;
    match change {
        Ok(Change::Listed(all)) => fleet.replace(all, now),
        Ok(Change::Alive) => fleet.alive(now),
        Ok(Change::Written(cluster)) => {
            fleet.put(*cluster);
            fleet.alive(now);
        }
        Ok(Change::Deleted(key)) => {
            fleet.remove(&key);
            fleet.alive(now);
        }
        Ok(Change::Disconnected(why)) => fleet.lost(Source::Lost(why)),
        Err(error) => fleet.lost(Source::Refused(error.message, error.hints)),
    }
}

/// Whether the operator runs, as far as that may be known.
async fn pods(clusters: &Clusters, all: bool, fleet: &watch::Sender<Fleet>) {
    loop {
        let counts = operators::count(clusters, all).await.ok();
        fleet.send_if_modified(|fleet| {
            let is_new = fleet.operators != counts;
            fleet.operators = counts;
            fleet.revision += u64::from(is_new);
            is_new
        });
        sleep(OPERATORS).await;
    }
}
