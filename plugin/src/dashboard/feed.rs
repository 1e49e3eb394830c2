//! One watch for all pages.

use std::time::Duration;

use tokio::{sync::watch, time::sleep};

use crate::{
    client::{
        clusters::Clusters,
        fleet_watch::{Change, FleetWatch},
        operators,
    },
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
        fleet.send_modify(|fleet| match change {
            Ok(Change::Listed(all)) => {
                fleet.replace(all);
                fleet.connected(Source::Live, now);
            }
            Ok(Change::Connected) => fleet.connected(Source::Live, now),
            Ok(Change::Written(cluster)) => {
                fleet.put(*cluster);
                fleet.connected(Source::Live, now);
            }
            Ok(Change::Deleted(key)) => {
                fleet.remove(&key);
                fleet.connected(Source::Live, now);
            }
            Ok(Change::Disconnected(why)) => fleet.connected(Source::Lost(why), now),
            Err(error) => fleet.connected(Source::Refused(error.message, error.hints), now),
        });
    }
}

/// Whether the operator runs, as far as that may be known.
async fn pods(clusters: &Clusters, all: bool, fleet: &watch::Sender<Fleet>) {
    loop {
        let counts = operators::count(clusters, all).await.ok();
        fleet.send_if_modified(|fleet| {
            let is_new = fleet.operators != counts;
            fleet.operators = counts;
            is_new
        });
        sleep(OPERATORS).await;
    }
}
