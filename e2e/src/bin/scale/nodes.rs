//! The program that answers for the nodes, and what it prints.

use std::{collections::BTreeSet, process::Command};

use casskop_e2e::{
    agents::{Program, program},
    proxied::Api,
    wait::until,
};
use jiff::Timestamp;

use crate::{clusters::DC, folder};

/// The program; it ends with this value.
pub struct Nodes(Program);

/// A line about a node.
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
        let mut command = Command::new(program());
        command.args(["pods", api.address()]);
        Self(Program::run(command, folder().join("logs/nodes.log")))
    }

    /// The lines about nodes from some number of lines on.
    pub fn told(&self, from: usize) -> Vec<Told> {
        let lines = self.0.lines();
        let told = lines.iter().skip(from).filter_map(|line| {
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
        self.0.lines().len()
    }

    /// Has the first read of each node printed from now on; the number of lines before.
    pub fn reads(&mut self) -> usize {
        let lines = self.lines();
        self.0.tell("reads");
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
}
