//! Commands inside the network of the testbed.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::site::HOME;

/// The result of a command.
#[derive(Clone, Debug)]
pub struct Output {
    /// The command, for messages.
    pub command: String,
    /// Its exit code; -1 after a signal.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// The standard output of a successful command.
    pub fn ok(self) -> String {
        assert!(self.code == 0, "{self}");
        self.stdout
    }

    /// The standard error of a failed command.
    pub fn fails(self) -> String {
        assert!(self.code != 0, "should have failed: {self}");
        self.stderr
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "$ {}\n{}{}exit code {}",
            self.command, self.stdout, self.stderr, self.code
        )
    }
}

/// An environment variable that the testbed sets.
pub fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: these tests run by `make test-e2e`"))
}

/// A command that runs inside the network of the testbed's first cluster.
pub fn inside(program: &str) -> Command {
    HOME.inside(program)
}

/// Runs a command to its end, with `input` on its standard input.
pub fn run(mut command: Command, input: &str) -> Output {
    let words: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    let text = words.join(" ");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    // A program that does not read its input closes it; that is no failure.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child
        .wait_with_output()
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    Output {
        command: text,
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
