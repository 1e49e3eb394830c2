//! The committed fixtures are statuses that the operator writes: its decisions run on a simulated cluster.
//! `make docs` writes them again.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use casskop_common::{names, operations::OperationKind};
use casskop_core::{
    multi::simulation as multi,
    node::NodeError,
    operations::transitions::{self, StepEvent},
    simulation::{Node, World},
};
use serde::Serialize;
use serde_json::json;

/// An error may hold anything; the plugin keeps it from the terminal.
const ESCAPE: &str = "\u{1b}[2J";

/// A cluster that was created ten days before the tests happen, with this number of nodes per rack.
fn cluster(nodes_per_rack: i32) -> World {
    let mut world = World::new(&format!(
        "
apiVersion: db.orange.com/v2
kind: CassandraCluster
metadata:
  name: demo
  namespace: shop
  uid: 3c2b1f6e-8d1e-4c57-9a51-0d8f2a7b9c11
  resourceVersion: '100'
  generation: 1
  creationTimestamp: '2026-11-12T09:00:00Z'
spec:
  cassandraImage: cassandra:5.0
  dataCapacity: 10Gi
  nodesPerRacks: {nodes_per_rack}
  topology:
    dc:
    - name: dc1
      rack: [{{ name: rack1 }}, {{ name: rack2 }}, {{ name: rack3 }}]
"
    ));
    world.load = 1_288_490_188;
    at(&mut world, "2026-11-12T09:00:00Z");
    world
}

fn formed(nodes_per_rack: i32) -> World {
    let mut world = cluster(nodes_per_rack);
    world.settle();
    world
}

fn at(world: &mut World, time: &str) {
    world.now = time.parse().unwrap();
}

/// Reconciliations and calls until `is_there`.
fn until(world: &mut World, is_there: impl Fn(&World) -> bool) {
    for _ in 0..100 {
        world.pass();
        if is_there(world) {
            return;
        }
        world.tick();
    }
    unreachable!("not reached: {:#?}", world.status());
}

fn node(world: &mut World, pod: &str, node: Node) {
    world.pods.get_mut(pod).unwrap().node = node;
}

pub fn healthy() -> World {
    formed(2)
}

/// A node stopped answering while the ring grows.
fn growing() -> World {
    let mut world = formed(1);
    at(&mut world, "2026-11-22T17:01:00Z");
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    until(&mut world, |world| {
        let next = world.pods.get("demo-dc1-rack2-1");
        next.is_some_and(|pod| pod.node == Node::Joining)
    });
    at(&mut world, "2026-11-22T17:02:10Z");
    node(&mut world, "demo-dc1-rack2-0", Node::Hanging);
    world.pass();
    world.pass();
    world
}

/// Records the reports of the operator's task of a node.
fn record(world: &mut World, kind: &str, pod: &str, events: &[StepEvent]) {
    for event in events {
        let operation = world.operation(kind);
        let node = operation.nodes.iter().find(|node| node.pod == pod);
        let node = node.unwrap();
        let at = transitions::StepRef {
            kind: OperationKind::from_word(kind).unwrap(),
            id: &operation.id,
            pod,
            executor: &node.executor,
            index: transitions::steps_done(node),
            step: &node.step,
        };
        let now = world.now;
        let status = world.cluster.status.as_mut().unwrap();
        if !transitions::record(status, at, event, now) {
            world.at_work.remove(&(at.kind, pod.to_owned()));
        }
    }
}

fn retried(attempt: i32) -> [StepEvent; 2] {
    let error = NodeError::Busy.to_string();
    let again = StepEvent::Begun {
        attempt,
        from: "operator".to_owned(),
    };
    [StepEvent::Retrying(error), again]
}

/// A cleanup whose second node has just failed, with this before its error.
fn cleaning_up(before: &str) -> World {
    let mut world = formed(2);
    at(&mut world, "2026-11-20T10:00:00Z");
    world.annotate("cleanup", Some("2026-11-20a --rack rack9"));
    world.pass();
    at(&mut world, "2026-11-22T15:00:00Z");
    world.annotate("flush", Some("ticket-42"));
    world.settle();
    at(&mut world, "2026-11-22T17:00:00Z");
    world.annotate("cleanup", Some("2026-11-22a --jobs 2"));
    world.pass();
    at(&mut world, "2026-11-22T17:01:29Z");
    let done = [StepEvent::Done, StepEvent::Done, StepEvent::Done];
    record(&mut world, "cleanup", "demo-dc1-rack1-0", &done);
    world.pass();
    at(&mut world, "2026-11-22T17:02:59Z");
    let failed = StepEvent::Failed(format!("{before}{}", NodeError::Busy));
    let events = [&done[..1], &retried(2), &retried(3), &[failed]].concat();
    record(&mut world, "cleanup", "demo-dc1-rack1-1", &events);
    world.pass();
    world
}

