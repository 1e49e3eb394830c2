//! The program that answers for the nodes, and what it prints.

use std::{
    collections::BTreeSet,
    fs::File,
    io::Write,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use casskop_e2e::{proxied::Api, wait::until};
use jiff::Timestamp;

use crate::{clusters::DC, folder};

/// The program; it ends with this value.
pub struct Nodes {
    child: Child,
    log: PathBuf,
}

/// What a node was told.
pub struct Told {
    /// The time.
    pub at: Timestamp,
    /// Namespace and name of the pod.
    pub pod: String,
    /// The operation, or `read`.
    pub what: String,
}

impl Told {
    /// Namespace and name of the cluster: the name of a pod is that of its cluster, with data center, rack and number.
    pub fn cluster(&self) -> Option<&str> {
        Some(self.pod.split_once(&format!("-{DC}-"))?.0)
    }
}

impl Nodes {
    /// Starts the program.
    pub fn start(api: &Api) -> Self {
        let log = folder().join("logs/nodes.log");
        let file = File::create(&log).expect("the folder is writable");
        let own = std::env::current_exe().expect("a program has a path");
        let child = Command::new(own.with_file_name("agents"))
            .args(["pods", api.address()])
            .stdin(Stdio::piped())
            .stdout(file)
            .spawn();
        let nodes = Self {
            child: child.expect("the agents start"),
            log,
        };
        until("the agents to listen", || {
            let text = nodes.text();
            text.starts_with("listens").then_some(()).ok_or(text)
        });
        nodes
    }

    /// What the nodes were told from some number of lines on.
    pub fn told(&self, from: usize) -> Vec<Told> {
        let text = self.text();
        let told = text.lines().skip(from).filter_map(|line| {
            let [at, pod, what] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                return None;
            };
            Some(Told {
                at: at.parse().ok()?,
                pod: pod.to_owned(),
                what: what.to_owned(),
            })
        });
        told.collect()
    }

    /// The number of lines so far.
    pub fn lines(&self) -> usize {
        self.text().lines().count()
    }

    /// Has the first read of each node printed from now on; the number of lines before.
    pub fn reads(&mut self) -> usize {
        let lines = self.lines();
        let input = self.child.stdin.as_mut().expect("it is piped");
        writeln!(input, "reads").expect("the agents run");
        lines
    }

    /// Seconds from a moment until nodes of so many clusters have been read.
    pub fn all_read(&self, from: usize, clusters: usize, began: Timestamp) -> f64 {
        let last = until("each cluster to be looked at", || {
            let told = self.told(from);
            let reads = told.iter().filter(|told| told.what == "read");
            let seen: BTreeSet<&str> = reads.clone().filter_map(|told| told.cluster()).collect();
            let last = reads.map(|told| told.at).max();
            if seen.len() >= clusters {
                Ok(last)
            } else {
                Err(format!("{} of {clusters} were", seen.len()))
            }
        });
        last.map_or(0.0, |last| last.duration_since(began).as_secs_f64())
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
