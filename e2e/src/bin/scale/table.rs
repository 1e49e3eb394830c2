//! The table of figures, in Markdown.

use std::collections::BTreeMap;

use casskop_e2e::figures::quantile;

use crate::fit::exponent;

/// The figures of some number of clusters.
pub struct Figures {
    /// Number of clusters.
    pub clusters: usize,
    /// Number of clusters that were created for it.
    pub created: usize,
    /// Seconds until all were settled.
    pub create: f64,
    /// Largest resident memory while they were created, in MiB.
    pub peak: f64,
    /// Resident memory at rest, in MiB.
    pub resident: f64,
    /// The part of it that is not of files.
    pub anonymous: f64,
    /// Share of a core at rest.
    pub cpu: f64,
    /// Requests to the API server per second at rest.
    pub requests: f64,
    /// Writes among them.
    pub writes: f64,
    /// Numbers of writes at rest, by what they are.
    pub written: BTreeMap<String, usize>,
    /// Seconds from a change to the first call of a node.
    pub acts: Vec<f64>,
    /// Seconds from a start of the operator until it has looked at all clusters.
    pub looked: f64,
    /// Largest resident memory of that start, in MiB.
    pub peak_of_start: f64,
}

/// Prints all figures.
pub fn print(all: &[Figures]) {
    println!("\n{}", machine());
    println!();
    println!(
        "| clusters | RSS at rest, MiB | of it anonymous | peak | peak of a start | CPU at rest, cores | requests/s | writes/s | \
         created, s | all looked at after a start, s | change → node p50, ms | p99, ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for one in all {
        let act = |share: f64| {
            if one.acts.is_empty() {
                "–".to_owned()
            } else {
                format!("{:.0}", quantile(&one.acts, share) * 1000.0)
            }
        };
        println!(
            "| {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.4} | {:.1} | {:.2} | {} | {:.1} | {} | {} |",
            one.clusters,
            one.resident,
            one.anonymous,
            one.peak,
            one.peak_of_start,
            one.cpu,
            one.requests,
            one.writes,
            created(one),
            one.looked,
            act(0.5),
            act(0.99),
        );
    }
    println!();
    let fit = |name: &str, of: fn(&Figures) -> f64| {
        let costs: Vec<(usize, f64)> = all.iter().map(|one| (one.clusters, of(one))).collect();
        let found = exponent(&costs);
        let found = found.map_or_else(|| "–".to_owned(), |found| format!("{found:.2}"));
        println!("exponent of {name}: {found}");
    };
    fit("the memory at rest", |one| one.resident);
    fit("its peak", |one| one.peak);
    fit("the CPU at rest", |one| one.cpu);
    fit("the requests at rest", |one| one.requests);
    for one in all.iter().filter(|one| !one.written.is_empty()) {
        println!(
            "writes at rest, {} clusters: {:?}",
            one.clusters, one.written
        );
    }
}

/// The time, and the number of clusters that were created in it, unless it was all of them.
fn created(one: &Figures) -> String {
    if one.created == one.clusters {
        format!("{:.1}", one.create)
    } else {
        format!("{:.1} ({} more)", one.create, one.created)
    }
}

fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let today = jiff::Timestamp::now().strftime("%F").to_string();
    format!("{today}, {cpus} CPUs")
}
