//! `drain`: writes memtables to disk; the node takes no more part in the ring until its pod is restarted.

use clap::Args;

/// Arguments of `drain`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Drain {}
