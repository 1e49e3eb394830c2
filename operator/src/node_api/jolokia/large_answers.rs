//! Answers that are larger than the memory of the operator.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::*;
use crate::node_api::{
    Access, Credentials, NodeApi, Nodes,
    nodes::{LARGE, plain_agent as agent},
    typed,
};
use casskop_core::node::SharedViews;

const SSTABLES: usize = 100_000;
const HOSTILE: usize = 16 * 1024 * 1024;
const NORMAL: &str =
    r#"{"value":{"OperationMode":"NORMAL","NativeTransportRunning":true},"status":200}"#;

/// An agent that answers each connection with a body, which it never holds as a whole. The body may depend on the
/// request.
fn agent_with(
    body: impl Fn(&str, &mut dyn Write) -> std::io::Result<()> + Send + Sync + 'static,
) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let body = Arc::new(body);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (body, stream) = (body.clone(), stream.expect("a connection"));
            thread::spawn(move || {
                let request = request(&stream);
                let mut stream = std::io::BufWriter::new(stream);
                // A client that has read enough closes the connection.
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                    .and_then(|()| body(&request, &mut stream))
                    .and_then(|()| stream.flush());
            });
        }
    });
    endpoint_at(port)
}

fn endpoint_at(port: u16) -> Endpoint {
    let credentials = Arc::new(Credentials {
        username: "op".into(),
        password: "s3cret".into(),
        older: Vec::new(),
    });
    Endpoint {
        port,
        ..Endpoint::new("127.0.0.1", Access::Jolokia(credentials))
    }
}

fn request(mut stream: &TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).expect("the request");
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let body = text
            .split_once("\r\n\r\n")
            .map_or(0, |(_, body)| body.len());
        if read == 0 || length.is_some_and(|length: usize| body >= length) {
            return String::from_utf8_lossy(&request).into_owned();
        }
    }
}

