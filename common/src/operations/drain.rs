//! `drain`: write memtables to disk and take no more part in the ring, until the pod is restarted.

use clap::Args;

/// Arguments of `drain`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Drain {}
