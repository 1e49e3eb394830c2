//! Measures the output of `make bench`: the start of a ring compared with the same pods as plain StatefulSets, the
//! time until a request reaches a node, restarts, growth and shrinking compared with the time of the nodes
//! themselves, the cost of the operator at rest, and the size of the programs.
//!
//! All values are measured in the same run, on the same machine. The targets of the design are printed beside the
//! values; a slow result is no failure. Runs inside the network of the testbed, see `testbed/bench.sh`.
//!
//! `BENCH_RUNS` rings (default 3, and one fewer as plain StatefulSets), `BENCH_REQUESTS` requests (100), `BENCH_REST`
//! seconds at rest (90). `bench many` measures only the cost of many clusters, `bench operations` only cleanups and
//! restarts, `bench resize` only growth and shrinking, `bench sites` only a ring over two Kubernetes clusters. The
//! objects of a failed run are kept for inspection; the next run deletes them.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement: what does not work ends it, and what it found is printed"
)]

mod cleanup;
mod grow;
mod log;
mod many;
mod node;
mod operate;
mod programs;
mod requests;
mod rest;
mod restart;
mod shrink;
mod sites;
mod start;
mod table;

use casskop_e2e::{Cluster, Kubectl, Space, cluster, command, operator, proxied::Api};

use table::Table;

/// The measured ring.
const NAME: &str = "demo";
const RACKS: [&str; 3] = ["rack1", "rack2", "rack3"];
/// Namespaces of the rings, numbered, and of the plain pods.
const OURS: &str = "bench-ring";
const PLAIN: &str = "bench-plain";

fn main() {
    let mut table = Table::default();
    say(&format!("{}; load {}", machine(), load()));
    let api = Api::start(command::inside("kubectl"));
    match std::env::args().nth(1).as_deref() {
        None => everything(&mut table, &api),
        Some("many") => many::measure(&mut table, &api),
        Some("operations") => on_a_ring("operations", &mut table, &api, operations),
        Some("resize") => on_a_ring("resize", &mut table, &api, resize),
        Some("sites") => sites::measure(&mut table),
        Some(other) => {
            panic!(
                "bench {other}: it is many, operations, resize, sites, or nothing for all in one cluster"
            )
        }
    }
    println!("\n{}; load {}\n\n{table}", machine(), load());
}

/// Runs a measurement on a separate ring.
fn on_a_ring(
    name: &str,
    table: &mut Table,
    api: &Api,
    measure: impl Fn(&mut Table, &Api, &Cluster),
) {
    forget_all();
    let space = Space::open(&format!("{OURS}-{name}"));
    let demo = space.cluster(NAME);
    demo.apply(&ring());
    demo.settles();
    measure(table, api, &demo);
    forget(&space.kubectl.namespace);
}

fn operations(table: &mut Table, api: &Api, demo: &Cluster) {
    say("cleanups");
    cleanup::measure(table, api, demo);
    say("restarts");
    restart::measure(table, api, demo);
}

fn resize(table: &mut Table, api: &Api, demo: &Cluster) {
    say("more nodes, and fewer");
    grow::measure(table, api, demo);
    shrink::measure(table, api, demo);
}

fn everything(table: &mut Table, api: &Api) {
    let runs = setting("BENCH_RUNS", 3);
    programs::measure(table);

    forget_all();
    let mut starts = start::Starts::default();
    let mut memory = rest::Memory::default();
    let mut last = None;
    for run in 1..=runs {
        let namespace = format!("{OURS}-{run}");
        let space = Space::open(&namespace);
        memory.without_clusters(&space.kubectl);
        let demo = space.cluster(NAME);
        say(&format!("ring {run} of {runs}, by the operator"));
        starts.ours(api, &demo);
        memory.with_one_cluster(&space.kubectl);
        if run == runs {
            last = Some((space, demo));
            break;
        }
        let manifests = start::manifests(&demo, PLAIN);
        forget(&namespace);
        say(&format!("ring {run} of {runs}, as plain StatefulSets"));
        starts.plain(api, PLAIN, &manifests);
        forget(PLAIN);
    }
    let (space, demo) = last.expect("there is at least one run");
    starts.report(table);

    say("at rest");
    rest::measure(table, api, &demo, setting("BENCH_REST", 90));
    say("requests");
    requests::measure(table, api, &demo, setting("BENCH_REQUESTS", 100));
    memory.after_requests(&space.kubectl);
    memory.report(table);
    programs::with_a_cluster(table, &demo);
    operations(table, api, &demo);
    resize(table, api, &demo);

    forget(&space.kubectl.namespace);
    many::measure(table, api);
}

/// The manifest of the ring.
fn ring() -> serde_json::Value {
    let mut manifest = cluster::ring(NAME, &[("dc1", &RACKS)]);
    cluster::without_tls(&mut manifest);
    manifest
}

/// Path of the resource in the API.
fn path(cluster: &Cluster) -> String {
    format!("{}/{}", folder(cluster), cluster.name)
}

/// Path of a watch of this resource only.
fn watched(cluster: &Cluster) -> String {
    format!(
        "{}?fieldSelector=metadata.name={}",
        folder(cluster),
        cluster.name
    )
}

fn folder(cluster: &Cluster) -> String {
    let namespace = &cluster.kubectl.namespace;
    format!("/apis/db.orange.com/v2/namespaces/{namespace}/cassandraclusters")
}

/// Deletes the objects of earlier runs.
fn forget_all() {
    let names = Kubectl::new("default").ok(&["get", "namespaces", "-o", "name"]);
    let names = names
        .lines()
        .filter_map(|line| line.strip_prefix("namespace/"));
    names
        .filter(|name| name.starts_with(OURS) || name.starts_with(PLAIN))
        .for_each(forget);
}

/// Deletes a namespace with all its objects, without a wait for the drain of its nodes.
fn forget(namespace: &str) {
    forget_in(&Kubectl::new(namespace));
}

/// The same in any cluster of the testbed.
fn forget_in(kubectl: &Kubectl) {
    let namespace = kubectl.namespace.as_str();
    let all = [
        "delete",
        "--ignore-not-found",
        "--all",
        "cassandraclusters.db.orange.com",
        "--wait=false",
    ];
    // Before the first run the kind may be unknown.
    kubectl.run(&all);
    kubectl.ok(&[
        "delete",
        "statefulsets,deployments",
        "--all",
        "--wait=false",
    ]);
    kubectl.ok(&["delete", "pods", "--all", "--grace-period=1"]);
    kubectl.ok(&["delete", "namespace", namespace, "--ignore-not-found"]);
}

/// Name of the operator's user in a namespace.
fn user(cluster: &Cluster) -> String {
    operator::user(&cluster.kubectl)
}

fn setting(name: &str, default: u32) -> u32 {
    let Ok(text) = std::env::var(name) else {
        return default;
    };
    match text.parse() {
        Ok(number) if number > 0 => number,
        _ => panic!("{name}={text} is no number above 0"),
    }
}

fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{cpus} CPUs, Cassandra image {}", env("CASSANDRA_IMAGE"))
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn env(name: &str) -> String {
    command::setting(name)
}

/// Prints progress to standard error; the values are printed to standard output.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
