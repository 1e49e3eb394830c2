//! Requests of which only a part arrives, sent by a stranger to the agent of a node.

use std::thread;

use serde_json::Value;

use crate::{
    command::{self, Output},
    kubectl::Kubectl,
    process::Process,
    wait::{POLL, until},
};

/// A request without its end, as `printf` writes it.
pub const HTTP: &str = r"POST /jolokia/ HTTP/1.1\r\nHost: node\r\nContent-Length: 100\r\n";
/// A TLS record that announces a greeting of 512 bytes, and the first six of them.
pub const TLS: &str = r"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
/// Connections that are opened: more than the agent accepts.
const CONNECTIONS: u32 = 400;
/// Threads that they may take: the agent accepts 150 connections (`jdk.httpserver.maxConnections`), and works on each by one
/// thread. Cassandra itself starts some threads in the meantime.
const MOST_THREADS: f64 = 150.0 + 50.0;

/// Opens connections to the agent of a pod, sends a part of a request on each, and waits until all are closed. The threads of
/// the node are bounded all the time.
pub fn are_closed_and_bounded(kubectl: &Kubectl, pod: &Value, part: &str) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (address, uid) = (text(&pod["status"]["podIP"]), text(&pod["metadata"]["uid"]));
    let threads = || {
        let process = Process::of_cassandra(&uid);
        process.map(|process| process.field("Threads:"))
    };
    let before = until("the process of Cassandra", || {
        threads().ok_or_else(|| format!("no Java runs in the pod {uid}"))
    });
    let mut most = before;
    thread::scope(|scope| {
        let sent = scope.spawn(|| send(kubectl, &address, part));
        while !sent.is_finished() {
            most = threads().map_or(most, |now| most.max(now));
            thread::sleep(POLL);
        }
        sent.join().expect("the commands ran").ok();
    });
    let taken = most - before;
    assert!(
        taken <= MOST_THREADS,
        "{CONNECTIONS} half-sent requests take {taken} threads beside the {before} of the node"
    );
}

fn send(kubectl: &Kubectl, address: &str, part: &str) -> Output {
    let script = format!(
        r#"
        # The agent closes those above its limit at once, and a write to such a connection is a signal.
        trap "" PIPE
        for connection in $(seq {CONNECTIONS}); do
            exec {{half}}<>/dev/tcp/{address}/8778 || exit 1
            printf '{part}' >&"$half" || true
            all="${{all-}} $half"
        done 2>/dev/null
        # A read ends with a time-out, whose exit code is above 128, or because the connection is closed.
        for half in $all; do
            while read -r -t 60 -u "$half"; do :; done
            [ $? -le 128 ] || exit 2
        done
        "#
    );
    let mut half_sent = kubectl.site.inside("bash");
    half_sent.args(["-c", &script]);
    command::run(half_sent, "")
}
