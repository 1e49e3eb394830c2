//! Runs the end-to-end tests, with as many concurrent jobs as the memory and the idle processors of the machine
//! allow: `suite test`, `suite all`, or `suite FILE...` for some files of `e2e/tests`, or
//! the jobs with some tests. `testbed/test.sh` calls it.
//!
//! `E2E_JOBS` is the largest number of running jobs, `E2E_RINGS` the number of rings that jobs share.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for those who develop this one: a failure ends it, and it reports to the terminal"
)]

mod build;
mod machine;
mod run;

use std::{process::ExitCode, time::Duration};

use casskop_e2e::suite::{JOBS, Job, Place};

/// Time between two polls of the running jobs.
const EVERY: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let has_two_machines = machine::nodes() >= 2;
    let chosen = JOBS.iter().copied().filter(|job| match words[..] {
        ["all"] => true,
        ["test"] => job.in_test,
        _ => words.contains(&job.file) || job.tests.iter().any(|test| words.contains(test)),
    });
    let (waiting, left_out): (Vec<Job>, Vec<Job>) =
        chosen.partition(|job| has_two_machines || job.file != "lost_machine");
    for job in left_out {
        println!("{}: not run, the testbed has one node", job.name());
    }
    assert!(
        !waiting.is_empty(),
        "usage: suite test | all | (FILE | TEST)..."
    );
    let programs = build::programs();
    let mut suite = run::Suite::new(waiting, programs);
    while suite.goes_on() {
        std::thread::sleep(EVERY);
    }
    if suite.report() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Whether a job needs the linked clusters.
fn is_linked(job: &Job) -> bool {
    job.place == Place::Links
}
