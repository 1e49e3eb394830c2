//! What the programs weigh, and how fast the plugin is there.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use crate::{
    env,
    table::{Row, Table, Unit},
};

const STARTS: usize = 50;

/// Measures both programs.
pub fn measure(table: &mut Table) {
    let (operator, plugin) = (env("CASSKOP_OPERATOR"), env("KUBECTL_CASSKOP"));
    table.add(size("casskop-operator, size", &operator).target("≤ 10 MB"));
    table.add(size("kubectl-casskop, size", &plugin).target("≤ 8 MB"));
    // The same with a program that does nothing tells what starting a process costs here.
    let (mut help, mut nothing) = (vec![], vec![]);
    for _ in 0..STARTS {
        help.push(run(&plugin));
        nothing.push(run("true"));
    }
    let row = Row::median("kubectl-casskop --help", Unit::Millis, &help).target("≤ 10 ms");
    let nothing = crate::table::quantile(&nothing, 0.5) * 1000.0;
    table.add(row.note(&format!("`true --help` {nothing:.1} ms")));
}

fn size(figure: &str, file: &str) -> Row {
    let size = std::fs::metadata(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    #[expect(clippy::cast_precision_loss, reason = "a few million")]
    let megabytes = size.len() as f64 / 1e6;
    Row::median(figure, Unit::Megabytes, &[megabytes])
}

/// Seconds from the start of a program to its end.
fn run(program: &str) -> f64 {
    let mut command = Command::new(program);
    command
        .arg("--help")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().expect("the program starts");
    let took = began.elapsed().as_secs_f64();
    assert!(status.success(), "{program} --help");
    took
}
