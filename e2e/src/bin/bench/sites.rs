//! One ring over two Kubernetes clusters, from the `MultiCasskop` to the report that it matches its spec, compared
//! with the same ring in one cluster. In one cluster all first nodes start at once; over several clusters the sites
//! join one after the other, because the ring must never form twice.

use std::time::Instant;

use casskop_e2e::{
    Cluster, Kubectl, Site, Space, cluster,
    multi::{self, Multi, Operator},
};

use crate::{
    setting,
    table::{Row, Table, Unit},
};

const NAMESPACE: &str = "bench-sites";
const DCS: [&str; 2] = ["dc1", "dc2"];
const RACKS: &[&str] = &["rack1"];

/// Measures both alternately.
pub fn measure(table: &mut Table) {
    let sites: [Site; 2] = Site::first();
    let (mut over_two, mut in_one) = (vec![], vec![]);
    for _ in 0..setting("BENCH_RUNS", 3) {
        forget(&sites);
        let spaces = sites.map(|site| Space::open_at(site, NAMESPACE));
        in_one.push(one_cluster(&spaces[0]));
        forget(&sites);
        let spaces = sites.map(|site| Space::open_at(site, NAMESPACE));
        over_two.push(several(&spaces[0].kubectl, &sites));
    }
    forget(&sites);
    let row = Row::median(
        "one ring of 2 nodes over 2 clusters",
        Unit::Seconds,
        &over_two,
    );
    table.add(row.beside(Unit::Seconds, &over_two, "in one cluster", &in_one));
}

fn one_cluster(space: &Space) -> f64 {
    let demo: Cluster = space.cluster("demo");
    let manifest = cluster::ring("demo", &DCS.map(|dc| (dc, RACKS)));
    let began = Instant::now();
    demo.apply(&manifest);
    demo.settles();
    began.elapsed().as_secs_f64()
}

fn several(home: &Kubectl, sites: &[Site]) -> f64 {
    let _operator = Operator::start(NAMESPACE, sites);
    let contexts: Vec<String> = sites.iter().map(|site| site.context()).collect();
    let contexts = contexts.iter().zip(DCS);
    let sites: Vec<_> = contexts
        .map(|(context, dc)| (context.as_str(), dc, RACKS))
        .collect();
    let manifest = multi::manifest("demo", &sites);
    let multi = Multi {
        name: "demo".into(),
        kubectl: home.clone(),
    };
    let began = Instant::now();
    home.apply(&manifest);
    multi.settles();
    let took = began.elapsed().as_secs_f64();
    home.ok(&["delete", "multicasskop", "demo", "--timeout=120s"]);
    took
}

fn forget(sites: &[Site]) {
    for site in sites {
        crate::forget_in(&Kubectl::at(*site, NAMESPACE));
    }
}
