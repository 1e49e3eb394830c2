//! Stands before the agent of a real node and hands on what it is asked and what it answers, unless it was told to fail.
//! A command `FAULT TIMES WORD` makes the next requests that have the word in them fail so many times.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use crate::http::{self, Request};

/// The port that leads to the agent itself, past the rule that leads its own port here.
const BEHIND: u16 = 8779;
/// How late an answer is that is late.
const LATE: Duration = Duration::from_secs(60);

/// What the next requests meet.
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
        // Done by the node; its answer breaks off and the connection is reset.
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
        // Done by the node; the connection is closed in the middle of the answer.
        "truncated" => send(stream, &half(&ask(request, ip))),
        // As Jolokia itself cuts off what it cannot write.
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
    // So that its end is the end of the connection.
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
