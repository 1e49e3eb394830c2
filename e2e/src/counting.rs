//! A proxy before the real API server that records the requests.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use serde_json::json;

use crate::{
    command::{self, Output, inside, setting},
    space::scratch,
    wait::until,
};

/// A proxy that records requests. It speaks plain HTTP to its client, and through `kubectl proxy` to the API server.
pub struct Counting {
    address: SocketAddr,
    asked: Receiver<String>,
    proxy: Child,
}

impl Counting {
    /// Opens the proxy.
    pub fn start() -> Self {
        let socket = scratch("counting.socket");
        let _ = fs::remove_file(&socket);
        let proxy = inside("kubectl")
            .arg("proxy")
            .arg(format!("--unix-socket={}", socket.display()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("kubectl proxy: {error}"));
        until("kubectl proxy listens", || {
            UnixStream::connect(&socket)
                .map(|_| ())
                .map_err(|error| error.to_string())
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (note, asked) = mpsc::channel();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = UnixStream::connect(&socket).expect("kubectl proxy listens");
                join(client, server, note.clone());
            }
        });
        Self {
            address,
            asked,
            proxy,
        }
    }

    /// Runs `kubectl casskop` in a namespace and returns its requests, as in `GET /api/v1/pods`.
    pub fn run(&self, namespace: &str, args: &[&str]) -> (Output, Vec<String>) {
        let mut plugin = Command::new(setting("KUBECTL_CASSKOP"));
        plugin
            .env("KUBECONFIG", self.kubeconfig())
            .args(["-n", namespace])
            .args(args);
        let output = command::run(plugin, "");
        (output, self.asked.try_iter().collect())
    }

    fn kubeconfig(&self) -> PathBuf {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "counting",
            "clusters": [{ "name": "counting", "cluster": { "server": format!("http://{}", self.address) } }],
            "contexts": [{ "name": "counting", "context": { "cluster": "counting", "user": "nobody" } }],
            "users": [{ "name": "nobody", "user": {} }],
        });
        let file = scratch("counting.kubeconfig");
        fs::write(&file, config.to_string()).expect("the scratch folder is writable");
        file
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

/// Forwards the data from either side, until the client or the server closes the connection.
fn join(client: TcpStream, server: UnixStream, note: Sender<String>) {
    let (Ok(mut to_client), Ok(mut from_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    thread::spawn(move || {
        let _ = requests(&client, &server, &note);
        let _ = server.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
}

/// Forwards the requests of one connection, each with its body, and records its first line.
fn requests(
    client: &TcpStream,
    mut server: &UnixStream,
    note: &Sender<String>,
) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let begin = head.len();
            if client.read_line(&mut head)? == 0 {
                return Ok(());
            }
            let line = head[begin..].to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
        }
        let first = head.lines().next().unwrap_or_default();
        let request = first.trim_end_matches(" HTTP/1.1").to_owned();
        // The record precedes the forwarding, so that a client with an answer finds its request recorded.
        note.send(request).map_err(std::io::Error::other)?;
        server.write_all(head.as_bytes())?;
        std::io::copy(&mut client.by_ref().take(length), &mut server)?;
    }
}
