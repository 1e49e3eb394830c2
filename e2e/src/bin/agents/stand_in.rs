//! Simulates the agents of nodes that each form a ring: the part of a healthy Cassandra that the operator uses for a
//! flush. Commands: `hang IP…` and `answer IP…`. Every call is printed with its time and the address of the node.

use std::{
    collections::BTreeSet,
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

use crate::http::{self, Request};

/// Port of the agents.
const PORT: u16 = 8778;

/// Nodes that accept connections and never answer.
type Hanging = Arc<Mutex<BTreeSet<String>>>;

/// Listens on each address.
pub fn run(ips: &[String]) {
    let hanging = Hanging::default();
    for ip in ips {
        let listener = TcpListener::bind((ip.as_str(), PORT)).expect("the address is ours");
        let (hanging, ip) = (hanging.clone(), ip.clone());
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if hanging.lock().expect("nobody panics").contains(&ip) {
                    held.push(stream);
                } else {
                    held.clear();
                    play(&stream, &ip);
                }
            }
        });
    }
    println!("listens");
    for words in crate::commands() {
        let mut hanging = hanging.lock().expect("nobody panics");
        match words.split_first() {
            Some((what, ips)) if what == "hang" => hanging.extend(ips.iter().cloned()),
            Some((what, ips)) if what == "answer" => hanging.retain(|ip| !ips.contains(ip)),
            _ => panic!("hang IP… or answer IP…, not {words:?}"),
        }
    }
}

fn play(stream: &TcpStream, ip: &str) {
    let Some(request) = Request::peek(stream) else {
        return;
    };
    let now = jiff::Timestamp::now();
    request.take(stream);
    let parsed: Value = serde_json::from_str(&request.body).unwrap_or_default();
    if let Some(operation) = request.operation() {
        println!("{now} {ip} {operation}");
    }
    let answer = match parsed.as_array() {
        Some(all) => Value::Array(all.iter().map(|one| say(one, ip)).collect()),
        None => say(&parsed, ip),
    };
    http::answer(stream, "200 OK", &answer.to_string());
}

/// The answer to one request.
fn say(request: &Value, ip: &str) -> Value {
    let number = ip.rsplit('.').next().unwrap_or_default();
    let host_id = format!("00000000-0000-0000-0000-{number:0>12}");
    let value = match (request["mbean"].as_str(), &request["attribute"]) {
        (_, attribute) if attribute == "Compactions" || attribute == "CurrentStreams" => json!([]),
        (_, attribute) if attribute == "Count" => json!(4711),
        (Some(service), attributes)
            if service.ends_with("StorageService") && attributes.is_array() =>
        {
            json!({
                "OperationMode": "NORMAL", "NativeTransportRunning": true, "ReleaseVersion": "5.0.9",
                "LiveNodes": [ip], "UnreachableNodes": [], "JoiningNodes": [], "LeavingNodes": [], "MovingNodes": [],
                "EndpointToHostId": { ip: host_id }, "LocalHostId": host_id,
                "NonLocalStrategyKeyspaces": ["system_auth"],
            })
        }
        _ => Value::Null,
    };
    json!({ "status": 200, "value": value })
}
