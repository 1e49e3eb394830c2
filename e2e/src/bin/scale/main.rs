//! Measures the operator with many clusters, and prints a table: `make bench-scale`. Objects, status, scheduling and the API
//! server are real; kwok runs the pods, and one program answers for the Jolokia agents of all nodes. Runs inside the namespaces
//! of `testbed/scale.sh`, which sets the environment.
//!
//! `SCALE` has the numbers of clusters (default `0 1 50 200 500`), which increase; `SCALE_REST` the seconds at rest (60). The
//! operator is the released program, as a process: memory and processor time are those of the kernel.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement: what does not work ends it, and what it found is printed"
)]

mod audit;
mod clusters;
mod fit;
mod nodes;
mod operator;
mod table;

use std::{path::PathBuf, process::Command, thread, time::Duration};

use casskop_e2e::{command::setting, proxied::Api};
use jiff::Timestamp;

use audit::Audit;
use clusters::Clusters;
use nodes::Nodes;
use operator::Operator;
use table::{Figures, print};

/// Time until the operator has completed the consequences of a change.
const SETTLE: Duration = Duration::from_secs(45);
/// Time without clusters, in which nothing has consequences.
const NOTHING: Duration = Duration::from_secs(5);

fn main() {
    let numbers = std::env::var("SCALE").unwrap_or_else(|_| "0 1 50 200 500".to_owned());
    let numbers: Vec<usize> = numbers
        .split_whitespace()
        .map(|number| number.parse().expect("SCALE has numbers of clusters"))
        .collect();
    assert!(numbers.is_sorted(), "the numbers of SCALE increase");
    let seconds = std::env::var("SCALE_REST").unwrap_or_else(|_| "60".to_owned());
    let rest = Duration::from_secs(seconds.parse().expect("SCALE_REST is a number of seconds"));
    let api = Api::start(Command::new(setting("KUBECTL")));
    let mut nodes = Nodes::start(&api);
    let mut clusters = Clusters::new(&api);
    let mut all = Vec::new();
    for number in numbers {
        say(&format!("{number} clusters"));
        all.push(measure(number, rest, &mut clusters, &mut nodes));
        // The figures so far, should a later one fail.
        print(&all);
    }
}

/// Adds clusters up to this number under an operator that has just started, and measures.
fn measure(number: usize, rest: Duration, clusters: &mut Clusters, nodes: &mut Nodes) -> Figures {
    let mut operator = Operator::start();
    let before = clusters.count();
    let create = clusters.grow(number);
    thread::sleep(if number == 0 { NOTHING } else { SETTLE });
    let peak = operator.mebibytes("VmHWM:");
    say("at rest");
    let audit = Audit::from_here();
    let (used, began) = (operator.processor_seconds(), Timestamp::now());
    thread::sleep(rest);
    let over = Timestamp::now().duration_since(began).as_secs_f64();
    let cpu = (operator.processor_seconds() - used) / over;
    let requests = audit.since();
    let resident = operator.mebibytes("VmRSS:");
    let anonymous = operator.mebibytes("RssAnon:");
    say("changes");
    let acts = clusters.changes(nodes);
    operator.end();
    say("another start");
    let lines = nodes.reads();
    let operator = Operator::start();
    let looked = nodes.all_read(lines, number, operator.started);
    thread::sleep(NOTHING);
    Figures {
        clusters: number,
        created: number - before,
        create,
        peak,
        resident,
        anonymous,
        cpu,
        requests: requests.all / over,
        writes: requests.writes / over,
        written: requests.written,
        acts,
        looked,
        peak_of_start: operator.mebibytes("VmHWM:"),
    }
}

/// The folder of the logs.
fn folder() -> PathBuf {
    setting("SCALE_FOLDER").into()
}

/// Prints progress to standard error; the values are printed to standard output.
fn say(what: &str) {
    eprintln!("scale: {what}");
}
