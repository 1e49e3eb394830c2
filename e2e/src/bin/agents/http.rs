//! One request on one connection, and its answer.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

/// A limit larger than any request of the operator, in bytes.
const LARGEST: usize = 64 * 1024;

/// A request that is still unread in the connection.
pub struct Request {
    /// The complete request.
    pub bytes: Vec<u8>,
    /// Its body.
    pub body: String,
}

impl Request {
    /// Waits for the complete request; nothing if the client closes the connection before.
    pub fn peek(stream: &TcpStream) -> Option<Self> {
        let mut buffer = vec![0; LARGEST];
        loop {
            let seen = stream.peek(&mut buffer).ok().filter(|seen| *seen > 0)?;
            let text = String::from_utf8_lossy(&buffer[..seen]);
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && body.len() >= length(head)
            {
                return Some(Self {
                    body: body.to_owned(),
                    bytes: buffer[..seen].to_vec(),
                });
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Reads the request from the connection: a connection that is closed with unread data is reset.
    pub fn take(&self, mut stream: &TcpStream) {
        let mut bytes = vec![0; self.bytes.len()];
        let _ = stream.read_exact(&mut bytes);
    }

    /// The operation that the request calls; nothing for a read.
    pub fn operation(&self) -> Option<String> {
        let request: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        request["operation"].as_str().map(str::to_owned)
    }
}

fn length(head: &str) -> usize {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

/// Sends an answer; a closed connection is ignored.
pub fn answer(mut stream: &TcpStream, status: &str, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
    let _ = stream.write_all(text.as_bytes());
}
