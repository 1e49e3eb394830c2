//! Two instances of the operator of a `MultiCasskop`: the leader is stopped, killed and frozen, and the other one goes
//! on. Each site carries out each request once.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::time::Instant;

use casskop_e2e::{
    Site, Space, cassandra,
    cluster::{OPERATIONS, find_operation},
    fresh_id,
    instances::{leader, report_takeover},
    multi::{self, Multi, Operator},
    wait::until,
};
use serde_json::Value;

const NAMESPACE: &str = "e2e-multi-leader";
const CLUSTER: &str = "cassandraclusters.db.orange.com";
const LEASE: &str = "casskop-multi";
const PODS: [&str; 2] = ["demo-dc1-rack1-0", "demo-dc2-rack1-0"];

#[derive(Clone, Copy, Debug)]
enum Failure {
    Stop,
    Kill,
    Freeze,
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn another_instance_goes_on() {
    let sites: [Site; 2] = Site::first();
    let spaces = sites.map(|site| Space::open_at(site, NAMESPACE));
    let here = &spaces[0].kubectl;
    let mut instances = ["one", "two"].map(|name| Operator::instance(NAMESPACE, &sites, name));
    let rack: &[&str] = &["rack1"];
    here.apply(&multi::manifest(
        "multi",
        &[("cluster1", "dc1", rack), ("cluster2", "dc2", rack)],
    ));
    let multi = Multi {
        name: "multi".into(),
        kubectl: here.clone(),
    };
    multi.settles();
    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS e2e_multi_lead WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 1}",
        "CREATE TABLE IF NOT EXISTS e2e_multi_lead.t (id int PRIMARY KEY, text text)",
    ];
    cassandra::write(here, PODS[0], &statements);
    for failure in [Failure::Stop, Failure::Kill, Failure::Freeze] {
        // A flush of a table without new rows does nothing.
        let row = "INSERT INTO e2e_multi_lead.t (id, text) VALUES (1, 'one')";
        cassandra::write(here, PODS[0], &[row]);
        let flushed = || {
            let nodes = spaces.iter().zip(PODS);
            let logs = nodes.map(|(space, pod)| cassandra::log(&space.kubectl, pod));
            let flushes = logs.map(|log| cassandra::flushes(&log));
            flushes.map(|all| all.len()).collect::<Vec<_>>()
        };
        let before = flushed();
        let (first, _) = leader(here, LEASE, None);
        let leads = |one: &&mut Operator| one.is(&first);
        let leading = instances.iter_mut().find(leads).expect("an instance leads");
        let id = fresh_id("led");
        let key = format!("{OPERATIONS}flush");
        multi.annotate(&key, Some(&format!("{id} --keyspace e2e_multi_lead")));
        until("the request in the first site", || {
            let cluster = here.get(CLUSTER, "demo").ok_or("it is gone")?;
            let asked = cluster["metadata"]["annotations"][&key].clone();
            let has = asked.as_str().is_some_and(|asked| asked.starts_with(&id));
            has.then_some(()).ok_or(asked.to_string())
        });
        let began = Instant::now();
        match failure {
            Failure::Stop => leading.end(),
            Failure::Kill => leading.kill(),
            Failure::Freeze => leading.freeze(true),
        }
        leader(here, LEASE, Some(&first));
        report_takeover(&format!("{failure:?} of multi's {first}"), began);
        if matches!(failure, Failure::Freeze) {
            leading.freeze(false);
            let code = until("the process that has resumed to end", || {
                leading.exit_code().ok_or("it runs".to_owned())
            });
            assert_ne!(code, 0);
        }
        leading.run();
        multi.reaches("flush", &id, "Succeeded");
        for space in &spaces {
            let cluster = space.kubectl.get(CLUSTER, "demo").expect("its cluster");
            let done = find_operation(&cluster, "flush", &id).expect("it is recorded");
            assert_eq!(done["phase"], Value::from("Succeeded"), "{done:#}");
        }
        let twice: Vec<usize> = flushed().iter().zip(&before).map(|(a, b)| a - b).collect();
        assert_eq!(
            twice,
            [1, 1],
            "{failure:?}: each node flushed its table once"
        );
    }
    let delete = ["delete", "multicasskop", "multi", "--timeout=200s"];
    here.ok(&delete);
    assert!(here.get(CLUSTER, "demo").is_none());
}
