//! Every kind of answer of an agent, simulated by a small server on loopback.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
    thread,
};

use super::*;
use crate::{
    leadership::Leadership,
    node_api::{
        Access, Credentials, NodeApi, Nodes, canonical, every_call, nodes::plain_agent as agent,
    },
};

/// Answers one request with these bytes, and returns the request.
pub(crate) fn agent_that_says(answer: &str) -> (Endpoint, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let answer = answer.to_owned();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer).expect("the request");
            request.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&request).into_owned();
            let length = text.lines().find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse::<usize>()
                    .ok()
            });
            let body = text
                .split_once("\r\n\r\n")
                .map_or(0, |(_, body)| body.len());
            if read == 0 || length.is_some_and(|length| body >= length) {
                stream
                    .write_all(answer.as_bytes())
                    .expect("the client listens");
                return text;
            }
        }
    });
    let credentials = Arc::new(Credentials {
        username: "op".into(),
        password: "s3cret".into(),
        older: Vec::new(),
    });
    (
        Endpoint {
            ip: "127.0.0.1".into(),
            port,
            access: Access::Jolokia(credentials),
        },
        server,
    )
}

pub(crate) fn http_ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn cleanup() -> Call {
    Call::Cleanup {
        keyspace: "orders".into(),
        tables: vec!["t1".into()],
        jobs: 2,
    }
}

