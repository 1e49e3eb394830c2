//! The programs that cargo builds from the test files.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, Stdio},
};

use casskop_e2e::{kubectl, space::workspace};

/// Builds the programs, and returns the program of each test file.
pub fn programs() -> BTreeMap<String, PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--quiet", "--locked", "-p", "casskop-e2e"])
        .args(["--tests", "--no-run", "--message-format=json"])
        .current_dir(workspace())
        .stderr(Stdio::inherit());
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "the tests do not compile");
    let text = String::from_utf8_lossy(&output.stdout);
    let programs = text.lines().filter_map(|line| {
        let message = kubectl::json(line);
        let target = &message["target"];
        let is_test = target["kind"][0] == "test";
        let program = message["executable"].as_str().filter(|_| is_test)?;
        Some((target["name"].as_str()?.to_owned(), PathBuf::from(program)))
    });
    programs.collect()
}
