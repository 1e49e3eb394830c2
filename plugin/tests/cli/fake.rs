//! A Kubernetes API server of one object, as far as the plugin needs one. Records what it is asked.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::contract;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: Vec<String>,
    pub body: Value,
}

/// The response.
pub enum Reply {
    Json(u16, Value),
    Text(u16, &'static str),
    /// Events of a watch; then it stays open, or with `true` ends.
    Watch(Vec<Value>, bool),
    /// A watch of this cluster: each change, merged into it, is told as it is sent.
    Changes(Value, Receiver<Value>),
    /// These events of a watch, as they are sent; it ends with their sender.
    Events(Receiver<Value>),
    /// No answer, ever.
    Silence,
}

impl Reply {
    fn unknown(&self) -> Vec<String> {
        match self {
            Self::Json(_, answer) => contract::unknown(answer),
            Self::Watch(events, _) => events.iter().flat_map(contract::unknown).collect(),
            Self::Changes(cluster, _) => contract::unknown(cluster),
            Self::Text(..) | Self::Events(_) | Self::Silence => Vec::new(),
        }
    }
}

pub struct Api {
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<Asked>>>,
    unknown: Arc<Mutex<Vec<String>>>,
}

impl Api {
    /// Serves what `answer` says.
    pub fn start(answer: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let unknown = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (log.clone(), Arc::new(Mutex::new(answer)));
        let invented = unknown.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, answer) = (seen.clone(), answer.clone());
                let invented = invented.clone();
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let asked = read(&mut stream);
                    seen.lock().unwrap().push(asked.clone());
                    let reply = answer.lock().unwrap()(&asked);
                    invented.lock().unwrap().extend(reply.unknown());
                    write(&mut stream, reply);
                });
            }
        });
        Self {
            address,
            log,
            unknown,
        }
    }

    /// Serves `cluster` and takes patches of it; each watch tells the next of `changes`, merged into its status.
    pub fn cluster(mut cluster: Value, changes: Vec<Value>) -> Self {
        let mut changes = changes.into_iter();
        Self::start(
            move |asked| match (asked.method.as_str(), asked.path.contains("watch=true")) {
                ("PATCH", _)
                    if asked.body["metadata"]["resourceVersion"]
                        != cluster["metadata"]["resourceVersion"] =>
                {
                    failure(409, "Conflict", "the object has been modified")
                }
                ("PATCH", _) => {
                    merge(&mut cluster, &asked.body);
                    bump(&mut cluster);
                    Reply::Json(200, cluster.clone())
                }
                (_, true) => {
                    let mut events = Vec::new();
                    for change in changes.by_ref() {
                        merge(&mut cluster, &change);
                        bump(&mut cluster);
                        events.push(json!({ "type": "MODIFIED", "object": cluster }));
                    }
                    Reply::Watch(events, false)
                }
                _ if asked.path.ends_with("/demo") => Reply::Json(200, cluster.clone()),
                _ if asked.path.ends_with("/cassandraclusters") || asked.path.contains('?') => {
                    Reply::Json(200, list(&[&cluster]))
                }
                _ => not_found(asked),
            },
        )
    }

    /// Serves `cluster`, takes patches of it, and tells a watch what is sent.
    pub fn changing(mut cluster: Value) -> (Self, Sender<Value>) {
        let (sender, changes) = mpsc::channel();
        let mut changes = Some(changes);
        let api = Self::start(move |asked| {
            match (asked.method.as_str(), asked.path.contains("watch=true")) {
                ("PATCH", _) => {
                    merge(&mut cluster, &asked.body);
                    bump(&mut cluster);
                    Reply::Json(200, cluster.clone())
                }
                (_, true) => changes.take().map_or(Reply::Silence, |changes| {
                    Reply::Changes(cluster.clone(), changes)
                }),
                _ => Reply::Json(200, cluster.clone()),
            }
        });
        (api, sender)
    }

    /// Words and fields in its answers that the operator never writes.
    pub fn unknown(&self) -> Vec<String> {
        self.unknown.lock().unwrap().clone()
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }
}

/// Merge patch (RFC 7386), but lists of the status are replaced as a whole.
pub fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    target.remove(key);
                } else {
                    merge(target.entry(key).or_insert(json!({})), value);
                }
            }
        }
        (_, Value::Null) => {}
        (target, patch) => *target = patch.clone(),
    }
}

fn bump(cluster: &mut Value) {
    let version: u64 = cluster["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    cluster["metadata"]["resourceVersion"] = (version + 1).to_string().into();
}

pub fn list(items: &[&Value]) -> Value {
    json!({ "apiVersion": "db.orange.com/v2", "kind": "CassandraClusterList", "metadata": {}, "items": items })
}

pub fn failure(code: u16, reason: &str, message: &str) -> Reply {
    Reply::Json(
        code,
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message }),
    )
}

pub fn not_found(asked: &Asked) -> Reply {
    let name = asked.path.rsplit('/').next().unwrap();
    Reply::Json(
        404,
        json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound",
            "message": format!("cassandraclusters.db.orange.com \"{name}\" not found"),
            "details": { "name": name, "group": "db.orange.com", "kind": "cassandraclusters" },
        }),
    )
}

fn read(stream: &mut TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let length = lines
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let mut words = lines
        .first()
        .map(String::as_str)
        .unwrap_or_default()
        .split(' ');
    let mut next = || words.next().unwrap_or_default().to_owned();
    let (method, path) = (next(), next());
    let headers = lines.into_iter().skip(1).collect();
    Asked {
        method,
        path,
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

fn write(stream: &mut TcpStream, reply: Reply) {
    let head = |code, kind: &str| {
        format!("HTTP/1.1 {code} X\r\nconnection: close\r\ncontent-type: {kind}\r\n")
    };
    // A client that has gone is no failure of the server.
    let _ = match reply {
        Reply::Json(code, body) => {
            let body = body.to_string();
            write!(
                stream,
                "{}content-length: {}\r\n\r\n{body}",
                head(code, "application/json"),
                body.len()
            )
        }
        Reply::Text(code, body) => {
            write!(
                stream,
                "{}content-length: {}\r\n\r\n{body}",
                head(code, "text/plain"),
                body.len()
            )
        }
        Reply::Watch(events, ends) => {
            let sent = write!(stream, "{}\r\n", head(200, "application/json"));
            let sent = events.iter().fold(sent, |sent, event| {
                sent.and_then(|()| writeln!(stream, "{event}"))
            });
            let hold = if ends {
                Duration::ZERO
            } else {
                Duration::from_secs(60)
            };
            thread::sleep(hold);
            sent
        }
        Reply::Changes(mut cluster, changes) => {
            let sent = write!(stream, "{}\r\n", head(200, "application/json"));
            changes.into_iter().fold(sent, |sent, change| {
                merge(&mut cluster, &change);
                bump(&mut cluster);
                let event = json!({ "type": "MODIFIED", "object": cluster });
                sent.and_then(|()| writeln!(stream, "{event}"))
            })
        }
        Reply::Events(events) => {
            let sent = write!(stream, "{}\r\n", head(200, "application/json"));
            // The type comes first, as an API server writes it: an object is decoded as what its type says.
            events.into_iter().fold(sent, |sent, event| {
                let (kind, object) = (&event["type"], &event["object"]);
                let line = format!("{{\"type\":{kind},\"object\":{object}}}\n");
                sent.and_then(|()| stream.write_all(line.as_bytes()))
            })
        }
        Reply::Silence => {
            thread::sleep(Duration::from_secs(60));
            Ok(())
        }
    };
}
