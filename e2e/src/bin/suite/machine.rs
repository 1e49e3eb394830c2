//! The capacity of the machine and of the testbed.

use std::{fs, num::NonZero, thread};

use casskop_e2e::{site::HOME, suite::NODE_MEMORY};

/// Memory reserved for everything except Cassandra, in bytes.
const RESERVED: u64 = 2 << 30;

/// Kubernetes nodes of the first cluster.
pub fn nodes() -> usize {
    let ready = fs::read_to_string(HOME.folder().join("ready"));
    ready.expect("the testbed runs").lines().count()
}

/// Processors of the machine.
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Cassandra nodes that fit into the memory that is available.
pub fn cassandras() -> u32 {
    let text = fs::read_to_string("/proc/meminfo").expect("/proc is mounted");
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let bytes = kibibytes.unwrap_or_default() * 1024;
    u32::try_from(bytes.saturating_sub(RESERVED) / NODE_MEMORY).unwrap_or(u32::MAX)
}

/// Cassandra nodes that the processors can run: a node at rest takes some 3 % of a processor.
pub fn most_cassandras() -> u32 {
    u32::try_from(9 * processors()).unwrap_or(u32::MAX)
}

/// The idle share of the processors' time.
#[derive(Default)]
pub struct Idle {
    /// Idle ticks and all ticks, at the samples of the last seconds.
    looks: Vec<(u64, u64)>,
}

impl Idle {
    /// Number of samples that are kept.
    const LOOKS: usize = 10;

    /// The share during the last samples, including a new one.
    #[expect(
        clippy::cast_precision_loss,
        reason = "ticks of some seconds are small"
    )]
    pub fn look(&mut self) -> f64 {
        self.looks.push(ticks());
        if self.looks.len() > Self::LOOKS {
            self.looks.remove(0);
        }
        let (first, last) = (self.looks[0], self.looks[self.looks.len() - 1]);
        let all = last.1.saturating_sub(first.1);
        if all == 0 {
            return 1.0;
        }
        last.0.saturating_sub(first.0) as f64 / all as f64
    }
}

/// Ticks of all processors: idle ones, and all.
fn ticks() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").expect("/proc is mounted");
    let line = text.lines().next().unwrap_or_default();
    let fields: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .map(|field| field.parse().unwrap_or_default())
        .collect();
    let idle = fields.get(3).copied().unwrap_or_default() + fields.get(4).copied().unwrap_or(0);
    (idle, fields.iter().sum())
}
