//! Runs before the agent of a real node and forwards requests and answers, unless a fault is requested. A command
//! `FAULT TIMES WORD` makes the next TIMES requests that contain the word fail.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use crate::http::{self, Request};

/// The port that leads to the agent itself, past the rule that redirects its port to this proxy.
const BEHIND: u16 = 8779;
/// Delay of a late answer.
const LATE: Duration = Duration::from_secs(60);

/// The faults of the next requests.
#[derive(Clone, Default)]
struct Fault {
    name: String,
    times: u32,
    word: String,
}

/// Listens on the address of the Kubernetes node, at a port that it prints.
pub fn run(ip: &str) {
    let listener = TcpListener::bind("10.250.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    println!("listens {port}");
    let fault = Arc::new(Mutex::new(Fault::default()));
    let (next, ip) = (fault.clone(), ip.to_owned());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (next, ip) = (next.clone(), ip.clone());
            thread::spawn(move || meet(&stream, &ip, &next));
        }
    });
    for words in crate::commands() {
        let [name, times, word @ ..] = &words[..] else {
            panic!("FAULT TIMES WORD, not {words:?}");
        };
        *fault.lock().expect("nobody panics") = Fault {
            name: name.clone(),
            times: times.parse().expect("a number"),
            word: word.join(" "),
        };
    }
}

fn meet(stream: &TcpStream, ip: &str, fault: &Mutex<Fault>) {
    let Some(request) = Request::peek(stream) else {
        return;
    };
    let fault = {
        let mut fault = fault.lock().expect("nobody panics");
        if fault.times > 0 && request.body.contains(&fault.word) {
            fault.times -= 1;
            fault.name.clone()
        } else {
            "none".into()
        }
    };
    let operation = request.operation();
    if fault != "none" || operation.is_some() {
        println!("{fault} {}", operation.unwrap_or_default());
    }
    fail(stream, &request, ip, &fault);
}

fn fail(stream: &TcpStream, request: &Request, ip: &str, fault: &str) {
    match fault {
        // The node executes the call; its answer breaks off and the connection is reset.
        "reset" => return send(stream, &half(&ask(request, ip))),
        "hang" => loop {
            thread::sleep(LATE);
        },
        "late" => thread::sleep(LATE),
        _ => {}
    }
    request.take(stream);
    let whole = |body: &str| http::answer(stream, "200 OK", body);
    match fault {
        "400" => http::answer(stream, "400 Bad Request", "Operation has no such signature"),
        "401" => http::answer(stream, "401 Unauthorized", ""),
        // The node executes the call; the connection is closed in the middle of the answer.
        "truncated" => send(stream, &half(&ask(request, ip))),
        // Jolokia truncates an answer that it cannot write.
        "cut" => whole(r#"{"value":0,"sta"#),
        "500" => whole(
            r#"{"error_type":"java.lang.IllegalStateException","error":"java.lang.IllegalStateException : no space","status":500}"#,
        ),
        "2" => whole(r#"{"value":2,"status":200}"#),
        "empty" => whole(""),
        "closed" => {}
        "none" | "late" => send(stream, &ask(request, ip)),
        other => panic!("no fault is called {other}"),
    }
}

/// The answer of the node.
fn ask(request: &Request, ip: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    let Ok(mut node) = TcpStream::connect((ip, BEHIND)) else {
        return answer;
    };
    let text = String::from_utf8_lossy(&request.bytes);
    // The end of the answer is then the end of the connection.
    let text = text.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
    let _ = node.write_all(text.as_bytes());
    let _ = node.read_to_end(&mut answer);
    answer
}

fn half(answer: &[u8]) -> Vec<u8> {
    answer[..answer.len().saturating_sub(9)].to_vec()
}

fn send(mut stream: &TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}
