//! Runs the binary as a user would and writes down everything that can be seen of it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;

use crate::fake::{Api, Asked};

/// The time at which all tests happen.
const NOW: &str = "2026-11-22T17:05:18Z";

/// A cluster from the fixtures.
pub fn fixture(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A file for one test.
pub fn file(content: &str) -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", std::process::id()));
    fs::write(&path, content).unwrap();
    path
}

/// A kubeconfig with one context `test` of the server at `address`.
pub fn kubeconfig(address: &str) -> PathBuf {
    file(&format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters:\n- name: here\n  cluster: {{ server: 'http://{address}' }}\n\
         users:\n- name: jane\n  user: {{ token: s3cr3t }}\n\
         contexts:\n- name: test\n  context: {{ cluster: here, user: jane, namespace: shop }}\n"
    ))
}

/// The binary with nothing but what the tests set in its environment.
pub fn binary(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-casskop"));
    command
        .args(arguments)
        .env_clear()
        .env("CASSKOP_NOW", NOW)
        .stdin(Stdio::null());
    command
}

/// Runs a command against `api` and shows what it printed, how it ended and what it asked.
pub fn run(api: &Api, arguments: &[&str]) -> String {
    run_with(api, arguments, &[])
}

/// The same with more in its environment.
pub fn run_with(api: &Api, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let config = kubeconfig(&api.address.to_string());
    let mut command = binary(arguments);
    command
        .env("KUBECONFIG", &config)
        .envs(environment.iter().copied());
    let output = command.output().unwrap();
    let shown = show(arguments, &output, &api.asked());
    let unknown = api.unknown();
    assert!(
        unknown.is_empty(),
        "no operator writes {unknown:?}:\n{shown}"
    );
    let printed = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(
        !String::from_utf8_lossy(&printed).contains("s3cr3t"),
        "a secret is printed:\n{shown}"
    );
    shown
        .replace(&api.address.to_string(), "SERVER")
        .replace(&config.display().to_string(), "KUBECONFIG")
}

/// Runs a command that needs no server.
pub fn run_alone(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = binary(arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    show(arguments, &output, &[])
}

pub fn show(arguments: &[&str], output: &Output, asked: &[Asked]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let stderr = match text(&output.stderr) {
        nothing if nothing.is_empty() => nothing,
        said => format!("--- stderr\n{said}"),
    };
    let code = output
        .status
        .code()
        .map_or("none".into(), |code| code.to_string());
    let asked = asked.iter().map(|asked| match &asked.body {
        Value::Null => format!("{} {}\n", asked.method, asked.path),
        body => format!("{} {} {body}\n", asked.method, asked.path),
    });
    let (stdout, asked) = (text(&output.stdout), asked.collect::<Vec<_>>().concat());
    let arguments = arguments.join(" ");
    format!("$ kubectl casskop {arguments}\n{stdout}{stderr}--- exit code {code}\n{asked}")
}
