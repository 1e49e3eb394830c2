//! Requests of the operator, from the audit log of the API server. Its Lease is not in there.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use serde_json::Value;

use crate::folder;

/// The audit log from some moment on.
pub struct Audit {
    from: u64,
}

/// Requests in some time.
#[derive(Default)]
pub struct Requests {
    /// All of them, without watches: one lasts for minutes.
    pub all: f64,
    /// Those that write.
    pub writes: f64,
    /// The numbers of writes, by what they are, as `patch cassandraclusters/status`.
    pub written: BTreeMap<String, usize>,
}

impl Audit {
    /// The log from now on.
    pub fn from_here() -> Self {
        let file = log();
        Self {
            from: file.metadata().expect("the audit log is a file").len(),
        }
    }

    /// The requests since then.
    pub fn since(self) -> Requests {
        let mut file = log();
        file.seek(SeekFrom::Start(self.from))
            .expect("it was as long");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("the log is text");
        let mut requests = Requests::default();
        for line in text.lines() {
            let Ok(event) = serde_json::from_str::<Value>(line) else {
                // The last line may still be written.
                continue;
            };
            let verb = event["verb"].as_str().unwrap_or_default();
            if verb == "watch" {
                continue;
            }
            requests.all += 1.0;
            if !matches!(verb, "get" | "list") {
                requests.writes += 1.0;
                let object = &event["objectRef"];
                let word = |name: &str| object[name].as_str().unwrap_or_default();
                let what = format!("{verb} {}/{}", word("resource"), word("subresource"));
                *requests.written.entry(what).or_default() += 1;
            }
        }
        requests
    }
}

fn log() -> File {
    File::open(folder().join("logs/audit.log")).expect("the API server writes an audit log")
}