/// A rebuild of so many files, as Jolokia 2.6.0 writes it with and without `maxDepth: 2`.
fn rebuild(files: usize, request: &str, out: &mut dyn Write) -> std::io::Result<()> {
    let total = files * 100;
    write!(out, r#"[{NORMAL},{{"value":[],"status":200}},"#)?;
    if request.contains(r#""maxDepth":2"#) {
        return write!(
            out,
            r#"{{"value":[{{"currentTxBytes":"0","sessions":"[Ljavax.management.openmbean.CompositeData;@30a66cf0","description":"Rebuild","planId":"p","totalTxBytes":"0","txPercentage":"100.0","totalRxBytes":"{total}","currentRxBytes":"{files}","rxPercentage":"1.0"}}],"status":200}}]"#
        );
    }
    listed(files, out)
}

fn listed(files: usize, out: &mut dyn Write) -> std::io::Result<()> {
    write!(
        out,
        r#"{{"value":[{{"currentTxBytes":0,"sessions":[{{"receivingFiles":["#
    )?;
    for file in 0..files {
        let comma = if file == 0 { "" } else { "," };
        write!(
            out,
            r#"{comma}{{"fileName":"/var/lib/cassandra/data/orders/t-1c2e6c80cd2c11f09f0a5b2f8a6f0e11/nb-{file}-big-Data.db","sessionIndex":0,"currentBytes":1,"peer":"10.0.0.6","totalBytes":100,"planId":"1c2e6c80-cd2c-11f0-9f0a-5b2f8a6f0e11","direction":"IN"}}"#
        )?;
    }
    let total = files * 100;
    write!(
        out,
        r#"],"sendingFiles":[]}}],"description":"Rebuild","planId":"p","totalTxBytes":0,"totalRxBytes":{total},"currentRxBytes":{files}}}],"status":200}}]"#
    )
}

fn received(activity: &Activity) -> (i64, i64) {
    let [stream] = &activity.streams[..] else {
        panic!("one stream is expected: {activity:?}");
    };
    assert_eq!(stream.description, "Rebuild");
    (stream.current_rx_bytes, stream.total_rx_bytes)
}

#[test]
fn the_sums_of_a_stream_are_read_without_its_files() {
    let endpoint = agent_with(|request, out| rebuild(SSTABLES, request, out));
    let activity = activity(&agent(), &endpoint).expect("an answer");
    assert_eq!(received(&activity), (100_000, 10_000_000));
}

#[test]
fn an_agent_that_lists_the_files_is_read_up_to_the_limit() {
    let few = agent_with(|_, out| rebuild(3_000, "", out));
    let activity_of_few = activity(&agent(), &few).expect("an answer");
    assert_eq!(received(&activity_of_few), (3_000, 300_000));

    let many = agent_with(|_, out| rebuild(SSTABLES, "", out));
    let error = activity(&agent(), &many).expect_err("it exceeds the limit");
    assert!(error.is_unreadable() && error.is_transient(), "{error:?}");
    insta::assert_snapshot!(error);
}

/// A list of more entries than a node has is refused although its bytes are few.
#[test]
fn short_entries_are_limited_in_number() {
    let endpoint = agent_with(|_, out| {
        write!(out, r#"[{NORMAL},{{"value":[],"status":200}},{{"value":["#)?;
        for _ in 0..typed::MAX_ENTRIES {
            out.write_all(b"{},")?;
        }
        out.write_all(br#"{}],"status":200}]"#)
    });
    let error = activity(&agent(), &endpoint).expect_err("too many streams");
    insta::assert_snapshot!(error);
}

/// Beginnings of answers, each followed by a part that repeats.
const JUNK: [(&str, &str); 6] = [
    ("", "x"),
    ("\"", "x"),
    ("{\"", "x"),
    ("", "["),
    (r#"[{"value":{"LiveNodes":[""#, r#"a",""#),
    (r#"[{"value":"#, r"[{"),
];

type Exchange = fn(&Endpoint) -> Result<(), NodeError>;

/// Every kind of exchange.
fn exchanges() -> [Exchange; 6] {
    fn one() -> [String; 1] {
        ["10.0.0.1".to_owned()]
    }
    [
        |endpoint| read(&agent(), endpoint).map(drop),
        |endpoint| activity(&agent(), endpoint).map(drop),
        |endpoint| snapshots(&agent(), endpoint).map(drop),
        |endpoint| replication(&agent(), endpoint, &one()).map(drop),
        |endpoint| locations(&agent(), endpoint, &one()).map(drop),
        |endpoint| call(&agent(), endpoint, &Call::Drain),
    ]
}

/// The peak of the memory of this process so far, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let mut lines = status.lines();
    let line = lines
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("the peak");
    line.trim_matches(|c: char| !c.is_ascii_digit())
        .parse::<u64>()
        .expect("kilobytes")
        / 1024
}

/// Port of an agent in the process that measures another one.
const PORT: &str = "CASSKOP_TEST_PORT";

/// Runs a test of this module, which prints the peaks before and after, in a separate process. Returns the growth in
/// MiB.
fn growth_of(test: &str, port: u16) -> u64 {
    let name = format!("{}::{test}", module_path!());
    let (_, name) = name.split_once("::").expect("a crate");
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", name, "--ignored", "--nocapture"])
        // As in manifests/operator.
        .env("MALLOC_ARENA_MAX", "2")
        .env(PORT, port.to_string())
        .output()
        .expect("a process");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}");
    let peaks = said.lines().find_map(|line| {
        let (before, after) = line.split_once(' ')?;
        Some((before.parse::<u64>().ok()?, after.parse::<u64>().ok()?))
    });
    let (before, after) = peaks.expect("the measured peaks");
    after - before
}

#[test]
#[ignore = "its process is measured by another test"]
fn junk() {
    let before = peak();
    for (begin, repeat) in JUNK {
        let endpoint = agent_with(move |_, out| {
            out.write_all(begin.as_bytes())?;
            for _ in 0..HOSTILE / repeat.len() {
                out.write_all(repeat.as_bytes())?;
            }
            Ok(())
        });
        for exchange in exchanges() {
            // A busy machine may not read the junk within the deadline.
            let error = (0..10)
                .map(|_| exchange(&endpoint).expect_err("junk"))
                .find(|error| !matches!(error, NodeError::Timeout(_)))
                .expect("junk that is read in time");
            assert!(error.is_unreadable(), "{begin}{repeat}: {error:?}");
        }
    }
    let few = agent_with(|_, out| rebuild(3_000, "", out));
    activity(&agent(), &few).expect("an answer");
    writeln!(std::io::stdout(), "{before} {}", peak()).expect("the measuring test");
}

/// The peak of the memory of a process that reads answers of 16 MiB of junk, of every kind, one after the other. The
/// operator takes 10 MiB at rest and is limited to 64 MiB. The reads of snapshots have the largest limit, and there is
/// one at a time.
#[test]
fn hostile_answers_take_little_memory() {
    let growth = growth_of("junk", 0);
    assert!(growth <= 32, "{growth} MiB");
}

/// Reads in flight at the same time, as many as the operator has threads for them.
const READS: usize = 48;
/// The lists of the state of a node.
const LISTS: [&str; 6] = [
    "LiveNodes",
    "UnreachableNodes",
    "JoiningNodes",
    "LeavingNodes",
    "MovingNodes",
    "NonLocalStrategyKeyspaces",
];

/// Lists of the state of a node that are as long as they may be, and then junk.
fn lists(out: &mut dyn Write) -> std::io::Result<()> {
    out.write_all(br#"[{"value":{"#)?;
    for list in LISTS {
        write!(out, r#""{list}":["#)?;
        for entry in 1..typed::MAX_ENTRIES {
            write!(out, r#""{entry:x}","#)?;
        }
        out.write_all(br#""z"],"#)?;
    }
    out.write_all(br#""EndpointToHostId":{"#)?;
    for entry in 1..typed::MAX_ENTRIES {
        write!(out, r#""{entry:x}":"b","#)?;
    }
    out.write_all(br#""z":"b"},"OperationMode":""#)?;
    for _ in 0..HOSTILE {
        out.write_all(b"x")?;
    }
    Ok(())
}

#[test]
#[ignore = "its process is measured by another test"]
fn junk_at_once() {
    let port = std::env::var(PORT).expect("the measuring test sets it");
    let endpoint = endpoint_at(port.parse().expect("a port"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(READS)
        .build()
        .expect("a runtime");
    let before = peak();
    let nodes = Nodes::default();
    let reads = (0..READS).map(|_| nodes.read(endpoint.clone()));
    let answers = runtime.block_on(futures::future::join_all(reads));
    assert!(answers.iter().all(Result::is_err));
    writeln!(std::io::stdout(), "{before} {}", peak()).expect("the measuring test");
}

/// Four clusters of twelve nodes are read at the same time, and each answer is as large in memory as an answer may become.
#[test]
fn hostile_answers_at_once_take_little_memory() {
    let all = Barrier::new(READS);
    let endpoint = agent_with(move |_, out| {
        all.wait();
        lists(out)
    });
    let growth = growth_of("junk_at_once", endpoint.port);
    // Beside the operator's own 8 MiB, below the limit of its container.
    assert!(growth <= 52, "{growth} MiB");
}

const NODES: usize = 300;

/// The answer of a node of a ring of [`NODES`] nodes to the read of its state.
fn state(out: &mut dyn Write) -> std::io::Result<()> {
    let address = |node: usize| format!("10.244.{}.{}", node / 250, node % 250 + 1);
    let listed: Vec<String> = (0..NODES)
        .map(|node| format!(r#""{}""#, address(node)))
        .collect();
    let ids: Vec<String> = (0..NODES)
        .map(|node| {
            format!(
                r#""{}":"0c8f1b9e-5d0e-4c0a-9d3e-{node:012}""#,
                address(node)
            )
        })
        .collect();
    write!(
        out,
        r#"[{{"value":{{"OperationMode":"NORMAL","LiveNodes":[{}],"UnreachableNodes":[],"JoiningNodes":[],"LeavingNodes":[],"MovingNodes":[],"EndpointToHostId":{{{}}},"LocalHostId":"a","ReleaseVersion":"5.0.9","NativeTransportRunning":true,"NonLocalStrategyKeyspaces":["orders"]}},"status":200}},{{"value":1,"status":200}},{{"value":["1"],"status":200}}]"#,
        listed.join(","),
        ids.join(",")
    )
}

#[test]
#[ignore = "its process is measured by another test"]
fn ring() {
    let endpoint = agent_with(|_, out| state(out));
    read(&agent(), &endpoint).expect("a reading");
    let before = peak();
    let mut views = SharedViews::default();
    let readings: Vec<Reading> = (0..NODES)
        .map(|_| {
            let mut reading = read(&agent(), &endpoint).expect("a reading");
            views.share(&mut reading);
            reading
        })
        .collect();
    assert!(readings.iter().all(|reading| reading.live.len() == NODES));
    writeln!(std::io::stdout(), "{before} {}", peak()).expect("the measuring test");
}

/// The views that the nodes of a large ring have of it are kept once: 300 times 300 addresses with their host ids take
/// 17 MiB otherwise.
#[test]
fn a_large_ring_takes_little_memory() {
    let growth = growth_of("ring", 0);
    assert!(growth <= 4, "{growth} MiB");
}

/// The answers are held back until as many reads are in flight as may be.
#[test]
fn large_reads_in_flight_are_bounded() {
    const READS: usize = 5 * LARGE;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let all = Arc::new(Barrier::new(LARGE));
    let peak = most.clone();
    let endpoint = agent_with(move |request, out| {
        let others = now.fetch_add(1, Ordering::SeqCst);
        most.fetch_max(others + 1, Ordering::SeqCst);
        all.wait();
        now.fetch_sub(1, Ordering::SeqCst);
        rebuild(3, request, out)
    });
    let nodes = Nodes::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let reads = (0..READS).map(|_| nodes.activity(endpoint.clone()));
    let answers = runtime
        .expect("a runtime")
        .block_on(futures::future::join_all(reads));
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(peak.load(Ordering::SeqCst), LARGE);
}
