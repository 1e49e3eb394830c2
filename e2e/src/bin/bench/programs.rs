//! Size of the programs, and start time of the plugin.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use casskop_e2e::{Cluster, counting::Counting, fresh_id};

use crate::{
    env,
    table::{Row, Table, Unit},
};

const STARTS: usize = 50;

/// Measures the programs.
pub fn measure(table: &mut Table) {
    let (operator, plugin) = (env("CASSKOP_OPERATOR"), env("KUBECTL_CASSKOP"));
    table.add(size("casskop-operator, size", &operator).target("≤ 10 MB"));
    table.add(size("casskop-backup, size", &env("CASSKOP_BACKUP")).target("≤ 6 MB"));
    table.add(size("kubectl-casskop, size", &plugin).target("≤ 8 MB"));
    // The same with a program that does nothing measures the cost of a process start on this machine.
    let (mut help, mut nothing) = (vec![], vec![]);
    for _ in 0..STARTS {
        help.push(run(Command::new(&plugin).arg("--help")));
        nothing.push(run(Command::new("true").arg("--help")));
    }
    let row = Row::median("kubectl-casskop --help", Unit::Millis, &help).target("≤ 10 ms");
    let nothing = casskop_e2e::figures::quantile(&nothing, 0.5) * 1000.0;
    table.add(row.note(&format!("`true --help` {nothing:.1} ms")));
}

/// Measures the load of the plugin on the API server, and the time until the shell receives a completion.
pub fn with_a_cluster(table: &mut Table, demo: &Cluster) {
    let (plugin, namespace) = (env("KUBECTL_CASSKOP"), demo.kubectl.namespace.as_str());
    let words = [
        "__complete",
        "cleanup",
        &demo.name,
        "-n",
        namespace,
        "--pod",
        "",
    ];
    let completions: Vec<f64> = (0..STARTS)
        .map(|_| run(Command::new(&plugin).args(words)))
        .collect();
    let row = Row::median("completion of a pod", Unit::Millis, &completions);
    table.add(row.target("< 100 ms"));
    let counting = Counting::start();
    let id = fresh_id("bench");
    let flush = [
        "flush",
        &demo.name,
        "--id",
        &id,
        "--keyspace",
        "system_auth",
    ];
    let (output, asked) = counting.run(namespace, &flush);
    output.ok();
    demo.succeeds("flush", &id);
    let verbs: Vec<&str> = asked
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let count = f64::from(u32::try_from(asked.len()).unwrap_or(u32::MAX));
    let row = Row::median("kubectl casskop flush, requests", Unit::Count, &[count]);
    table.add(row.note(&verbs.join(", ")).target("2"));
}

fn size(figure: &str, file: &str) -> Row {
    let size = std::fs::metadata(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    #[expect(clippy::cast_precision_loss, reason = "a few million")]
    let megabytes = size.len() as f64 / 1e6;
    Row::median(figure, Unit::Megabytes, &[megabytes])
}

/// Seconds from the start of a program to its end.
fn run(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().expect("the program starts");
    let took = began.elapsed().as_secs_f64();
    assert!(status.success(), "{command:?}");
    took
}
