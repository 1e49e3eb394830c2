//! Simulates the agents of nodes of healthy rings: the part of Cassandra that the operator uses for a flush. Commands:
//! `answer IP…`, `hang IP…`, `junk IP…` and `stream IP…`. Every call, and every list of the files of a stream, is printed
//! with its time and the address of the node.

use std::{
    collections::BTreeMap,
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

use crate::{
    http::{self, Request},
    large,
    ring::{Member, Ring},
};

/// Port of the agents.
pub const PORT: u16 = 8778;

/// The behaviour of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Answer,
    /// Accepts connections and never answers.
    Hang,
    /// Answers with junk.
    Junk,
    /// Lists the files of a stream, and never ends a call.
    Stream,
}

impl Behaviour {
    fn parse(word: &str) -> Self {
        match word {
            "answer" => Self::Answer,
            "hang" => Self::Hang,
            "junk" => Self::Junk,
            "stream" => Self::Stream,
            _ => panic!("answer, hang, junk or stream IP…, not {word}"),
        }
    }
}

/// The behaviour of nodes that do not just answer, by address.
type Behaviours = Arc<Mutex<BTreeMap<String, Behaviour>>>;

/// A node, and its ring.
struct Node {
    own: Member,
    ring: Ring,
}

/// Listens on each address of each ring, whose addresses are separated by commas.
pub fn run(rings: &[String]) {
    let behaviours = Behaviours::default();
    for ring in rings {
        let ring = Ring {
            members: ring.split(',').map(member).collect(),
            schema_version: None,
        };
        for own in ring.members.clone() {
            let listener = TcpListener::bind((own.ip.as_str(), PORT));
            let listener = listener.expect("the address is ours");
            let (behaviours, ring) = (behaviours.clone(), ring.clone());
            thread::spawn(move || listen(&listener, &Node { own, ring }, &behaviours));
        }
    }
    println!("listens");
    for words in crate::commands() {
        let (what, ips) = words.split_first().expect("a line has a word");
        let mut behaviours = behaviours.lock().expect("nobody panics");
        for ip in ips {
            behaviours.insert(ip.clone(), Behaviour::parse(what));
        }
    }
}

fn listen(listener: &TcpListener, node: &Node, behaviours: &Behaviours) {
    let mut held = Vec::new();
    for stream in listener.incoming().map_while(Result::ok) {
        let known = behaviours.lock().expect("nobody panics");
        let behaviour = known
            .get(&node.own.ip)
            .copied()
            .unwrap_or(Behaviour::Answer);
        drop(known);
        if behaviour == Behaviour::Hang {
            held.push(stream);
            continue;
        }
        if behaviour != Behaviour::Stream {
            held.clear();
        }
        if !node.play(&stream, behaviour) {
            held.push(stream);
        }
    }
}

impl Node {
    /// Answers a request; returns whether there is an answer.
    fn play(&self, stream: &TcpStream, behaviour: Behaviour) -> bool {
        let Some(request) = Request::peek(stream) else {
            return true;
        };
        let now = jiff::Timestamp::now();
        request.take(stream);
        if behaviour == Behaviour::Junk {
            large::junk(stream, &self.own.ip);
            return true;
        }
        let parsed: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let operation = request.operation();
        if let Some(operation) = &operation {
            println!("{now} {} {operation}", self.own.ip);
        }
        if behaviour == Behaviour::Stream {
            if operation.is_some() {
                return false;
            }
            if request.body.contains("CurrentStreams") {
                println!("{now} {} streams", self.own.ip);
                large::streams(stream);
                return true;
            }
        }
        let answer = self.ring.answer(&self.own, &parsed);
        http::answer(stream, "200 OK", &answer.to_string());
        true
    }
}

fn member(ip: &str) -> Member {
    let number = ip.rsplit('.').next().unwrap_or_default();
    Member {
        ip: ip.to_owned(),
        host_id: format!("00000000-0000-0000-0000-{number:0>12}"),
        dc: "dc1".to_owned(),
        rack: "rack1".to_owned(),
    }
}
