//! A small harness for end-to-end tests on the testbed: real Kubernetes, real Cassandra, the operator in a pod or run
//! from the shell, and the plugin, all driven by the commands that a user runs.
//!
//! The tests are ignored unless requested (`make test-e2e`). They expect in the environment the output of `make -s
//! env` (`IN`, `KUBECONFIG`, `CASSANDRA_IMAGE`, `OPERATOR_IMAGE`, `CLUSTERS`), and the binaries' paths in
//! `CASSKOP_OPERATOR`, `CASSKOP_BACKUP` and `KUBECTL_CASSKOP`, that of `testbed/earlier.sh` in `CASSKOP_OPERATOR_EARLIER`. Every
//! wait is for a condition, with a generous deadline; an expired deadline reports the observed state, and a failing test shows its
//! namespace: resources, events and the operator's log.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a harness of tests: what does not hold ends the test"
)]

pub mod addresses;
pub mod agents;
pub mod api;
pub mod backups;
pub mod cassandra;
pub mod client;
pub mod cluster;
pub mod command;
pub mod counting;
pub mod crash;
pub mod daemon;
pub mod figures;
pub mod firewall;
pub mod flux;
pub mod go_casskop;
pub mod half_sent;
pub mod helm;
pub mod instances;
pub mod kubectl;
pub mod lost_node;
pub mod machine;
pub mod management_api;
pub mod multi;
pub mod operator;
pub mod plugin;
pub mod policies;
pub mod process;
pub mod proxied;
pub mod s3;
pub mod site;
pub mod space;
pub mod suite;
pub mod transports;
pub mod trouble;
pub mod wait;

pub use client::Client;
pub use cluster::Cluster;
pub use command::Output;
pub use kubectl::Kubectl;
pub use site::Site;
pub use space::Space;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// The namespace with the ring of three racks that most tests share.
pub const SHARED: &str = "e2e-ring";

/// The ring of three racks that most tests share, created by the first test that uses it, in its namespace.
/// `E2E_RING` is the namespace of another such ring.
pub fn shared_ring() -> (Space, Cluster) {
    let namespace = std::env::var("E2E_RING");
    let space = Space::open(namespace.as_deref().unwrap_or(SHARED));
    let demo = space.cluster("demo");
    let mut manifest = cluster::ring("demo", &[("dc1", &["rack1", "rack2", "rack3"])]);
    cluster::without_tls(&mut manifest);
    demo.apply(&manifest);
    demo.settles();
    (space, demo)
}

/// A request id that no test of this or an earlier run has used.
pub fn fresh_id(word: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |now| now.as_secs());
    format!(
        "{word}-{seconds:x}-{}",
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}