/// A cleanup at its third node, and requests that the operator has not observed.
fn operating() -> World {
    let mut world = cleaning_up("");
    let events = [&[StepEvent::Done][..], &retried(2)].concat();
    world.annotate("flush.pasue", Some("ticket-43"));
    record(&mut world, "cleanup", "demo-dc1-rack2-0", &events);
    world.pass();
    world.annotate("flush", Some("ticket-43 --dc dc1"));
    let annotations = world.cluster.metadata.annotations.as_mut().unwrap();
    annotations.insert(names::RECONCILE.into(), "paused".into());
    world
}

/// A cleanup that failed on one of its nodes.
fn failed() -> World {
    let mut world = cleaning_up(ESCAPE);
    world.settle();
    world
}

/// A ring of three nodes, of which the first restarts.
fn restarting() -> World {
    let mut world = formed(1);
    at(&mut world, "2026-11-22T17:04:00Z");
    world.annotate("cleanup", Some("ticket-42"));
    world.settle();
    at(&mut world, "2026-11-22T17:05:10Z");
    world.annotate("restart", Some("ticket-43"));
    world.pass();
    world.work(0, true, false);
    world.tick();
    world.pass();
    world
}

/// A ring over four sites, of which the second does not answer while it works and the third joins.
fn over_sites() -> multi::World {
    let mut world = multi::World::new(
        "
apiVersion: db.orange.com/v2
kind: MultiCasskop
metadata:
  name: orders
  namespace: shop
  uid: 4c0f4f0e-7b59-4a3f-8a0e-6a3f5a3c1c11
  resourceVersion: '100'
  generation: 1
  creationTimestamp: '2026-11-12T17:00:00Z'
spec:
  base:
    metadata: { name: orders }
    spec: { cassandraImage: 'cassandra:5.0' }
  override:
    north: { spec: { topology: { dc: [{ name: dc1, rack: [{ name: rack1 }] }, { name: dc2, rack: [{ name: rack1 }] }] } } }
    south: { spec: { topology: { dc: [{ name: dc3, rack: [{ name: rack1 }] }] } } }
",
    );
    let at = |world: &mut multi::World, time: &str| world.now = time.parse().unwrap();
    at(&mut world, "2026-11-12T17:00:00Z");
    world.settle();
    at(&mut world, "2026-11-22T15:00:00Z");
    world.request("flush", Some("ticket-42"));
    world.settle();
    at(&mut world, "2026-11-22T17:00:00Z");
    world.request("cleanup", Some("2026-11-22a"));
    for _ in 0..20 {
        world.pass();
        let operations = world.status().operations;
        let cleanup = operations
            .iter()
            .find(|found| found.kind == OperationKind::Cleanup);
        let mut sites = cleanup.into_iter().flat_map(|found| &found.sites);
        if sites.any(|found| found.site == "south" && found.requested) {
            break;
        }
        world.tick();
    }
    at(&mut world, "2026-11-22T17:01:00Z");
    world.site("south").is_cut = true;
    world.pass();
    for (site, dc) in [("west", "dc4"), ("zoo", "dc5")] {
        let topology = json!({ "dc": [{ "name": dc, "rack": [{ "name": "rack1" }] }] });
        world.add_site(site, json!({ "spec": { "topology": topology } }));
    }
    world.pass();
    world.tick();
    world.pass();
    world
}

/// The names of the model in the form of the real ones: addresses in a network for each rack, host IDs as UUIDs.
pub fn realistic(world: &World, text: String) -> String {
    let mut names: BTreeMap<(usize, String), String> = BTreeMap::new();
    for (pod, state) in &world.pods {
        let ordinal = &pod[pod.len() - 1..];
        let rack = &state.rack.rack[4..];
        let host = format!("0b7e{rack}{ordinal}00-6f0c-4d57-9d6e-5f1f7f3a9c0{ordinal}");
        let mut longest_first = |name: &str, real: String| {
            names.insert((usize::MAX - name.len(), name.to_owned()), real)
        };
        longest_first(&format!("host-{}", state.ip), host.clone());
        if let Some(old) = &state.host {
            longest_first(old, host);
        }
        longest_first(&state.ip, format!("10.1.{rack}.1{ordinal}"));
    }
    names
        .iter()
        .fold(text, |text, ((_, name), real)| text.replace(name, real))
}

fn is_committed(name: &str, generated: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    if env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(&path, generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "tests/fixtures/{name} differs from the simulated cluster; run `make docs` and read the difference"
    );
}

fn yaml<T: Serialize>(of: &T) -> String {
    serde_saphyr::to_string(of).unwrap()
}

/// A file, and the cluster in it.
type Named = (&'static str, fn() -> World);

#[test]
fn committed_fixtures_are_simulated_clusters() {
    let worlds: [Named; 6] = [
        ("new.yaml", || cluster(2)),
        ("healthy.yaml", healthy),
        ("growing.yaml", growing),
        ("operating.yaml", operating),
        ("failed.yaml", failed),
        ("restarting.yaml", restarting),
    ];
    for (name, world) in worlds {
        let world = world();
        is_committed(name, &realistic(&world, yaml(&world.cluster)));
    }
    is_committed("multi.yaml", &yaml(&over_sites().multi));
}
