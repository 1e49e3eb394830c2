//! A dashboard that runs, and pages of it without a browser.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    fake::Api,
    run::{binary, kubeconfig},
};

/// Deadline of an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Signs of life without what is awaited, of which the server sends one in ten seconds.
const QUIET: usize = 6;

/// A dashboard; it ends with the test.
pub struct Dashboard {
    child: Child,
    /// The printed link.
    pub link: String,
    pub port: u16,
    pub token: String,
    /// The begin of every stream.
    pub proof: String,
    /// The file that the dashboard was opened with.
    pub kubeconfig: String,
}

impl Dashboard {
    /// Opens one of the clusters of `api`.
    pub fn open(api: &Api, arguments: &[&str]) -> Self {
        let config = kubeconfig(&api.address.to_string());
        let mut command = binary(&[&["dashboard"], arguments].concat());
        command.env("KUBECONFIG", &config);
        let mut opened = Self::run(command);
        opened.kubeconfig = config.display().to_string();
        opened
    }

    /// Opens one by a command.
    pub fn run(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut link = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut link)
            .unwrap();
        let link = link.trim_end().to_owned();
        let (address, secrets) = link.split_once("/#token=").unwrap();
        let (token, proof) = secrets.split_once('.').unwrap();
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        let (token, proof) = (token.to_owned(), proof.to_owned());
        Self {
            child,
            link,
            port,
            token,
            proof,
            kubeconfig: String::new(),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The whole answer to a request.
    pub fn send(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A server that refuses a long request ends the connection before it has read all of it.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn request(&self, path: &str, headers: &[&str]) -> String {
        let host = format!("Host: 127.0.0.1:{}", self.port);
        let first = format!("GET {path} HTTP/1.1");
        let lines = [&[&*first, &*host], headers, &["", ""]].concat();
        lines.join("\r\n")
    }

    /// The whole answer for a path.
    pub fn get(&self, path: &str, headers: &[&str]) -> String {
        self.send(&self.request(path, headers))
    }

    /// The stream of a page.
    pub fn stream(&self, chosen: Option<&str>) -> Stream {
        self.try_stream(chosen).unwrap()
    }

    /// The stream of a page, or the answer that refuses it.
    pub fn try_stream(&self, chosen: Option<&str>) -> Result<Stream, String> {
        let mut stream = self.connect();
        let path = chosen.map_or("/events".to_owned(), |chosen| {
            format!("/events?cluster={chosen}")
        });
        let token = format!("Authorization: Bearer {}", self.token);
        let request = self.request(&path, &[&token, "Sec-Fetch-Site: same-origin"]);
        let failed = |error: std::io::Error| error.to_string();
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut stream = Stream(BufReader::new(stream));
        let status = stream.line();
        if !status.starts_with("HTTP/1.1 200") {
            let mut rest = String::new();
            stream.0.read_to_string(&mut rest).map_err(failed)?;
            return Err(status + &rest);
        }
        let proof = stream.data().unwrap();
        assert_eq!(proof, json!({ "proof": self.proof }), "it is the first");
        Ok(stream)
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The stream of a page.
pub struct Stream(BufReader<TcpStream>);

impl Stream {
    fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap();
        assert!(read > 0, "the stream ended");
        line
    }

    /// The next content of the page; nothing if that is as before.
    fn message(&mut self) -> Option<Value> {
        Some(self.data()?["view"].take())
    }

    fn data(&mut self) -> Option<Value> {
        loop {
            let line = self.line();
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
            if line.starts_with(": alive") {
                return None;
            }
        }
    }

    /// The next content of the page.
    pub fn next(&mut self) -> Value {
        self.until(|_| true)
    }

    /// The content of the page once it is as awaited.
    pub fn until(&mut self, is_there: impl Fn(&Value) -> bool) -> Value {
        let (mut last, mut quiet) = (Value::Null, 0);
        while quiet < QUIET {
            match self.message() {
                Some(page) if is_there(&page) => return page,
                Some(page) => last = page,
                None => quiet += 1,
            }
        }
        unreachable!("not shown: {last:#}");
    }

    /// Reads on until the server says that the stream is alive.
    pub fn alive(&mut self) {
        while self.message().is_some() {}
    }
}
