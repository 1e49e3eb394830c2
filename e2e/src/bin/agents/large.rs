//! Answers that are larger than the memory of the operator. They are never held as a whole.

use std::{
    io::{BufWriter, Result, Write},
    net::TcpStream,
};

/// Bytes of junk in an answer.
const JUNK: usize = 16 << 20;
/// Files of a stream, in two sessions with other nodes.
const FILES: usize = 100_000;
/// Entries of a list that the operator still reads.
const ENTRIES: usize = 8 * 1024;
/// The lists of the state of a node.
const LISTS: [&str; 6] = [
    "LiveNodes",
    "UnreachableNodes",
    "JoiningNodes",
    "LeavingNodes",
    "MovingNodes",
    "NonLocalStrategyKeyspaces",
];

/// Beginnings of junk, each followed by a part that repeats.
const KINDS: [(&str, &str); 4] = [
    ("\"", "x"),
    ("", "["),
    (r#"[{"value":{"LiveNodes":[""#, r#"a",""#),
    (r#"[{"value":{"EndpointToHostId":{"a":""#, r#"b","c":""#),
];

/// Answers with junk; each node has its own kind of it, and one in five has lists that are all as long as they may be.
pub fn junk(stream: &TcpStream, ip: &str) {
    let number: usize = ip
        .rsplit('.')
        .next()
        .and_then(|last| last.parse().ok())
        .unwrap_or_default();
    answer(stream, |out| match KINDS.get(number % (KINDS.len() + 1)) {
        Some((begin, part)) => {
            out.write_all(begin.as_bytes())?;
            repeat(out, part)
        }
        None => lists(out),
    });
}

fn lists(out: &mut dyn Write) -> Result<()> {
    out.write_all(br#"[{"value":{"#)?;
    for list in LISTS {
        write!(out, r#""{list}":["#)?;
        for entry in 1..ENTRIES {
            write!(out, r#""{entry:x}","#)?;
        }
        out.write_all(br#""z"],"#)?;
    }
    out.write_all(br#""EndpointToHostId":{"#)?;
    for entry in 1..ENTRIES {
        write!(out, r#""{entry:x}":"b","#)?;
    }
    out.write_all(br#""z":"b"},"OperationMode":""#)?;
    repeat(out, "x")
}

fn repeat(out: &mut dyn Write, part: &str) -> Result<()> {
    for _ in 0..JUNK / part.len() {
        out.write_all(part.as_bytes())?;
    }
    Ok(())
}

/// Answers the read of the activity with every file of a stream, whatever depth the request has.
pub fn streams(stream: &TcpStream) {
    answer(stream, |out| {
        let mode =
            r#"{"value":{"OperationMode":"NORMAL","NativeTransportRunning":true},"status":200}"#;
        write!(
            out,
            r#"[{mode},{{"value":[],"status":200}},{{"value":[{{"sessions":["#
        )?;
        for (comma, session) in [("", 0), (",", 1)] {
            write!(out, r#"{comma}{{"sendingFiles":[],"receivingFiles":["#)?;
            for file in 0..FILES / 2 {
                let comma = if file == 0 { "" } else { "," };
                write!(
                    out,
                    r#"{comma}{{"fileName":"/var/lib/cassandra/data/orders/t/nb-{file}-big-Data.db","sessionIndex":{session},"currentBytes":1,"totalBytes":100,"direction":"IN"}}"#
                )?;
            }
            out.write_all(b"]}")?;
        }
        write!(
            out,
            r#"],"description":"Rebuild","currentTxBytes":0,"totalTxBytes":0,"currentRxBytes":{FILES},"totalRxBytes":{}}}],"status":200}}]"#,
            100 * FILES
        )
    });
}

/// Sends an answer; a client that has read enough closes the connection.
fn answer(stream: &TcpStream, body: impl Fn(&mut dyn Write) -> Result<()>) {
    let mut stream = BufWriter::new(stream);
    let _ = stream
        .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        .and_then(|()| body(&mut stream))
        .and_then(|()| stream.flush());
}