#[test]
fn a_call_is_authenticated_and_has_the_full_signature() {
    let (endpoint, server) = agent_that_says(&http_ok(r#"{"value":0,"status":200}"#));
    call(&agent(), &endpoint, &cleanup()).expect("done");
    let request = server.join().expect("a request");
    let (head, body) = request.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("POST /jolokia/"), "{head}");
    assert!(
        head.to_lowercase().contains("authorization: basic b3a6czn"),
        "{head}"
    );
    insta::assert_snapshot!(body);
}

#[test]
fn results_are_read_and_not_assumed() {
    let cases = [
        ("done", http_ok(r#"{"value":0,"status":200}"#)),
        ("aborted", http_ok(r#"{"value":1,"status":200}"#)),
        ("others are compacting", http_ok(r#"{"value":2,"status":200}"#)),
        ("an unknown verdict", http_ok(r#"{"value":null,"status":200}"#)),
        ("an exception", http_ok(r#"{"status":500,"error_type":"java.lang.IllegalArgumentException","error":"java.lang.IllegalArgumentException: Keyspace [nope] does not exist.\n at a\n at b","stacktrace":"…"}"#)),
        ("an exception of 2.6", http_ok(r#"{".error":true,"status":500,"error":"Keyspace [nope] does not exist."}"#)),
        ("forbidden by the policy", http_ok(r#"{"status":403,"error":"Operation drain forbidden for MBean"}"#)),
        ("no status", http_ok(r#"{"value":0}"#)),
        ("cut off", http_ok(r#"{"value":0,"sta"#)),
        ("empty", http_ok("")),
        ("plain text", "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nwrong".into()),
        ("wrong password", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".into()),
        ("another way to forbid", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".into()),
        ("a redirect", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/\r\nContent-Length: 0\r\n\r\n".into()),
        ("closed in the middle", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".into()),
        ("closed at once", String::new()),
    ];
    let told: Vec<String> = cases
        .iter()
        .map(|(what, answer)| {
            let (endpoint, _server) = agent_that_says(answer);
            match call(&agent(), &endpoint, &cleanup()) {
                Ok(()) => format!("{what}: done"),
                Err(error) => {
                    let again = if error.is_transient() {
                        "tried again"
                    } else {
                        "final"
                    };
                    format!("{what}: {again}: {error}")
                }
            }
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_flush_returns_nothing() {
    let flush = Call::Flush {
        keyspace: "orders".into(),
        tables: Vec::new(),
    };
    let (endpoint, server) = agent_that_says(&http_ok(r#"{"value":null,"status":200}"#));
    call(&agent(), &endpoint, &flush).expect("done");
    assert!(
        server
            .join()
            .expect("a request")
            .contains(r#"["orders",[]]"#)
    );
}

#[test]
fn a_reading_is_one_request() {
    let answer = http_ok(
        r#"[{"value":{"OperationMode":"NORMAL","LiveNodes":["10.0.0.1","10.0.0.2"],"UnreachableNodes":["10.0.0.3"],
        "JoiningNodes":[],"LeavingNodes":[],"MovingNodes":[],"EndpointToHostId":{"10.0.0.1":"a","10.0.0.2":"b"},
        "LocalHostId":"a","ReleaseVersion":"5.0.9","NativeTransportRunning":true,
        "NonLocalStrategyKeyspaces":["system_traces","orders"]},"status":200},{"value":120626,"status":200},
        {"value":["-9166447713372416021","25"],"status":200}]"#,
    );
    let (endpoint, _server) = agent_that_says(&answer);
    insta::assert_debug_snapshot!(read(&agent(), &endpoint).expect("a reading"));
}

#[test]
fn a_node_that_has_registered_nothing_yet_is_starting() {
    let missing = r#"{"status":404,"error_type":"javax.management.InstanceNotFoundException","error":"no such MBean"}"#;
    let (endpoint, _server) =
        agent_that_says(&http_ok(&format!("[{missing},{missing},{missing}]")));
    assert_eq!(
        read(&agent(), &endpoint).expect("an answer").mode,
        OperationMode::Starting
    );
}

#[test]
fn attributes_that_cannot_be_read_are_not_taken_for_values() {
    let failed =
        r#"{".error":true,"error_type":"javax.management.AttributeNotFoundException","error":"x"}"#;
    let body = format!(
        r#"[{{"value":{{"OperationMode":"JOINING","LiveNodes":{failed},"NativeTransportRunning":{failed},"LocalHostId":{failed}}},"status":200}},{{"status":404,"error":"x"}},{{"status":404,"error":"x"}}]"#
    );
    let (endpoint, _server) = agent_that_says(&http_ok(&body));
    let reading = read(&agent(), &endpoint).expect("an answer");
    assert_eq!(
        (
            reading.mode.as_str(),
            reading.native_transport,
            reading.load
        ),
        ("JOINING", false, 0)
    );
    assert!(reading.live.is_empty() && reading.local_host_id.is_empty());
}

#[test]
fn compactions_are_told_by_kind_and_keyspace() {
    let body = r#"[{"value":{"OperationMode":"NORMAL","NativeTransportRunning":true},"status":200},
        {"value":[{"keyspace":"orders","columnfamily":"t","taskType":"Cleanup","completed":"1","total":"2","unit":"bytes"}],"status":200},
        {"value":[{"description":"Rebuild","currentRxBytes":3,"totalRxBytes":9,"sessions":[]}],"status":200}]"#;
    let (endpoint, _server) = agent_that_says(&http_ok(body));
    let activity = activity(&agent(), &endpoint).expect("an answer");
    assert!(activity.is_serving());
    let task = &activity.tasks[0];
    assert_eq!(
        (
            task.keyspace.as_str(),
            task.task.as_str(),
            task.total.as_str()
        ),
        ("orders", "Cleanup", "2")
    );
    let stream = &activity.streams[0];
    assert_eq!(
        (
            stream.description.as_str(),
            stream.current_rx_bytes,
            stream.total_rx_bytes
        ),
        ("Rebuild", 3, 9)
    );
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let credentials = Arc::new(Credentials {
        username: "op".into(),
        password: "s3cret".into(),
        older: Vec::new(),
    });
    let endpoint = Endpoint {
        ip: "127.0.0.1".into(),
        port,
        access: Access::Jolokia(credentials),
    };
    let error = read(&agent(), &endpoint).expect_err("no connection");
    assert_eq!(error, NodeError::Refused);
    assert!(!format!("{error:?} {endpoint:?}").contains("s3cret"));
}

#[test]
fn every_call_has_a_row_and_arguments() {
    let told: Vec<String> = every_call()
        .iter()
        .map(|call| {
            let row = calls::row(call);
            let (_, mbean) = row.mbean.split_once('=').expect("a type");
            let (operation, arguments) = (row.operation, calls::arguments(call));
            format!(
                "{mbean}.{operation} {arguments} {:?} within {:?}",
                row.verdict, row.deadline
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

/// The `MBeans` of a request, each with an attribute or an operation.
fn accesses(request: &str) -> Vec<(String, String)> {
    let (_, body) = request.split_once("\r\n\r\n").expect("a body");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let requests = match body {
        Value::Array(requests) => requests,
        request => vec![request],
    };
    let words = |value: &Value| match value {
        Value::String(word) => vec![word.clone()],
        value => serde_json::from_value(value.clone()).unwrap_or_default(),
    };
    requests
        .iter()
        .flat_map(|request| {
            let member = match request["type"].as_str() {
                Some("read") => words(&request["attribute"]),
                _ => words(&request["operation"]),
            };
            let mbean = request["mbean"].as_str().expect("an MBean").to_owned();
            member.into_iter().map(move |word| (mbean.clone(), word))
        })
        .collect()
}

type Exchange<'a> = Box<dyn Fn(&Endpoint) + 'a>;

/// The accesses of all existing requests, as an agent receives them.
fn every_access() -> BTreeSet<(String, String)> {
    let one = ["x".to_owned()];
    let mut exchanges: Vec<Exchange> = vec![
        Box::new(|endpoint| drop(read(&agent(), endpoint))),
        Box::new(|endpoint| drop(read_briefly(&agent(), endpoint))),
        Box::new(|endpoint| drop(activity(&agent(), endpoint))),
        Box::new(|endpoint| drop(snapshots(&agent(), endpoint))),
        Box::new(|endpoint| drop(replication(&agent(), endpoint, &one))),
        Box::new(|endpoint| drop(locations(&agent(), endpoint, &one))),
        Box::new(|endpoint| drop(repaired(&agent(), endpoint, &json!(1)))),
        Box::new(|endpoint| drop(open_native_transport(&agent(), endpoint))),
    ];
    for each in every_call() {
        exchanges.push(Box::new(move |endpoint| {
            drop(call(&agent(), endpoint, &each));
        }));
    }
    exchanges
        .iter()
        .flat_map(|exchange| {
            let (endpoint, server) = agent_that_says(&http_ok(r#"{"error":"no","status":500}"#));
            exchange(&endpoint);
            accesses(&server.join().expect("a request"))
        })
        .collect()
}

#[test]
fn the_policy_allows_every_request_and_nothing_else() {
    let policy = policy();
    let mut mbean = "";
    let mut allowed = BTreeSet::new();
    for line in policy.lines().map(str::trim) {
        let text = |before: &str, after: &str| line.strip_prefix(before)?.strip_suffix(after);
        if let Some(name) = text("<name>", "</name>") {
            mbean = name;
        }
        let member = text("<attribute mode=\"read\">", "</attribute>")
            .or_else(|| text("<operation>", "</operation>"));
        allowed.extend(member.map(|word| (mbean.to_owned(), word.to_owned())));
    }
    assert_eq!(allowed, every_access());
    assert!(!policy.contains('*'), "{policy}");
    insta::assert_snapshot!(policy);
}

#[test]
fn a_node_says_how_many_tokens_it_owns() {
    let reading_with = |tokens: &str| {
        let body = format!(
            r#"[{{"value":{{"OperationMode":"NORMAL"}},"status":200}},{{"value":1,"status":200}},{tokens}]"#
        );
        let (endpoint, server) = agent_that_says(&http_ok(&body));
        let reading = read(&agent(), &endpoint).expect("a reading");
        server.join().expect("the server");
        reading.tokens
    };
    let owned = [
        r#"{"value":["-3","7"],"status":200}"#,
        r#"{"error":"java.lang.AssertionError : Unable to get tokens for /10.0.0.1; it is not a member","status":500}"#,
        r#"{"error":"forbidden","status":403}"#,
    ];
    assert_eq!(owned.map(reading_with), [Some(2), Some(0), None]);
}

#[test]
fn locations_are_one_request_and_what_is_unknown_is_left_out() {
    let answer = r#"[{"value":"dc1","status":200},{"value":"rack2","status":200},
        {"error":"java.net.UnknownHostException : x","status":500},{"value":"rack1","status":200},
        {"value":"UNKNOWN_DC","status":200},{"value":"UNKNOWN_RACK","status":200}]"#;
    let (endpoint, server) = agent_that_says(&http_ok(answer));
    let ips = ["10.0.0.1", "x", "10.0.0.9"].map(str::to_owned);
    let locations = locations(&agent(), &endpoint, &ips).expect("an answer");
    assert_eq!(
        locations,
        [("10.0.0.1".to_owned(), RackId::new("dc1", "rack2"))].into()
    );
    let asked = server.join().expect("the server");
    assert_eq!(asked.matches("EndpointSnitchInfo").count(), 6);
}

#[test]
fn addresses_are_written_as_kubernetes_does() {
    for (java, kubernetes) in [
        ("fd00:0:0:0:0:0:0:1", "fd00::1"),
        ("10.0.0.1", "10.0.0.1"),
        ("-3/10.0.0.1", "-3/10.0.0.1"),
    ] {
        assert_eq!(canonical(java), kubernetes);
    }
}

#[test]
fn a_process_that_does_not_lead_connects_to_no_node() {
    let node = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    node.set_nonblocking(true).expect("a socket");
    let credentials = Arc::new(Credentials {
        username: "u".into(),
        password: "p".into(),
        older: Vec::new(),
    });
    let endpoint = Endpoint {
        port: node.local_addr().expect("bound").port(),
        ..Endpoint::new("127.0.0.1", Access::Jolokia(credentials))
    };
    let nodes = Nodes::new(Leadership::candidate());
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let error = runtime
        .expect("a runtime")
        .block_on(nodes.call(endpoint, Call::Drain))
        .expect_err("it was not elected");
    assert!(error.to_string().contains("not the leader"), "{error}");
    let refused = node.accept().expect_err("no connection was made");
    assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
}
