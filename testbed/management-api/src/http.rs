//! HTTP/1.1 as the server speaks it: bodies in chunks, no body where there is nothing to say, connections that are kept.

use std::io::{self, Read, Write};

/// Longest head of a request, in bytes.
const HEAD: usize = 16 * 1024;
/// Longest body, in bytes: a repair names up to some thousand token ranges.
const BODY: usize = 4 * 1024 * 1024;
const HEADERS: usize = 64;

/// A request.
#[derive(Debug, Default)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its path, without the parameters.
    pub path: String,
    parameters: Vec<(String, String)>,
    /// The type of the body.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the client wants no further request on this connection.
    pub closes: bool,
}

impl Request {
    /// Reads the next request; nothing if the client has closed the connection.
    ///
    /// # Errors
    /// The connection broke, or its bytes are no request.
    pub fn read(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte)? == 0 {
                return Ok(None);
            }
            head.push(byte[0]);
            if head.len() > HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        parsed.parse(&head).map_err(io::Error::other)?;
        let header = |name: &str| {
            let mut found = parsed.headers.iter();
            let found = found.find(|header| header.name.eq_ignore_ascii_case(name));
            found.map_or_else(String::new, |header| {
                String::from_utf8_lossy(header.value).into_owned()
            })
        };
        let target = parsed.path.unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let length = header("content-length").parse().unwrap_or(0);
        if length > BODY {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut request = Self {
            method: parsed.method.unwrap_or_default().to_owned(),
            path: path.to_owned(),
            parameters: parameters(query),
            content_type: header("content-type"),
            body: vec![0; length],
            closes: header("connection").eq_ignore_ascii_case("close"),
        };
        stream.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    /// A parameter of the query; nothing if it is missing or empty.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a parameter.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.parameters.iter().filter(move |(key, _)| key == name);
        let values = named.map(|(_, value)| value.as_str());
        values.filter(|value| !value.is_empty())
    }
}

fn parameters(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let two = match byte {
            b'%' => rest.next().zip(rest.next()),
            _ => None,
        };
        let hex = |(one, two): (u8, u8)| {
            let text = [one, two];
            u8::from_str_radix(std::str::from_utf8(&text).ok()?, 16).ok()
        };
        bytes.push(two.and_then(hex).unwrap_or(match byte {
            b'+' => b' ',
            byte => byte,
        }));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The type of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `text/plain;charset=UTF-8`.
    Plain,
    /// `application/json`.
    Json,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The type; that of an error is the type of the success.
    pub kind: Kind,
    /// The body; without one there is no type either.
    pub body: String,
}

impl Answer {
    /// An answer with text.
    pub fn plain(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            kind: Kind::Plain,
            body: body.into(),
        }
    }

    /// An answer of the type of JSON, which an error only pretends to be.
    pub fn json(status: u16, body: &(impl ToString + ?Sized)) -> Self {
        Self {
            status,
            kind: Kind::Json,
            body: body.to_string(),
        }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self::plain(status, "")
    }

    /// Sends the answer.
    ///
    /// # Errors
    /// The connection broke.
    pub fn send(&self, stream: &mut impl Write, closes: bool) -> io::Result<()> {
        let connection = if closes { "connection: close\r\n" } else { "" };
        let rest = self.rest();
        let text = format!(
            "HTTP/1.1 {} {}\r\n{connection}{rest}",
            self.status,
            reason(self.status)
        );
        stream.write_all(text.as_bytes())?;
        stream.flush()
    }

    /// The text behind the status: a body is one chunk.
    fn rest(&self) -> String {
        if self.body.is_empty() {
            return "content-length: 0\r\n\r\n".to_owned();
        }
        let kind = match self.kind {
            Kind::Plain => "text/plain;charset=UTF-8",
            Kind::Json => "application/json",
        };
        let (length, body) = (self.body.len(), &self.body);
        format!(
            "Content-Type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
        )
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        415 => "Unsupported Media Type",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_follow_each_other_on_a_connection() {
        let mut bytes: &[u8] = b"POST /a?x=1%2B2&y=&x=3+4 HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}\
            GET /b HTTP/1.1\r\nConnection: close\r\n\r\n";
        let first = Request::read(&mut bytes).unwrap().unwrap();
        assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/a"));
        assert_eq!(first.all("x").collect::<Vec<_>>(), ["1+2", "3 4"]);
        assert_eq!(first.parameter("y"), None);
        assert_eq!(first.body, b"{}");
        assert!(!first.closes);
        let second = Request::read(&mut bytes).unwrap().unwrap();
        assert!(second.closes && second.path == "/b");
        assert!(Request::read(&mut bytes).unwrap().is_none());
    }

    #[test]
    fn an_answer_without_a_body_has_no_type() {
        let sent = |answer: Answer| {
            let mut bytes = Vec::new();
            answer.send(&mut bytes, false).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(
            sent(Answer::empty(204)),
            "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"
        );
        assert_eq!(
            sent(Answer::plain(200, "OK")),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain;charset=UTF-8\r\ntransfer-encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n"
        );
    }
}
